// SPDX-License-Identifier: GPL-2.0
#include <crypto/algapi.h>
#include <crypto/hash.h>
#include <linux/err.h>
#include <linux/string.h>

#include "auth.h"
#include "compat.h"
#include "fault.h"

#define LABEL_LEN 16

/* MAC of a label, the transcript, and more that may be empty. */
static int labelled(struct crypto_shash *mac, const char *label,
		    const struct kvmft_transcript *transcript,
		    const u8 *more, u32 more_len, u8 *result)
{
	u8 padded[LABEL_LEN] = { 0 };
	SHASH_DESC_ON_STACK(desc, mac);
	int err;

	memcpy(padded, label, strlen(label));
	desc->tfm = mac;
	err = crypto_shash_init(desc) ?:
	      crypto_shash_update(desc, padded, sizeof(padded)) ?:
	      crypto_shash_update(desc, transcript->connecting,
				  sizeof(transcript->connecting)) ?:
	      crypto_shash_update(desc, transcript->listening,
				  sizeof(transcript->listening)) ?:
	      crypto_shash_finup(desc, more, more_len, result);
	shash_desc_zero(desc);
	return err;
}

/**
 * kvmft_auth_derive() - compute all that follows from key and transcript
 * @key: the pair's key, KVMFT_KEY_LEN bytes
 * @transcript: what was said
 * @secrets: result; to be wiped by the caller
 *
 * Context: may sleep
 *
 * Return: 0 or a negative errno
 */
int kvmft_auth_derive(const u8 *key, const struct kvmft_transcript *transcript,
		      struct kvmft_secrets *secrets)
{
	struct crypto_shash *mac = kvmft_mac_alloc(key);
	u8 session[KVMFT_WIRE_MAC_LEN];
	int err;

	if (IS_ERR(mac))
		return PTR_ERR(mac);

	err = labelled(mac, "connect proof", transcript, NULL, 0,
		       secrets->connect_proof) ?:
	      labelled(mac, "listen proof", transcript, secrets->connect_proof,
		       sizeof(secrets->connect_proof), secrets->listen_proof) ?:
	      labelled(mac, "connect key", transcript, NULL, 0,
		       secrets->connect_key) ?:
	      labelled(mac, "listen key", transcript, NULL, 0,
		       secrets->listen_key) ?:
	      labelled(mac, "session", transcript, NULL, 0, session);
	memcpy(secrets->session, session, sizeof(secrets->session));
	memzero_explicit(session, sizeof(session));
	kvmft_mac_free(mac);
	return err;
}

/**
 * kvmft_auth_equal() - compare without telling by the time it takes
 * @a: one
 * @b: the other
 * @len: bytes of each
 *
 * Return: whether they are equal
 */
bool kvmft_auth_equal(const u8 *a, const u8 *b, size_t len)
{
	return !crypto_memneq(a, b, len);
}

/**
 * kvmft_mac_alloc() - get ready to compute MACs with a key
 * @key: KVMFT_WIRE_MAC_LEN bytes
 *
 * Several threads may compute with it at the same time.
 *
 * Context: may sleep
 *
 * Return: what kvmft_mac_compute() wants, or an ERR_PTR()
 */
struct crypto_shash *kvmft_mac_alloc(const u8 *key)
{
	struct crypto_shash *mac;
	int err;

	err = kvmft_fault(KVMFT_FAULT_MAC_ALLOC);
	if (err)
		return ERR_PTR(err);

	mac = crypto_alloc_shash("hmac(sha256)", 0, 0);
	if (IS_ERR(mac))
		return mac;

	err = crypto_shash_setkey(mac, key, KVMFT_WIRE_MAC_LEN);
	if (err) {
		crypto_free_shash(mac);
		return ERR_PTR(err);
	}
	return mac;
}

/**
 * kvmft_mac_free() - undo kvmft_mac_alloc()
 * @mac: what that returned, or NULL
 */
void kvmft_mac_free(struct crypto_shash *mac)
{
	if (mac)
		crypto_free_shash(mac);
}

/**
 * kvmft_mac_compute() - compute the MAC of a frame
 * @mac: with the sender's key
 * @header: the header, KVMFT_WIRE_HEADER_LEN bytes
 * @body: the body
 * @len: its length
 * @result: KVMFT_WIRE_MAC_LEN bytes
 *
 * Return: 0 or a negative errno
 */
int kvmft_mac_compute(struct crypto_shash *mac, const u8 *header,
		      const u8 *body, u32 len, u8 *result)
{
	SHASH_DESC_ON_STACK(desc, mac);
	int err;

	desc->tfm = mac;
	err = crypto_shash_init(desc) ?:
	      crypto_shash_update(desc, header, KVMFT_WIRE_HEADER_LEN) ?:
	      crypto_shash_finup(desc, body, len, result);
	shash_desc_zero(desc);
	return err;
}
