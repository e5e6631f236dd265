/* SPDX-License-Identifier: GPL-2.0 */
/*
 * state - what there is in failover.pml, and what is asked about it.
 */
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef ORDERS
#define ORDERS 1
#endif
#ifndef OUTPUTS
#define OUTPUTS 1
#endif

/* Frames. OKAY to RIVAL are replies to ATTACH, RELEASED is DETACH with REPLY. */
mtype = { ATTACH, OKAY, NO_VM, SUPERSEDED, RIVAL, ACK, ABORT, HEARTBEAT, DETACH, RELEASED, VMM_GONE };
/* What may be under way on the data connection. */
mtype = { NOTHING, BEGIN_FULL, COMMIT_FULL, COMMIT };
/* Roles; NOBODY is a host that was rebooted, or has no such guest. */
mtype = { NOBODY, PRIMARY, STANDBY };
/* States of a guest, as in the table of role.c. */
mtype = { WAITING_PEER, SYNCING, PROTECTED, HELD, SOLO, UNPROTECTED, FENCED, PROMOTING };
/* How far a standby is: LEAVING has told the primary, but may still commit what comes. */
mtype = { WAIT, LEAVING, PROMOTE };

/*
 * A lease under way: none, or not any more; one that is good; one of which a standby that takes
 * over doesn't know when it begins to wait.
 */
#define NONE 0
#define GOOD 1
#define LATE 2

/* More than this isn't under way at once; what is sent is asserted to fit. */
#define ROOM 8

chan to[2] = [ROOM] of { mtype, byte, byte, byte };	/* frame, generation, epoch, lease */

/* What both roles have. */
mtype role[2] = NOBODY;
mtype state[2] = WAITING_PEER;
bool up[2];		/* this end believes in the session */
bool attached[2];	/* ... and in the other end of the guest */
bool granted[2];	/* permissions that this host gave may still be good somewhere */

/* A primary; see struct kvmft_primary. */
byte generation[2], epoch[2], committed[2];
bool synced[2], solo[2], known[2], lease[2], rival[2], dropped[2], closed[2], fenced[2];
bool decided[2];	/* since its session began somebody has decided */
bool asked[2], released[2];
byte acked_generation[2], acked_epoch[2];
bool session[2];	/* the sender's thread has a data connection */
bool whole[2], begun[2], flying[2], owed[2];
bool acted[2];		/* without a standby, in a generation of its own; the VMM keeps that */
byte off[2];		/* an epoch that has taken off, and isn't answered; see flight.c */
byte awaited[2];	/* the same, of a session that has ended */
byte aborted[2];	/* the one that was refused last, in this session */
bool unanswered[2];	/* nobody knows what became of the last one */
bool said[2];		/* DETACH, to this attachment */
bool refused[2];	/* asking again would bring the same answer */

/* A standby; see struct kvmft_standby. */
mtype phase[2] = WAIT;
byte committed_generation[2], committed_epoch[2];
bool have[2], torn[2], sure[2], let_go[2], ended[2];
bool armed[2];		/* its timer runs out some time */
bool asks[2];		/* that it takes over was left to the operator */
bool number[2];		/* it knows the number that the primary has in this session */
bool refusing[2];	/* the last epoch was thrown away */

/*
 * The data connection: whether the standby still takes from it, and what the primary sent; what it
 * stands on is known to nobody but us. One more COMMIT may be behind that.
 */
bool data[2];
mtype sent[2] = NOTHING;
byte sent_generation[2], sent_epoch[2], sent_version[2], sent_upon[2];
bool sent_follows[2];
bool behind[2], behind_follows[2];
byte behind_epoch[2], behind_version[2], behind_upon[2];

/*
 * The guest. Each output makes another version of it. It waits (pending) and gets a ticket with
 * the next checkpoint. One at a time, and one (early) that was before the epoch that has taken off:
 * what another one would do, these do as well.
 */
byte version[2];
bool pending[2];
byte ticket[2];
byte early[2], early_ticket[2];
byte flown[2];		/* the version in the primary's last epoch */
byte off_version[2];	/* that in the one that has taken off, or is awaited */
byte kept[2];		/* that in the standby's last commit */

/* What no host knows, to judge them by. */
byte told = 0;		/* the last version that somebody saw, or that an ACK has confirmed */
byte safe = 0;		/* the last version that a standby has committed */
bool unvouched;		/* the operator has said what wasn't so */

byte faults = FAULTS, orders = ORDERS;
bool calm;		/* no more faults, nobody asks for anything more */
bool served;		/* an output has left since then */
bool ask;		/* promote ask, else auto */

/* Within a step: the frame that has come, its generation, epoch and lease; and a counter. */
hidden mtype frame;
hidden byte a, b, c, n;

/* Of a side h, the other one. */
#define o (1 - h)

#define MAX(x, y) ((x) > (y) -> (x) : (y))

/* kvmft_primary_output_waits() */
#define OUTPUT_WAITS(h_) (synced[h_] && !closed[h_])

/* permission_left(): the VMM that has ended needs none. */
#ifdef BUG_NO_LEASE_WAIT
#define OUTWAITED(h_) true
#else
#define OUTWAITED(h_) (!granted[h_] || ended[h_])
#endif

/* The permission that there is to be once: output of this side may leave, or soon will. */
#define MAY(h_) (role[h_] == PRIMARY && !fenced[h_] && (!OUTPUT_WAITS(h_) || lease[h_]))

/* kvmft_primary_claim() */
#define CLAIM(h_) (fenced[h_] -> 0 : ((OUTPUT_WAITS(h_) || solo[h_]) -> generation[h_] : 0))

/* kvmft_primary_is_of() */
#define IS_OF(h_) (acked_generation[h_] == generation[h_] && \
		   acked_epoch[h_] >= committed[h_] && acked_epoch[h_] <= epoch[h_])

/* kvmft_sender_over() */
#define OVER(h_) (decided[h_] || !attached[h_] || closed[h_] || fenced[h_] || dropped[h_])
#define SENDING(h_) (session[h_] && !OVER(h_) && data[1 - h_] && !behind[h_])

/* It is to be protected no more; see release_standby(), which has all the time there is. */
#define DROPPING(h_) (role[h_] == PRIMARY && dropped[h_] && !closed[h_] && !fenced[h_] && \
		      !session[h_])

/* Somebody may say "solo". */
#define ALONE(h_) (role[h_] == PRIMARY && state[h_] == HELD && !closed[h_] && !fenced[h_])

/* is_lost(); phase, memory and so on are asked where it is used. */
#ifdef BUG_UNSURE
#define SURE(h_) true
#else
#define SURE(h_) sure[h_]
#endif
#ifdef BUG_RELEASED
#define KEPT_ON(h_) true
#else
#define KEPT_ON(h_) !let_go[h_]
#endif
#define WAITS(h_) (role[h_] == STANDBY && phase[h_] == WAIT)
#define PROMOTABLE(h_) (WAITS(h_) && have[h_] && !torn[h_])
#define LOST(h_) (PROMOTABLE(h_) && (ended[h_] || !attached[h_]) && SURE(h_) && KEPT_ON(h_))

/*
 * What the operator has to know before he decides for one side: the other one is off, or has
 * been fenced, or never had the guest's state.
 */
#define HARMLESS(h_) (role[h_] == NOBODY || fenced[h_] || (WAITS(h_) && !have[h_]))

/* Nobody has what one could go on from: it takes two faults, or one before the first commit. */
#define GONE(h_) ((role[h_] != PRIMARY || fenced[h_]) && !PROMOTABLE(h_) && \
		  (role[h_] != STANDBY || phase[h_] == WAIT))
#define HOPELESS (GONE(0) && GONE(1))

/* The adversary, and the operator without being asked. */
#define FAULT (faults && !calm)
#define ORDER (orders && !calm)

/* A heartbeat is on its way there. */
#define BEATS(h_) (to[h_]??[HEARTBEAT,0,0,NONE] || to[h_]??[HEARTBEAT,0,0,GOOD] || \
		   to[h_]??[HEARTBEAT,0,0,LATE])

/* kvmft_stage_begin(): an epoch that can't be mistaken for one that was. */
#define NEWER (sent_generation[o] > committed_generation[h] || \
	       (sent_generation[o] == committed_generation[h] && \
		sent_epoch[o] > committed_epoch[h]))

/* is_next() */
#define NEXT (sent_generation[o] == committed_generation[h] && \
	      sent_epoch[o] == committed_epoch[h] + 1)

/* What an epoch is made on top of: what was changed before isn't in it. */
#define UPON(h_) (off[h_] -> off[h_] : committed[h_])
#ifdef BUG_NO_FOLLOWS
#define FOLLOWS(h_) false
#else
#define FOLLOWS(h_) (off[h_] != 0)
#endif
