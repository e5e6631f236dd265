// SPDX-License-Identifier: GPL-2.0
#include "tap.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>

int tap_open(const char *name, int head_len)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (tap < 0)
		die("/dev/net/tun");
	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	must(tap, TUNSETIFF, &request, name);
	must(tap, TUNSETVNETHDRSZ, &head_len, name);
	must(tap, TUNSETOFFLOAD, NULL, name);
	return tap;
}

bool tap_set_offloads(int tap, unsigned int flags)
{
	return !ioctl(tap, TUNSETOFFLOAD, flags);
}
