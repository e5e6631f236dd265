/* SPDX-License-Identifier: GPL-2.0 */
/*
 * link - what is under way between both hosts of failover.pml.
 */

/* To a host that believes in the session it gets there, sooner or later; else it is lost. */
inline send(f, g, e, l)
{
	if
	:: up[h] && up[o] -> assert(len(to[o]) < ROOM); to[o]!f,g,e,l
	:: else
	fi
}

inline clear_queue(who)
{
	do
	:: nempty(to[who]) -> to[who]?_,_,_,_
	:: empty(to[who]) -> break
	od
}

/* What it has sent first on the data connection isn't under way any more. */
inline take(from)
{
	if
	:: behind[from] -> sent[from] = COMMIT
	:: else -> sent[from] = NOTHING; sent_generation[from] = 0
	fi;
	sent_epoch[from] = behind_epoch[from]; sent_version[from] = behind_version[from];
	sent_upon[from] = behind_upon[from]; sent_follows[from] = behind_follows[from];
	behind[from] = false; behind_epoch[from] = 0; behind_version[from] = 0;
	behind_upon[from] = 0; behind_follows[from] = false
}

/* The standby takes nothing more from the data connection, and the primary will notice. */
inline cut(s)
{
	data[s] = false; refusing[s] = false;
	take(1 - s); take(1 - s)
}

/* A primary's, on the data connection; one more COMMIT may be behind another one. */
inline put(kind)
{
	if
	:: sent[h] == NOTHING ->
		sent[h] = kind; sent_generation[h] = generation[h]; sent_epoch[h] = epoch[h];
		sent_version[h] = version[h]; sent_upon[h] = UPON(h); sent_follows[h] = FOLLOWS(h)
	:: else ->
		assert(sent[h] == COMMIT && kind == COMMIT && sent_generation[h] == generation[h]);
		behind[h] = true; behind_epoch[h] = epoch[h]; behind_version[h] = version[h];
		behind_upon[h] = UPON(h); behind_follows[h] = FOLLOWS(h)
	fi
}

/* Every lease that this side gave has run out, also those that are under way. */
inline outwait()
{
	lease[o] = false; granted[h] = false;
	n = len(to[o]);
	do
	:: n > 0 -> to[o]?frame,a,b,c; to[o]!frame,a,b,(c == LATE -> LATE : NONE); n--
	:: else -> break
	od;
	frame = 0; a = 0; b = 0; c = 0
}
