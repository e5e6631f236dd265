/* SPDX-License-Identifier: GPL-2.0 */
/*
 * auth: what proves that a peer has the pair's key, and that a frame is its own.
 *
 * Contract: everything is HMAC-SHA-256 from the kernel's crypto API, with labels
 * as in Documentation/wire.rst. Comparisons take the same time whatever differs.
 * Keys that are made here are wiped when they are released.
 */
#ifndef _KVMFT_AUTH_H
#define _KVMFT_AUTH_H

#include <linux/types.h>

#include "wire.h"

struct crypto_shash;

/**
 * struct kvmft_transcript - what both ends said before anything was proved
 * @connecting: HELLO of the connecting end, with its header.
 * @listening: HELLO of the listening end.
 */
struct kvmft_transcript {
	u8 connecting[KVMFT_WIRE_HEADER_LEN + KVMFT_WIRE_HELLO_LEN];
	u8 listening[KVMFT_WIRE_HEADER_LEN + KVMFT_WIRE_HELLO_LEN];
};

/**
 * struct kvmft_secrets - what follows from key and transcript
 * @connect_proof: Proof of the connecting end.
 * @listen_proof: Proof of the listening end.
 * @connect_key: Key of the MACs of the connecting end.
 * @listen_key: Key of the MACs of the listening end.
 * @session: Names the session; not a secret.
 */
struct kvmft_secrets {
	u8 connect_proof[KVMFT_WIRE_AUTH_LEN];
	u8 listen_proof[KVMFT_WIRE_AUTH_LEN];
	u8 connect_key[KVMFT_WIRE_MAC_LEN];
	u8 listen_key[KVMFT_WIRE_MAC_LEN];
	u8 session[KVMFT_WIRE_SESSION_LEN];
};

int kvmft_auth_derive(const u8 *key, const struct kvmft_transcript *transcript,
		      struct kvmft_secrets *secrets);
bool kvmft_auth_equal(const u8 *a, const u8 *b, size_t len);

struct crypto_shash *kvmft_mac_alloc(const u8 *key);
void kvmft_mac_free(struct crypto_shash *mac);
int kvmft_mac_compute(struct crypto_shash *mac, const u8 *header,
		      const u8 *body, u32 len, u8 *result);

#endif /* _KVMFT_AUTH_H */
