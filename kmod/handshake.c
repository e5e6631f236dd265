// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/utsname.h>

#include "auth.h"
#include "compat.h"
#include "fault.h"
#include "handshake.h"
#include "version.h"

/**
 * struct handshake - one that is under way; too much for the stack
 * @conn: The connection.
 * @self: This end.
 * @greeting: Where the result goes.
 * @deadline: When it has taken too long, in jiffies.
 * @transcript: What was said.
 * @secrets: What follows from that.
 */
struct handshake {
	struct kvmft_conn *conn;
	const struct kvmft_identity *self;
	struct kvmft_greeting *greeting;
	unsigned long deadline;
	struct kvmft_transcript transcript;
	struct kvmft_secrets secrets;
};

static struct handshake *handshake_begin(struct kvmft_conn *conn,
					 const struct kvmft_identity *self,
					 struct kvmft_greeting *greeting)
{
	struct handshake *shake;

	shake = kvmft_fault(KVMFT_FAULT_HANDSHAKE) ? NULL :
		kzalloc(sizeof(*shake), GFP_KERNEL);
	if (!shake) {
		kvmft_conn_fail(conn, KVMFT_REASON_MEMORY);
		return NULL;
	}
	shake->conn = conn;
	shake->self = self;
	shake->greeting = greeting;
	shake->deadline = jiffies + KVMFT_HANDSHAKE_TIMEOUT;
	return shake;
}

static int handshake_end(struct handshake *shake, int err)
{
	if (err)
		kvmft_conn_bye(shake->conn);
	kfree_sensitive(shake);
	return err;
}

/* The next frame, which is there in time and of one type. */
static int expect(struct handshake *shake, enum kvmft_wire_phase phase)
{
	struct kvmft_conn *conn = shake->conn;
	long left = shake->deadline - jiffies;
	bool got;
	int err;

	err = kvmft_conn_receive(conn, phase, max(left, 0L), &got);
	if (err)
		return err;
	if (!got && kthread_should_stop())
		return kvmft_conn_fail(conn, KVMFT_REASON_GONE);
	if (!got)
		return kvmft_conn_fail(conn, KVMFT_REASON_SLOW);
	return 0;
}

static int send_hello(struct handshake *shake, u8 *copy)
{
	const struct kvmft_identity *self = shake->self;
	struct kvmft_wire_header header = {
		.type = KVMFT_WIRE_HELLO,
		.body = KVMFT_WIRE_HELLO_LEN,
		.vm = shake->greeting->vm,
	};
	struct kvmft_wire_hello hello = {
		.version = KVMFT_PROTOCOL_VERSION,
		.role = self->role,
		.kind = shake->greeting->kind,
		.features = KVMFT_FEATURES,
		.heartbeat_ms = self->heartbeat_ms,
		.timeout_ms = self->timeout_ms,
	};
	u8 body[KVMFT_WIRE_HELLO_LEN];

	get_random_bytes(hello.nonce, sizeof(hello.nonce));
	memcpy(hello.instance, self->instance, sizeof(hello.instance));
	memcpy(hello.session, shake->greeting->session, sizeof(hello.session));
	strscpy(hello.name, self->name, sizeof(hello.name));
	/* Its lock isn't for modules; a name that changes just now is harmless. */
	strscpy(hello.host, init_utsname()->nodename, sizeof(hello.host));

	kvmft_wire_put_hello(body, &hello);
	return kvmft_conn_send(shake->conn, &header, body, copy);
}

/* The other end's HELLO, and all about it that doesn't depend on the role. */
static int receive_hello(struct handshake *shake, u8 *copy)
{
	const struct kvmft_identity *self = shake->self;
	struct kvmft_wire_hello *peer = &shake->greeting->peer;
	struct kvmft_conn *conn = shake->conn;
	enum kvmft_reason reason;
	int err;

	err = expect(shake, KVMFT_WIRE_EXPECT_HELLO);
	if (err)
		return err;

	reason = kvmft_wire_get_hello(kvmft_conn_body(conn), conn->header.body,
				      peer);
	if (reason == KVMFT_REASON_VERSION)
		return kvmft_conn_fail_saying(conn, reason,
				       "it is %u at one end and %u at the other",
				       peer->version, KVMFT_PROTOCOL_VERSION);
	if (reason)
		return kvmft_conn_fail(conn, reason);
	if (peer->role == self->role)
		return kvmft_conn_fail(conn, KVMFT_REASON_BAD_ROLE);
	if (strcmp(peer->name, self->name))
		return kvmft_conn_fail_saying(conn, KVMFT_REASON_BAD_NAME,
				       "'%s' at one end, '%s' at the other",
				       peer->name, self->name);
	if (peer->required & ~KVMFT_FEATURES)
		return kvmft_conn_fail_saying(conn, KVMFT_REASON_FEATURES,
				       "%#llx is demanded of %s, which has %#llx",
				       peer->required, init_utsname()->nodename,
				       KVMFT_FEATURES);

	conn->features = peer->features;
	memcpy(copy, conn->in, KVMFT_WIRE_HEADER_LEN + KVMFT_WIRE_HELLO_LEN);
	return 0;
}

static int send_proof(struct handshake *shake, const u8 *proof)
{
	struct kvmft_wire_header header = {
		.type = KVMFT_WIRE_AUTH,
		.body = KVMFT_WIRE_AUTH_LEN,
	};

	return kvmft_conn_send(shake->conn, &header, proof, NULL);
}

static int receive_proof(struct handshake *shake, const u8 *proof)
{
	struct kvmft_conn *conn = shake->conn;
	int err;

	err = expect(shake, KVMFT_WIRE_EXPECT_AUTH);
	if (err)
		return err;
	if (!kvmft_auth_equal(kvmft_conn_body(conn), proof, KVMFT_WIRE_AUTH_LEN))
		return kvmft_conn_fail(conn, KVMFT_REASON_BAD_KEY);
	return 0;
}

static int derive(struct handshake *shake)
{
	int err;

	err = kvmft_auth_derive(shake->self->key, &shake->transcript,
				&shake->secrets);
	if (err)
		return kvmft_conn_fail(shake->conn, kvmft_reason_of(err));
	return 0;
}

static void note_result(struct handshake *shake)
{
	struct kvmft_greeting *greeting = shake->greeting;

	shake->conn->vm = greeting->vm;
	if (greeting->kind == KVMFT_WIRE_KIND_CONTROL)
		memcpy(greeting->session, shake->secrets.session,
		       sizeof(greeting->session));
}

/**
 * kvmft_handshake_connect() - the handshake of the end that connected
 * @conn: a fresh connection
 * @self: this end
 * @greeting: kind, vm and session as they are wanted; the rest is a result
 *
 * Context: a thread of the module's; gives up early when it is to stop
 *
 * Return: 0, or a negative errno after a verdict
 */
int kvmft_handshake_connect(struct kvmft_conn *conn,
			    const struct kvmft_identity *self,
			    struct kvmft_greeting *greeting)
{
	struct handshake *shake = handshake_begin(conn, self, greeting);
	int err;

	if (!shake)
		return -ENOMEM;

	err = send_hello(shake, shake->transcript.connecting) ?:
	      receive_hello(shake, shake->transcript.listening);
	if (err)
		goto out;

	if (greeting->peer.kind != greeting->kind ||
	    conn->header.vm != greeting->vm ||
	    memcmp(greeting->peer.session, greeting->session,
		   sizeof(greeting->session))) {
		err = kvmft_conn_fail(conn, KVMFT_REASON_PROTOCOL);
		goto out;
	}

	err = derive(shake) ?:
	      send_proof(shake, shake->secrets.connect_proof) ?:
	      receive_proof(shake, shake->secrets.listen_proof) ?:
	      kvmft_conn_secure(conn, shake->secrets.connect_key,
				shake->secrets.listen_key);
	if (!err)
		note_result(shake);
out:
	return handshake_end(shake, err);
}

/**
 * kvmft_handshake_listen() - the handshake of the end that listens
 * @conn: a fresh connection
 * @self: this end
 * @admit: decides on what the other end wants; before it has proved anything
 * @context: passed on to @admit
 * @greeting: result
 *
 * Context: a thread of the module's
 *
 * Return: 0, or a negative errno after a verdict
 */
int kvmft_handshake_listen(struct kvmft_conn *conn,
			   const struct kvmft_identity *self,
			   kvmft_admit_fn admit, void *context,
			   struct kvmft_greeting *greeting)
{
	struct handshake *shake = handshake_begin(conn, self, greeting);
	u32 reason;
	int err;

	if (!shake)
		return -ENOMEM;

	err = receive_hello(shake, shake->transcript.connecting);
	if (err)
		goto out;

	greeting->kind = greeting->peer.kind;
	greeting->vm = conn->header.vm;
	memcpy(greeting->session, greeting->peer.session,
	       sizeof(greeting->session));
	reason = admit(context, greeting);
	if (reason) {
		err = kvmft_conn_fail(conn, reason);
		goto out;
	}

	err = send_hello(shake, shake->transcript.listening) ?:
	      derive(shake) ?:
	      receive_proof(shake, shake->secrets.connect_proof) ?:
	      send_proof(shake, shake->secrets.listen_proof) ?:
	      kvmft_conn_secure(conn, shake->secrets.listen_key,
				shake->secrets.connect_key);
	if (!err)
		note_result(shake);
out:
	return handshake_end(shake, err);
}
