/* SPDX-License-Identifier: GPL-2.0 */
/*
 * conn: one TCP connection that carries frames.
 *
 * Contract: reference counted. One thread receives; several may send small
 * frames, one of them frames with bulk. All block in the kernel's own sockets,
 * so they must be threads of the module's. kvmft_conn_cut() may come from anywhere
 * and ends all waiting. What goes wrong is in the verdict from the first failure
 * on; the connection is of no use then.
 * Nothing is received into memory before its length was judged.
 */
#ifndef _KVMFT_CONN_H
#define _KVMFT_CONN_H

#include <linux/atomic.h>
#include <linux/bvec.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/socket.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "reason.h"
#include "wire.h"

struct crypto_shash;
struct net;
struct page;
struct socket;

/**
 * struct kvmft_tally - what went over the connections of a pair
 * @rx_bytes: Bytes received.
 * @tx_bytes: Bytes sent.
 * @rx_frames: Frames received.
 * @tx_frames: Frames sent.
 */
struct kvmft_tally {
	atomic64_t rx_bytes;
	atomic64_t tx_bytes;
	atomic64_t rx_frames;
	atomic64_t tx_frames;
};

/**
 * struct kvmft_conn - a connection
 * @ref: The socket is released with the last reference, which must be put where
 *	sleeping is allowed. The owner's is put by kvmft_conn_close().
 * @sock: The socket.
 * @tally: Where to count; outlives the connection.
 * @cut: Set once, when the connection isn't wanted any more.
 * @told: Set once, when the peer has said BYE.
 * @vm: Guest of a data connection; set by the handshake.
 * @features: Of the peer; the same.
 * @verdict_lock: Protects @verdict.
 * @verdict: Why it failed.
 * @tx_lock: Serializes sending.
 * @tx_mac: For what is sent, once the handshake is over. Under @tx_lock.
 * @tx_sequence: Of the next frame. Under @tx_lock.
 * @rx_mac: For what is received, once the handshake is over; like all that
 *	follows the receiver's own.
 * @rx_sequence: Of the next frame.
 * @in: Header, body and MAC of the frame that is being received.
 * @in_size: Bytes there.
 * @in_have: Bytes received of it.
 * @header: Its header, decoded.
 */
struct kvmft_conn {
	struct kref ref;
	struct socket *sock;
	struct kvmft_tally *tally;
	bool cut;
	bool told;
	u32 vm;
	u64 features;
	spinlock_t verdict_lock;	/* verdict */
	struct kvmft_verdict verdict;

	struct mutex tx_lock;	/* sending */
	struct crypto_shash *tx_mac;
	u64 tx_sequence;

	struct crypto_shash *rx_mac;
	u64 rx_sequence;
	u8 *in;
	u32 in_size;
	u32 in_have;
	struct kvmft_wire_header header;
};

struct kvmft_conn *kvmft_conn_connect(struct net *net,
				      const struct sockaddr_storage *address,
				      long timeout, struct kvmft_tally *tally,
				      struct kvmft_verdict *verdict);
struct kvmft_conn *kvmft_conn_wrap(struct socket *sock, struct kvmft_tally *tally);
struct kvmft_conn *kvmft_conn_get(struct kvmft_conn *conn);
void kvmft_conn_put(struct kvmft_conn *conn);
void kvmft_conn_cut(struct kvmft_conn *conn);
void kvmft_conn_close(struct kvmft_conn *conn);
bool kvmft_conn_broken(struct kvmft_conn *conn);
void kvmft_conn_tune(struct kvmft_conn *conn, u32 user_timeout_ms, bool thin);
int kvmft_conn_secure(struct kvmft_conn *conn, const u8 *tx_key, const u8 *rx_key);
void kvmft_conn_peer(struct kvmft_conn *conn, struct sockaddr_storage *address);

int kvmft_conn_fail(struct kvmft_conn *conn, u32 reason);
__printf(3, 4)
int kvmft_conn_fail_saying(struct kvmft_conn *conn, u32 reason,
			   const char *format, ...);
void kvmft_conn_verdict(struct kvmft_conn *conn, struct kvmft_verdict *verdict);

int kvmft_conn_send(struct kvmft_conn *conn, struct kvmft_wire_header *header,
		    const u8 *body, u8 *copy);
int kvmft_conn_send_pages(struct kvmft_conn *conn,
			  struct kvmft_wire_header *header, const u8 *body,
			  struct bio_vec *bulk, u32 count, u32 referenced, bool more);
void kvmft_conn_bye(struct kvmft_conn *conn);

int kvmft_conn_receive(struct kvmft_conn *conn, enum kvmft_wire_phase phase,
		       long timeout, bool *got);
int kvmft_conn_receive_pages(struct kvmft_conn *conn, struct page **pages, u32 len);
int kvmft_conn_discard(struct kvmft_conn *conn, u32 len);

/* The body of the frame that was received last, until the next one. */
static inline const u8 *kvmft_conn_body(const struct kvmft_conn *conn)
{
	return conn->in + KVMFT_WIRE_HEADER_LEN;
}

#endif /* _KVMFT_CONN_H */
