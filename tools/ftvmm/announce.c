// SPDX-License-Identifier: GPL-2.0
#include "announce.h"

#include <string.h>

#define MAC_LEN 6
#define TYPE_AT 12
#define BODY_AT 14
#define IPV4_SOURCE_AT (BODY_AT + 12)
#define IPV4_LEN (BODY_AT + 20)
#define ARP_SENDER_AT (BODY_AT + 8)
#define ARP_SOURCE_AT (BODY_AT + 14)
#define ARP_LEN (BODY_AT + 28)

static bool is_type(const u8 *frame, u8 high, u8 low)
{
	return frame[TYPE_AT] == high && frame[TYPE_AT + 1] == low;
}

static void learn(struct addresses *addresses, const u8 *at)
{
	u32 address, i;

	memcpy(&address, at, sizeof(address));
	/* Nobody's, and several at once's. */
	if (!address || at[0] >= 224 || at[0] == 127)
		return;
	for (i = 0; i < addresses->count; i++) {
		if (addresses->ipv4[i] == address)
			return;
	}
	addresses->ipv4[addresses->next] = address;
	addresses->next = (addresses->next + 1) % ANNOUNCE_ADDRESSES;
	if (addresses->count < ANNOUNCE_ADDRESSES)
		addresses->count++;
}

void announce_learn(struct addresses *addresses, const u8 *mac, const u8 *frame, u32 len)
{
	/* What it only passes on isn't its own. */
	if (len < BODY_AT || memcmp(frame + MAC_LEN, mac, MAC_LEN))
		return;
	if (is_type(frame, 0x08, 0x00) && len >= IPV4_LEN)
		learn(addresses, frame + IPV4_SOURCE_AT);
	else if (is_type(frame, 0x08, 0x06) && len >= ARP_LEN &&
		 !memcmp(frame + ARP_SENDER_AT, mac, MAC_LEN))
		learn(addresses, frame + ARP_SOURCE_AT);
}

bool announce_frame(const struct addresses *addresses, const u8 *mac, u32 n, u8 *frame)
{
	/* Ethernet and IPv4, and the sizes of their addresses. */
	static const u8 head[] = { 0, 1, 8, 0, 6, 4, 0 };
	u8 *body = frame + BODY_AT;

	if (n > addresses->count)
		return false;
	memset(frame, 0, ANNOUNCE_FRAME_LEN);
	memset(frame, 0xff, MAC_LEN);
	memcpy(frame + MAC_LEN, mac, MAC_LEN);
	memcpy(body, head, sizeof(head));
	memcpy(body + 8, mac, MAC_LEN);
	if (!n) {
		/* RARP: who asks which address has its own MAC. */
		frame[TYPE_AT] = 0x80;
		frame[TYPE_AT + 1] = 0x35;
		body[7] = 3;
		memcpy(body + 18, mac, MAC_LEN);
		return true;
	}
	/* ARP: who asks for its own address. */
	frame[TYPE_AT] = 0x08;
	frame[TYPE_AT + 1] = 0x06;
	body[7] = 1;
	memcpy(body + 14, &addresses->ipv4[n - 1], sizeof(u32));
	memcpy(body + 24, &addresses->ipv4[n - 1], sizeof(u32));
	return true;
}
