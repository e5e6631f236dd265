/* SPDX-License-Identifier: GPL-2.0 */
/*
 * handshake: both ends of a new connection say who they are, and prove it.
 *
 * Contract: on success the connection is secure and the other end has the key, the
 * same idea of the pair's name, and the other role. On failure the connection has
 * a verdict, and the other end was told if that makes sense.
 * Takes KVMFT_HANDSHAKE_TIMEOUT at most.
 */
#ifndef _KVMFT_HANDSHAKE_H
#define _KVMFT_HANDSHAKE_H

#include <linux/jiffies.h>

#include "conn.h"
#include "wire.h"

#define KVMFT_HANDSHAKE_TIMEOUT (2 * HZ)

/* Features that this version has. Encryption is to come. */
#define KVMFT_FEATURES (KVMFT_WIRE_FEATURE_LZ4 | KVMFT_WIRE_FEATURE_FOLLOWS)

/**
 * struct kvmft_identity - one's own end of a pair
 * @role: &enum kvmft_pair_role.
 * @key: The pair's key.
 * @instance: This end's instance id.
 * @heartbeat_ms: Its settings.
 * @timeout_ms: The same.
 * @name: The pair.
 */
struct kvmft_identity {
	u8 role;
	u8 key[KVMFT_KEY_LEN];
	u8 instance[KVMFT_INSTANCE_LEN];
	u32 heartbeat_ms;
	u32 timeout_ms;
	char name[KVMFT_WIRE_NAME_LEN];
};

/**
 * struct kvmft_greeting - what a handshake was about
 * @kind: &enum kvmft_wire_kind.
 * @vm: Guest of a data connection.
 * @session: Of a data connection, the session that it belongs to. Of a control
 *	connection, the one that begins, once the handshake is over.
 * @peer: HELLO of the other end.
 */
struct kvmft_greeting {
	u8 kind;
	u32 vm;
	u8 session[KVMFT_WIRE_SESSION_LEN];
	struct kvmft_wire_hello peer;
};

/*
 * Asked by the listening end about a HELLO that fits so far: the reason why the
 * connection isn't wanted, or 0.
 */
typedef u32 (*kvmft_admit_fn)(void *context, const struct kvmft_greeting *greeting);

int kvmft_handshake_connect(struct kvmft_conn *conn,
			    const struct kvmft_identity *self,
			    struct kvmft_greeting *greeting);
int kvmft_handshake_listen(struct kvmft_conn *conn,
			   const struct kvmft_identity *self,
			   kvmft_admit_fn admit, void *context,
			   struct kvmft_greeting *greeting);

#endif /* _KVMFT_HANDSHAKE_H */
