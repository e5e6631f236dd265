#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine timeout=120
#
# The lab works for a normal user where the system lets one have namespaces, and
# says what is missing where it doesn't.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

(( EUID == 0 )) || skip_all "takes root to become a normal user"

LAB=$KVMFT_ROOT/selftests/lab/lab
export KVMFT_LAB=user-$$
scratch=$(mktemp -d)
trap '{ "$LAB" down; as_user 600 /mnt/selftests/lab/lab down; } 2>/dev/null; rm -rf "$scratch"' EXIT
trap 'exit 1' TERM

# as_user MODE COMMAND...: as nobody, with a /dev/net/tun of that mode, and the tree
# at /mnt, since the folders above it may be closed to others.
as_user()
{
	# shellcheck disable=SC2016
	unshare --mount sh -c 'mount -t tmpfs dev /dev/net && mknod -m "$1" /dev/net/tun c 10 200 &&
		chmod 755 /dev/net && mount --bind "$2" /mnt && cd / && shift 2 &&
		exec setpriv --reuid=65534 --regid=65534 --clear-groups \
			env -u KVMFT_BUILD HOME=/nonexistent "$@"' \
		sh "$1" "$KVMFT_ROOT" "${@:2}"
}

[[ $KVMFT_BUILD == "$KVMFT_ROOT/build" ]] || skip_all "BUILD is elsewhere"
as_user 600 test -r /mnt/selftests/lab/lab || skip_all "the tree isn't readable for other users"
unshare --user true || skip_all "no user namespaces here"

# Makes the initramfs, which nobody may not.
"$LAB" up -n 1 >/dev/null && "$LAB" down

check_has "without access to /dev/net/tun it says so" "$(status as_user 600 /mnt/selftests/lab/lab up -n 1)" \
	"/dev/net/tun isn't yours to open"

# One shell for all, since the lab's name belongs to the user.
user=/mnt/selftests/lab/lab
said=$(as_user 666 sh -c "$user up -n 2 && $user exec -n h1 id -u &&
	$user exec -n h1 timeout 5 bash -c 'exec 3<>/dev/tcp/10.77.1.2/7' && echo reached &&
	$user exec -n h1 ethtool -k repl | grep ^scatter-gather && $user down && echo ended" 2>&1)
check_has "a normal user brings up two hosts" "$said" "is up: h1, h2"
check_has "they reach each other" "$said" "reached"
check_has "with scatter-gather" "$said" "scatter-gather: on"
check_has "and it ends" "$said" "ended"
check "nothing is left" wait_until 10 sh -c "! pgrep -f 'keepe[r].py.* $KVMFT_LAB\$'"

done_testing
