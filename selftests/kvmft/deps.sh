#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine
#
# make deps: what is missing is named and installed, or the command to do it is.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

cd "$KVMFT_ROOT" || exit 1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# A machine on which these packages are missing, and an apt-get that says what it
# was asked for. Everything else is as it is.
cat >"$scratch/dpkg-query" <<'END'
#!/bin/sh
for package; do :; done
case $package in
nbdkit|sparse) exit 1 ;;
esac
exec /usr/bin/dpkg-query "$@"
END
cat >"$scratch/apt-get" <<'END'
#!/bin/sh
echo "apt-get $*"
END
chmod +x "$scratch"/*

check_eq "nothing is missing here" "" "$(scripts/deps missing)"
check_eq "then ready has nothing to say" "0 " "$(status scripts/deps ready)"

PATH=$scratch:$PATH
check_eq "only what is missing counts" "nbdkit sparse" "$(scripts/deps missing | paste -sd' ')"
said=$(scripts/deps install 2>&1)
if (( EUID == 0 )); then
	check_has "it says what it installs" "$said" "packages: nbdkit sparse"
	check_has "and installs that" "$said" "install -y --no-install-recommends nbdkit sparse"
fi
user=()
(( EUID )) || user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if chmod 755 "$scratch" && "${user[@]}" test -r scripts/deps; then
	check_has "a normal user is told the one command" \
		"$(status "${user[@]}" env PATH="$PATH" scripts/deps ready)" "run: sudo make deps"
fi
check_eq "without dpkg it says so" "1 deps: this isn't Debian; install what 'scripts/deps list' names by hand" \
	"$(status env PATH=/nowhere /bin/bash scripts/deps ready)"
done_testing
