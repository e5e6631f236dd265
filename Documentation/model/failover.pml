/* SPDX-License-Identifier: GPL-2.0 */
/*
 * failover - who of two hosts may let a guest's output out, as a model for spin.
 *
 * It has what kmod/role.c, decision.c, sender.c, checkpoint.c, flight.c, stage.c, standby.c,
 * takeover.c, incoming.c, intake.c, control.c and channel.c do about a guest, with their names;
 * but for exchange.c and fence.c.
 * Documentation/design.rst ("The model") says what is abstracted, and selftests/kvmft/model.sh
 * how it is run. By hand:
 *
 *	spin -a failover.pml && gcc -O2 -DCOLLAPSE -DSAFETY -o pan pan.c && ./pan -m100000
 *
 * Each step is atomic: it is what the code does under a lock, or what one thread does that
 * nobody else can see the middle of. Between any two steps anything else may happen, for any
 * time. So nothing is needed for delay, for a frozen host (its steps don't come), or for a
 * partition (sessions end, and none begins until much later). What costs the adversary something
 * is what would not happen without him: see "Faults".
 *
 * -DFAULTS=n   how many of them there may be
 * -DORDERS=n   how many things the operator may do that nobody asked for
 * -DOUTPUTS=n  how many outputs the guest makes before the end of all faults
 * -DFLIGHTS    epochs take off, and are refused, as in async mode with a standby far away
 * -DERRING     the operator says "solo" and "failover --force" without knowing
 * -DBUG_...    something is wrong, and has to be found. BUG_SURE_BY_CLAIM and BUG_CLAIM_LOST
 *              were in the code before spin found them
 */
#include "state.pml"
#include "link.pml"

/*
 * A transition of the table in role.c: by name, role, from, to. The test compares both tables;
 * there is no other way from a state to another one.
 */
#define T(name, role_, from, to_) \
	role[h] == role_ && state[h] == from -> state[h] = to_; news()

/* What a primary was told when it asked to be attached may be something else now. */
#define news() refused[0] = false; refused[1] = false

/* --- The link --- */

/* kvmft_channel_lose(): what becomes of either end when its attachment ends. */
inline lose()
{
	attached[h] = false;
	asked[h] = false;
	if
	:: role[h] == STANDBY ->
		cut(h); number[h] = false;
#ifndef BUG_NO_TIMER
		armed[h] = (phase[h] == WAIT)
#endif
	:: else
	fi
}

/* kvmft_channels_down() */
inline down()
{
	up[h] = false;
	clear_queue(h);
	lose()
}

/* --- A primary --- */

inline forget_primary()
{
	generation[h] = 0; epoch[h] = 0; committed[h] = 0;
	synced[h] = false; solo[h] = false; known[h] = false; lease[h] = false; rival[h] = false;
	dropped[h] = false; closed[h] = false; fenced[h] = false; decided[h] = false;
	asked[h] = false; released[h] = false; acked_generation[h] = 0; acked_epoch[h] = 0;
	session[h] = false; whole[h] = false; begun[h] = false; flying[h] = false; owed[h] = false;
	said[h] = false; refused[h] = false; attached[h] = false;
	version[h] = 0; pending[h] = false; ticket[h] = 0; flown[h] = 0; acted[h] = false;
	early[h] = 0; early_ticket[h] = 0; aborted[h] = 0; unanswered[h] = false;
	off[h] = 0; awaited[h] = 0; off_version[h] = 0
}

inline forget_standby()
{
	phase[h] = WAIT; committed_generation[h] = 0; committed_epoch[h] = 0;
	have[h] = false; torn[h] = false; sure[h] = false; let_go[h] = false; ended[h] = false;
	armed[h] = false; asks[h] = false; number[h] = false; attached[h] = false; kept[h] = 0;
	cut(h)
}

inline vanish()
{
	if
	:: role[h] == PRIMARY -> forget_primary()
	:: role[h] == STANDBY -> forget_standby()
	:: else
	fi;
	role[h] = NOBODY; state[h] = WAITING_PEER;
	news()
}

/* unprotect(), and the end of a VMM */
inline give_up()
{
	if
	:: T(primary_gives_up, PRIMARY, WAITING_PEER, UNPROTECTED)
	:: T(primary_gives_up, PRIMARY, SYNCING, UNPROTECTED)
	:: T(primary_gives_up, PRIMARY, PROTECTED, UNPROTECTED)
	:: T(primary_gives_up, PRIMARY, HELD, UNPROTECTED)
	:: T(primary_gives_up, PRIMARY, SOLO, UNPROTECTED)
	:: else -> assert(state[h] == UNPROTECTED || state[h] == FENCED)
	fi;
	closed[h] = true
}

/* kvmft_primary_idle() */
inline idle()
{
	if
	:: rival[h]
	:: !rival[h] && synced[h] ->
		if
		:: T(primary_loses_standby, PRIMARY, PROTECTED, HELD)
		:: else -> assert(state[h] == HELD)
		fi
	:: !rival[h] && !synced[h] && solo[h] ->
		if
		:: T(primary_loses_copy, PRIMARY, SYNCING, SOLO)
		:: else -> assert(state[h] == SOLO)
		fi
	:: else ->
		if
		:: T(primary_loses_copy, PRIMARY, SYNCING, WAITING_PEER)
		:: else -> assert(state[h] == WAITING_PEER)
		fi
	fi
}

/* kvmft_primary_stand_down(); the other one claims g */
inline stand_down(final, g)
{
	if
	:: (final) && g <= CLAIM(h)
	:: !(final) && (g != CLAIM(h) || closed[h])
	:: else ->
		/*
		 * Nobody who lets output out has to stop, and there are no rivals, but by an
		 * operator's word, or the last one of a host that is off by now.
		 */
		assert(unvouched || role[o] != PRIMARY || ((final) && !MAY(h)));
		synced[h] = true; solo[h] = false; known[h] = false; lease[h] = false;
		fenced[h] = (final); rival[h] = !(final); decided[h] = true;
		if
		:: (final) ->
			if
			:: T(primary_stands_down, PRIMARY, WAITING_PEER, FENCED)
			:: T(primary_stands_down, PRIMARY, SYNCING, FENCED)
			:: T(primary_stands_down, PRIMARY, PROTECTED, FENCED)
			:: T(primary_stands_down, PRIMARY, HELD, FENCED)
			:: T(primary_stands_down, PRIMARY, SOLO, FENCED)
			:: T(primary_stands_down, PRIMARY, UNPROTECTED, FENCED)
			:: else -> assert(state[h] == FENCED)
			fi
		:: else ->
			if
			:: T(primary_meets_rival, PRIMARY, SYNCING, HELD)
			:: T(primary_meets_rival, PRIMARY, SOLO, HELD)
			:: else -> assert(state[h] == HELD)
			fi
		fi;
		lose()
	fi
}

inline find_standby()
{
	if
	:: T(primary_commits_first, PRIMARY, SYNCING, PROTECTED)
	:: T(primary_finds_standby, PRIMARY, HELD, PROTECTED)
	:: else -> assert(state[h] == PROTECTED || closed[h])
	fi
}

/* kvmft_checkpoint_done(): the epoch has come to the standby. */
inline done()
{
	if
	:: decided[h]
	:: else ->
		find_standby();
		committed[h] = epoch[h];
		synced[h] = true; solo[h] = false; acted[h] = false; owed[h] = whole[h];
		told = MAX(flown[h], told)
	fi;
	flying[h] = false; begun[h] = false; whole[h] = false; unanswered[h] = false
}

/* The same of the one before, which has taken off; what was made on top of it isn't touched. */
inline land(which)
{
	if
	:: decided[h]
	:: else ->
		find_standby();
		committed[h] = which; solo[h] = false; acted[h] = false; owed[h] = false;
		told = MAX(off_version[h], told)
	fi;
	unanswered[h] = (unanswered[h] && epoch[h] != which);
	off[h] = 0; awaited[h] = 0; off_version[h] = 0
}

/* on_refusal(), and kvmft_flight_lost(): nothing that is under way counts. */
inline lose_flights()
{
	owed[h] = (owed[h] || flying[h] || off[h]);
	flying[h] = false; begun[h] = false; aborted[h] = 0; unanswered[h] = false;
	off[h] = 0; awaited[h] = 0; off_version[h] = 0
}

/* begin_session() */
inline begin_session()
{
	session[h] = true; decided[h] = false; data[o] = true; aborted[h] = 0;
	if
	:: !synced[h] ->
		generation[h] = MAX(acked_generation[h], generation[h]);
		epoch[h] = MAX(acked_epoch[h], epoch[h]);
		whole[h] = true; known[h] = true; lose_flights()
	:: synced[h] && !rival[h] && acked_generation[h] == generation[h] &&
	   acked_epoch[h] == epoch[h] && epoch[h] != committed[h] ->
		/* The ACK was lost, maybe that of the one before as well. Others aren't committed. */
		assert(unanswered[h]);
		whole[h] = false; done(); known[h] = true; lose_flights()
	:: synced[h] && !rival[h] && acked_generation[h] == generation[h] && awaited[h] &&
	   acked_epoch[h] == awaited[h] && epoch[h] != awaited[h] ->
		/* What was made on top of it is lost. */
		whole[h] = false; known[h] = true;
#ifdef BUG_BOTH_ARRIVED
		done();
#else
		land(awaited[h]);
#endif
		owed[h] = true; lose_flights()
	:: synced[h] && !rival[h] && acked_generation[h] == generation[h] &&
	   acked_epoch[h] == committed[h] ->
		find_standby();
		whole[h] = false; known[h] = true; lose_flights()
	:: else ->
		/* stay_held(): it isn't the one that had the state. */
		whole[h] = true; idle()
	fi
}

/* kvmft_sender_begin() */
inline begin_epoch()
{
	epoch[h]++; released[h] = false
}

/* The guest's checkpoint: what it has done so far is in it. */
inline checkpoint(kind)
{
	if
	:: pending[h] && !ticket[h] -> ticket[h] = epoch[h]
	:: else
	fi;
	flown[h] = version[h]; flying[h] = true; unanswered[h] = true;
	put(kind)
}

/* kvmft_flight_begin(): the guest may make the next one on top of it. */
inline take_off()
{
	off[h] = epoch[h]; off_version[h] = flown[h]; flying[h] = false;
	if
	:: pending[h] && ticket[h] ->
		early[h] = version[h]; early_ticket[h] = ticket[h];
		pending[h] = false; ticket[h] = 0
	:: else
	fi
}

/* end_session() */
inline end_session()
{
	session[h] = false; known[h] = false;
	owed[h] = (owed[h] || flying[h] || off[h]);
	awaited[h] = (off[h] -> off[h] : awaited[h]); off[h] = 0; aborted[h] = 0;
	flying[h] = false; begun[h] = false; whole[h] = false;
	if
	:: closed[h] -> send(DETACH, 0, 0, NONE); attached[h] = false
	:: !closed[h] && dropped[h]
	:: else ->
		attached[h] = false;
		if
		:: !decided[h] -> idle()
		:: else
		fi
	fi
}

/* kvmft_primary_alone() */
inline go_alone()
{
	if
	:: dropped[h] -> give_up()
	:: else ->
		/* What the other side has let out before it went off is the operator's to bear. */
		told = (told > version[h] -> version[h] : told);
		generation[h]++; rival[h] = false; decided[h] = true; solo[h] = true;
		acted[h] = true;
		known[h] = false; owed[h] = false; flying[h] = false; synced[h] = false;
		off[h] = 0; awaited[h] = 0; off_version[h] = 0; unanswered[h] = false;
		if
		:: T(primary_goes_alone, PRIMARY, HELD, SOLO)
		fi;
		lose()
	fi
}

/* kvmft_primary_attach(), with what the VMM has kept */
inline attach_again()
{
	send(DETACH, 0, 0, NONE);
	a = generation[h]; b = epoch[h]; c = version[h]; n = (pending[h] || early[h]);
#ifdef BUG_CLAIM_LOST
	forget_primary();
	state[h] = WAITING_PEER; role[h] = PRIMARY;
#else
	/* Who has acted alone has to say so ever after. */
	if
	:: acted[h] ->
		forget_primary();
		state[h] = SOLO; role[h] = PRIMARY; solo[h] = true; acted[h] = true
	:: else ->
		forget_primary();
		state[h] = WAITING_PEER; role[h] = PRIMARY
	fi;
#endif
	generation[h] = a; epoch[h] = b; committed[h] = b; version[h] = c; pending[h] = n;
	a = 0; b = 0; c = 0; n = 0;
	news()
}

/* --- A standby --- */

/* standby_full() */
inline take_begin()
{
	if
	:: phase[h] == WAIT && NEWER ->
		torn[h] = true; sure[h] = false;
		if
		:: T(standby_copies, STANDBY, WAITING_PEER, SYNCING)
		:: T(standby_copies, STANDBY, PROTECTED, SYNCING)
		:: else -> assert(state[h] == SYNCING)
		fi
	:: else
	fi;
	take(o)
}

/* on_commit(): seal, acknowledge, apply */
inline take_commit()
{
	if
	:: sent[o] == COMMIT_FULL && !torn[h]	/* Its BEGIN was refused. */
	:: sent[o] == COMMIT && sent_follows[o] && !NEXT ->
		/* The primary was told of the one that it was made on top of. */
		assert(refusing[h])
	:: else ->
		assert(NEWER);
		/* All that was written since is in it. */
		assert(sent[o] == COMMIT_FULL || (sent_generation[o] == committed_generation[h] &&
						  sent_upon[o] == committed_epoch[h]));
		refusing[h] = false;
		sure[h] = (sure[h] || sent[o] == COMMIT);
		let_go[h] = false; torn[h] = false; have[h] = true;
		committed_generation[h] = sent_generation[o]; committed_epoch[h] = sent_epoch[o];
		kept[h] = sent_version[o];
		safe = MAX(kept[h], safe);
		if
		:: number[h] ->
			granted[h] = true;
			send(ACK, committed_generation[h], committed_epoch[h], GOOD)
		:: else
		fi;
		if
		:: T(standby_commits_first, STANDBY, SYNCING, PROTECTED)
		:: T(standby_finds_primary, STANDBY, WAITING_PEER, PROTECTED)
		:: else -> assert(state[h] == PROTECTED)
		fi
	fi;
	take(o)
}

/* kvmft_standby_promote(): first the other side is told. */
inline promote()
{
	phase[h] = LEAVING; armed[h] = false; asks[h] = false;
	if
	:: number[h] -> send(DETACH, 0, 0, NONE)
	:: else
	fi;
	news()
}

/* channel_finish(), of one that goes without having taken over */
inline say_released()
{
	if
	:: number[h] -> send(RELEASED, 0, 0, NONE)
	:: else
	fi
}

/* What was permitted has run out: run(), and succeed() in vms.c. */
inline succeed()
{
	/* What was acknowledged, or seen, is in what it goes on from. */
	assert(kept[h] >= told || unvouched);
#ifdef BUG_SAME_GENERATION
	generation[h] = committed_generation[h];
#else
	generation[h] = committed_generation[h] + 1;
#endif
	epoch[h] = committed_epoch[h]; committed[h] = committed_epoch[h]; version[h] = kept[h];
	forget_standby();
	role[h] = PRIMARY; state[h] = SOLO; solo[h] = true; acted[h] = true;
	news()
}

/* unpublish_data(): the end that connects has to be told to do that again. */
inline end_data()
{
	cut(h);
	if
	:: h == 0 -> attached[h] = false; armed[h] = (phase[h] == WAIT)
	:: else
	fi
}

/* --- What comes on the control connection --- */

/* on_attach_request() and meet(): the other side's primary claims a */
inline on_attach()
{
	if
	:: WAITS(h) ->
		cut(h);
		number[h] = true; attached[h] = true;
#ifdef BUG_SURE_BY_CLAIM
		/* Who is solo claims a generation, too, and lets out whatever it does. */
		sure[h] = (a && a == committed_generation[h]);
#else
		sure[h] = (sure[h] && a && a == committed_generation[h]);
#endif
		ended[h] = false; asks[h] = false; armed[h] = false;
		send(OKAY, committed_generation[h], committed_epoch[h], NONE)
	:: role[h] == PRIMARY ->
		b = CLAIM(h);
		if
		:: b <= a && a -> stand_down(b < a, a)
		:: else
		fi;
		if
		:: b > a -> send(SUPERSEDED, b, 0, NONE)
		:: a == b && a -> send(RIVAL, b, 0, NONE)
		:: else -> send(NO_VM, 0, 0, NONE)
		fi
	:: else -> send(NO_VM, 0, 0, NONE)
	fi
}

/* on_detach() */
inline on_detach()
{
	if
	:: role[h] == PRIMARY -> lose()
	:: WAITS(h) && number[h] ->
		lose();
		if
		:: ended[h] -> send(DETACH, 0, 0, NONE)
		:: else -> let_go[h] = true; send(RELEASED, 0, 0, NONE)
		fi
	:: else
	fi
}

inline on_released()
{
	if
	:: role[h] == PRIMARY ->
		if
		:: IS_OF(h) -> released[h] = true
		:: else
		fi;
		if
		:: asked[h]
		:: else -> lose()
		fi
	:: else
	fi
}

inline on_frame()
{
	if
	:: frame == ATTACH -> on_attach()
	:: frame == OKAY && role[h] == PRIMARY && asked[h] ->
		asked[h] = false; attached[h] = true; said[h] = false;
		acked_generation[h] = a; acked_epoch[h] = b
	:: frame == NO_VM && asked[h] -> asked[h] = false; refused[h] = true
	:: (frame == SUPERSEDED || frame == RIVAL) && asked[h] ->
		asked[h] = false; refused[h] = true; stand_down(frame == SUPERSEDED, a)
	:: frame == ACK && role[h] == PRIMARY ->
		acked_generation[h] = a; acked_epoch[h] = b;
		lease[h] = (lease[h] || (c > 0 && known[h]))
#ifdef BUG_ANY_LEASE
	:: frame == HEARTBEAT -> lease[h] = (role[h] == PRIMARY && (lease[h] || c > 0))
#else
	/* Only for who is attached: who isn't may have no standby any more. */
	:: frame == HEARTBEAT -> lease[h] = (lease[h] || (c > 0 && attached[h] && known[h]))
#endif
	:: frame == ABORT && role[h] == PRIMARY && a == generation[h] -> aborted[h] = b
	:: frame == DETACH -> on_detach()
	:: frame == RELEASED -> on_released()
	:: frame == VMM_GONE && WAITS(h) && number[h] ->
		ended[h] = true; armed[h] = true
	:: else
	fi;
	frame = 0; a = 0; b = 0; c = 0
}

/* --- A host --- */

proctype side(byte h)
{
end:
	do
	/* Control connection. */
	:: atomic { up[h] && nempty(to[h]) -> to[h]?frame,a,b,c; on_frame() }

	/*
	 * Heartbeats carry leases for whoever there is, from any host. One that changes nothing
	 * where it arrives isn't sent.
	 */
	:: atomic { up[h] && up[o] && attached[o] && known[o] && OUTPUT_WAITS(o) && !lease[o] &&
		    !BEATS(o) && len(to[o]) < 3 ->
		if
		:: phase[h] == PROMOTE -> send(HEARTBEAT, 0, 0, LATE)
		:: else -> granted[h] = true; send(HEARTBEAT, 0, 0, GOOD)
		fi }

	/* A primary's thread: attach, have a session, end it. */
	:: atomic { role[h] == PRIMARY && up[h] && !attached[h] && !asked[h] && !session[h] &&
		    !refused[h] && !(DROPPING(h) && released[h]) && len(to[o]) < 3 ->
		asked[h] = true; a = CLAIM(h); send(ATTACH, a, 0, NONE); a = 0 }
	:: atomic { role[h] == PRIMARY && up[h] && attached[h] && !session[h] &&
		    (closed[h] || fenced[h]) ->
		send(DETACH, 0, 0, NONE); attached[h] = false; refused[h] = true }
	:: atomic { role[h] == PRIMARY && up[h] && up[o] && attached[h] && !session[h] &&
		    !closed[h] && !fenced[h] && !dropped[h] && WAITS(o) && attached[o] &&
		    !data[o] ->
		begin_session() }
	:: atomic { SENDING(h) && sent[h] == NOTHING && whole[h] && !synced[h] && !begun[h] ->
		begin_epoch(); begun[h] = true;
		sent[h] = BEGIN_FULL; sent_generation[h] = generation[h]; sent_epoch[h] = epoch[h];
		if
		:: T(primary_copies, PRIMARY, WAITING_PEER, SYNCING)
		:: T(primary_copies, PRIMARY, SOLO, SYNCING)
		:: else -> assert(state[h] == SYNCING)
		fi }
	:: atomic { SENDING(h) && sent[h] == NOTHING && whole[h] && begun[h] && !flying[h] ->
		checkpoint(COMMIT_FULL) }
	:: atomic { SENDING(h) && !whole[h] && !flying[h] &&
		    (owed[h] || (pending[h] && !ticket[h])) ->
		begin_epoch(); checkpoint(COMMIT) }
#ifdef BUG_COMMIT_EARLY
	/* It takes COMMIT for the ACK. */
	:: atomic { session[h] && flying[h] -> done() }
#else
	:: atomic { session[h] && flying[h] && !off[h] && acked_generation[h] == generation[h] &&
		    acked_epoch[h] == epoch[h] ->
		done() }
#endif
#ifdef FLIGHTS
	:: atomic { session[h] && flying[h] && !whole[h] && !off[h] && !(early[h] && ticket[h]) ->
		take_off() }
	:: atomic { session[h] && off[h] && acked_generation[h] == generation[h] &&
		    acked_epoch[h] >= off[h] ->
		land(off[h]) }
	:: atomic { session[h] && aborted[h] && ((off[h] && aborted[h] == off[h]) ||
						 (flying[h] && !off[h] && aborted[h] == epoch[h])) ->
		lose_flights() }
#endif
	/*
	 * It waits for last words (kvmft_channel_lost()) if nothing was said: that something has
	 * been on its way for longer is a fault. Without end, it would take each answer to
	 * ATTACH for that to its next one, and begin anew.
	 */
	:: atomic { session[h] && (OVER(h) || (!data[o] && empty(to[h]))) -> end_session() }
	:: atomic { session[h] && !OVER(h) && !data[o] && nempty(to[h]) && FAULT ->
		faults--; end_session() }

	/* release_standby(): first the standby has to know. */
	:: atomic { DROPPING(h) && up[h] && attached[h] && !said[h] && !released[h] && IS_OF(h) ->
		said[h] = true; send(DETACH, 0, 0, NONE) }
	:: atomic { DROPPING(h) && attached[h] && !IS_OF(h) ->
		attached[h] = false; idle(); refused[h] = true }
	:: atomic { DROPPING(h) && !attached[h] && state[h] == PROTECTED -> idle() }
	:: atomic { DROPPING(h) && released[h] -> give_up() }

	/* The guest, which stands still at the end of a full copy, and its VMM. */
	:: atomic { role[h] == PRIMARY && !fenced[h] && !pending[h] && !(whole[h] && flying[h]) &&
		    (version[h] < OUTPUTS || (calm && !served)) ->
		version[h]++; pending[h] = true }
	:: atomic { role[h] == PRIMARY && early[h] && MAY(h) &&
		    (!OUTPUT_WAITS(h) || early_ticket[h] <= committed[h]) ->
		assert(!OUTPUT_WAITS(h) || early[h] <= safe);
		told = MAX(early[h], told);
		early[h] = 0; early_ticket[h] = 0; served = calm }
	:: atomic { role[h] == PRIMARY && pending[h] && !early[h] && MAY(h) &&
		    (!OUTPUT_WAITS(h) || (ticket[h] && ticket[h] <= committed[h])) ->
		assert(!OUTPUT_WAITS(h) || version[h] <= safe);
		told = MAX(version[h], told);
		pending[h] = false; ticket[h] = 0; served = calm }

	/* A standby: its thread, its timer, its promotion. */
	:: atomic { role[h] == STANDBY && data[h] && sent[o] == BEGIN_FULL -> take_begin() }
	:: atomic { role[h] == STANDBY && data[h] &&
		    (sent[o] == COMMIT || sent[o] == COMMIT_FULL) ->
		take_commit() }
#ifdef FLIGHTS
	/* For want of memory, say; what follows it can't be taken then. */
	:: atomic { WAITS(h) && data[h] && sent[o] == COMMIT && !(sent_follows[o] && !NEXT) &&
		    number[h] && FAULT ->
		faults--; refusing[h] = true;
		send(ABORT, sent_generation[o], sent_epoch[o], NONE); take(o) }
	:: atomic { WAITS(h) && data[h] && sent[o] == COMMIT_FULL && torn[h] && number[h] && FAULT ->
		faults--; send(ABORT, sent_generation[o], sent_epoch[o], NONE); take(o) }
#endif
	:: atomic { WAITS(h) && !data[h] && (state[h] == PROTECTED || state[h] == SYNCING) ->
		if
		:: T(standby_loses_primary, STANDBY, PROTECTED, WAITING_PEER)
		:: T(standby_loses_copy, STANDBY, SYNCING, WAITING_PEER)
		fi }
	:: atomic { role[h] == STANDBY && armed[h] ->
		armed[h] = false;
		if
		:: LOST(h) && !ask -> promote()
		:: LOST(h) && ask -> asks[h] = true
		:: else
		fi }
	:: atomic { role[h] == STANDBY && phase[h] == LEAVING ->
		lose();
		if
		:: T(standby_promotes, STANDBY, WAITING_PEER, PROMOTING)
		:: T(standby_promotes, STANDBY, PROTECTED, PROMOTING)
		fi;
		phase[h] = PROMOTE }
	:: atomic { role[h] == STANDBY && phase[h] == PROMOTE && OUTWAITED(h) -> succeed() }

	/*
	 * The operator. What he is asked for he does, sooner or later: that costs nothing. He
	 * vouches for the other side where the code can't know, and is right, unless ERRING.
	 */
	:: atomic { asks[h] && LOST(h) -> promote() }
	:: atomic { PROMOTABLE(h) && (!sure[h] || let_go[h]) && HARMLESS(o) && (calm || orders) ->
		orders = (calm -> orders : orders - 1);
		/* What is lost by that is his to bear. */
		told = kept[h]; promote() }
	:: atomic { ALONE(h) && HARMLESS(o) && (calm || orders) ->
		orders = (calm -> orders : orders - 1); go_alone() }
#ifdef BUG_FORCE_UNSURE
	:: atomic { PROMOTABLE(h) && !let_go[h] && ORDER -> orders--; promote() }
#else
	:: atomic { PROMOTABLE(h) && sure[h] && !let_go[h] && ORDER -> orders--; promote() }
#endif
	/*
	 * A primary that isn't protected is detached, its guest runs on, and is attached again; if
	 * nothing is under way there that is about the number that it had.
	 */
	:: atomic { role[h] == PRIMARY && (closed[h] || solo[h]) && !fenced[h] && !session[h] &&
		    empty(to[h]) && ORDER ->
		orders--; attach_again() }
	/* A new standby; where there was one that was fenced; none any more. */
	:: atomic { role[h] == NOBODY && ORDER -> orders--; role[h] = STANDBY; news() }
	:: atomic { role[h] == PRIMARY && fenced[h] && ORDER ->
		orders--; vanish(); role[h] = STANDBY }
	:: atomic { WAITS(h) && ORDER -> orders--; say_released(); vanish() }
#ifdef ERRING
	:: atomic { PROMOTABLE(h) && ORDER -> orders--; unvouched = true; promote() }
	:: atomic { ALONE(h) && ORDER -> orders--; unvouched = true; go_alone() }
#endif

	/* That the other end is gone is noticed by itself. */
	:: atomic { up[h] && !up[o] -> down() }
	:: atomic { data[h] && !session[o] && sent[o] == NOTHING -> end_data() }

	/* Faults. */
	:: atomic { up[h] && FAULT -> faults--; down() }
	:: atomic { data[h] && FAULT -> faults--; end_data() }
	/* A host is off; its VMM with it, and what it knew. */
	:: atomic { (up[h] || role[h] != NOBODY) && FAULT ->
		faults--; up[h] = false; clear_queue(h); granted[h] = false; vanish() }
	/* A primary's VMM ends: kvmft_vms_vmm_gone(). */
	:: atomic { role[h] == PRIMARY && FAULT ->
		faults--;
		if
		:: OUTPUT_WAITS(h) && !fenced[h] -> send(VMM_GONE, 0, 0, NONE)
		:: else
		fi;
		send(DETACH, 0, 0, NONE);
		give_up(); vanish() }
	/* A standby's does, or can't restore the state. */
	:: atomic { role[h] == STANDBY && phase[h] != LEAVING && FAULT ->
		faults--;
		if
		:: T(standby_fails, STANDBY, WAITING_PEER, UNPROTECTED)
		:: T(standby_fails, STANDBY, SYNCING, UNPROTECTED)
		:: T(standby_fails, STANDBY, PROTECTED, UNPROTECTED)
		:: T(standby_fails, STANDBY, PROMOTING, UNPROTECTED)
		fi;
		say_released(); vanish() }
	/* A primary can't be protected any more, or its operator detaches it: the same words. */
	:: atomic { role[h] == PRIMARY && !closed[h] && !fenced[h] && !dropped[h] && FAULT ->
		faults--;
		if
		:: synced[h] -> dropped[h] = true; known[h] = false; decided[h] = true
		:: else -> give_up()
		fi }
	od
}

/* Time, and what is neither side's. */
proctype world()
{
	byte h;

end:
	do
	:: atomic { !up[0] && !up[1] -> up[0] = true; up[1] = true; news() }
	/*
	 * A standby that waits for leases has waited: by then the primary's is over, however
	 * late a frame with one arrives, since it counts from a stamp of the primary's.
	 */
	:: atomic { role[0] == STANDBY && phase[0] == PROMOTE && granted[0] ->
		h = 0; outwait(); h = 0 }
	:: atomic { role[1] == STANDBY && phase[1] == PROMOTE && granted[1] ->
		h = 1; outwait(); h = 0 }
#ifdef LIVENESS
	/* All faults come to an end. */
	:: atomic { !calm -> calm = true; faults = 0; orders = 0 }
#endif
	/* The promise. */
	:: atomic { MAY(0) && MAY(1) && !unvouched -> assert(false) }
	od
}

init
{
	atomic {
		role[0] = PRIMARY; generation[0] = 1;
		role[1] = STANDBY;
#ifdef LIVENESS
		if
		:: ask = false
		:: ask = true
		fi;
#endif
		run side(0); run side(1); run world()
	}
}

#ifdef LIVENESS
/*
 * In the end somebody serves, if anything is left of the guest: that is, ltl [] (calm -> <> DONE).
 * What must not be is written down here by hand; spin takes long to find it by itself.
 */
#define DONE (served || HOPELESS)

never {
	do
	:: true
	:: calm && !DONE -> break
	od;
accept:
	do
	:: !DONE
	od
}
#endif
