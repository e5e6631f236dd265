#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine timeout=180
#
# The disk of Debian's programs for test guests: what gets on it, and when it is made anew.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

userland=$KVMFT_ROOT/selftests/ftvmm/userland
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' TERM
export KVMFT_CACHE=$scratch/cache
PATH=$PATH:/usr/sbin:/sbin
mkdir "$scratch/bin" "$scratch/files"

# program NAME: what stands in for it, from standard input.
program()
{
	cat >"$scratch/bin/$1"
	chmod 755 "$scratch/bin/$1"
}

# image PACKAGE...: the script, with these programs for the system's.
image()
{
	PATH=$scratch/bin:$PATH "$userland" "$@"
}

# stat_of IMAGE PATH: what debugfs knows of it.
stat_of()
{
	debugfs -R "stat $2" "$1" 2>/dev/null
}

# here IMAGE: all files in the image that are in the scratch folder.
here()
{
	debugfs -R "ls -p $scratch/files" "$1" 2>/dev/null | cut -d/ -f6 | grep -v '^\.*$' | sort |
		paste -sd' '
}

# --- The machine's own packages

check_eq "a package that isn't there is named" "1 userland: not installed: nosuch zork" \
	"$(status "$userland" nosuch dash zork)"
program mke2fs <<'END'
#!/bin/sh
echo "no room for $*" >&2
exit 1
END
check_has "when no image can be made, it says why" "$(status image dash)" \
	"1 userland: mke2fs failed: no room for "
check_eq "and leaves nothing" userland.lock "$(ls "$KVMFT_CACHE")"
rm "$scratch/bin/mke2fs"

disk=$(image dash)
check "an image is made" test -f "$disk"
check "it is a sound file system" e2fsck -fn "$disk"
check_has "with dash" "$(stat_of "$disk" /usr/bin/dash)" "Type: regular    Mode:  0755"
check_has "and what it needs" "$(stat_of "$disk" /usr/lib/x86_64-linux-gnu/libc.so.6)" \
	"Type: regular"
check_has "which the loader finds" "$(stat_of "$disk" /etc/ld.so.cache)" "Type: regular"
check_eq "folders lead to others as on the machine" \
	"$(find /lib64 -maxdepth 0 -type l -printf 'Fast link dest: "%l"')" \
	"$(stat_of "$disk" /lib64 | grep '^Fast link')"
check_hasnt "there is no documentation" "$(debugfs -R 'ls -p /usr/share' "$disk" 2>/dev/null)" /doc/

program mke2fs <<'END'
#!/bin/sh
exit 1
END
check_eq "the second time it is there already" "0 $disk" "$(status image dash)"
cp "$userland" "$scratch/userland"
echo "# changed" >>"$scratch/userland"
check_has "a changed script makes a new one" \
	"$(PATH=$scratch/bin:$PATH status "$scratch/userland" dash)" "1 userland: mke2fs failed"
check_has "so do other packages" "$(status image coreutils)" "1 userland: mke2fs failed"
rm "$scratch/bin/mke2fs"
touch -d '40 days ago' "$KVMFT_CACHE"/userland-0123456789ab.ext4
image sed >/dev/null
check_eq "what nobody uses goes" 2 "$(find "$KVMFT_CACHE" -name '*.ext4' | wc -l)"

# --- Packages of our own: each has a file of its name

# package NAME VERSION PRE-DEPENDS DEPENDS PROVIDES
package()
{
	printf 'installed\t%s\tall\t%s\t%s\t%s\t%s\n' "$@" >>"$scratch/status"
	touch "$scratch/files/$1"
}

program dpkg-query <<END
#!/bin/sh
case \$1 in
-W) cat "$scratch/status" ;;
-L)
	shift
	for name; do
		printf '/.\n%s\ndiverted by other to: /nowhere\n\n' "$scratch/files/\$name"
	done ;;
esac
END
package a 1 "first (>= 2)" "nosuch | second (<< 2) | third:any, virtual" ""
package first 2 "" "a" ""
package second 3 "" "" ""
package third 1 "" "" ""
package fourth 1 "" "" "virtual (= 5), more"
package versions 1 "" "virtual (>= 5), fourth (= 1)" ""
package newer 1 "" "virtual (>> 5)" ""
package unversioned 1 "" "more (>= 0)" ""
check_eq "alternatives and what others provide" "a first fourth third" "$(here "$(image a)")"
check_eq "versions that others provide" "fourth versions" "$(here "$(image versions)")"
check_eq "not if they are others" \
	"1 userland: newer depends on virtual, which isn't installed" "$(status image newer)"
check_eq "nor without one" \
	"1 userland: unversioned depends on more, which isn't installed" "$(status image unversioned)"
rm "$scratch/files/third"
sed -i 's/^\(installed\ta\tall\t\)1/\12/' "$scratch/status"
check_eq "a new version, and a file that is gone" "a first fourth" "$(here "$(image a)")"

# --- Without being root

user=()
(( EUID )) || user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
user+=(env HOME=/nonexistent KVMFT_CACHE="$scratch/of_user")
chmod 755 "$scratch"
mkdir -m 777 "$scratch/of_user"
if "${user[@]}" unshare -Ur true 2>/dev/null; then
	disk=$("${user[@]}" "$scratch/userland" dash)
	check "a normal user gets one" e2fsck -fn "$disk"
	check_has "whose files are root's" "$(stat_of "$disk" /usr/bin/dash)" "User:     0   Group:     0"
fi
done_testing
