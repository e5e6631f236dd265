#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine timeout=300
#
# Documentation/model/failover.pml has the transitions of kmod/role.c, spin searches all of its
# states for a breach of what design.rst promises, and finds those that are made on purpose.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

code=$KVMFT_ROOT/kmod/role.c
model=$KVMFT_ROOT/Documentation/model/failover.pml
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' TERM

# shellcheck disable=SC2317
tables()
{
	python3 -B "$KVMFT_ROOT/selftests/lib/role_tables.py" "$@"
}

check_eq "the model has the transitions of the code" "0 " "$(status tables compare "$code" "$model")"

# spoilt NAME TEXT CODE-SED MODEL-SED: such a change is told.
spoilt()
{
	sed -E "$3" "$code" >"$scratch/role.c"
	sed -E "$4" "$model" >"$scratch/failover.pml"
	check_has "$1 is noticed" \
		"$(status tables compare "$scratch/role.c" "$scratch/failover.pml")" "$2"
}

spoilt "a transition that the model lacks" \
	"only in the code: PRIMARY HELD -> SOLO (primary_goes_alone)" \
	"" '/T\(primary_goes_alone/d'
spoilt "one that the code lacks" "only in the model: STANDBY PROMOTING -> UNPROTECTED" \
	'/PROMOTING, KVMFT_VM_UNPROTECTED/d' ""
spoilt "another name" "only in the code: PRIMARY HELD -> SOLO (primary_goes_on)" \
	's/primary_goes_alone/primary_goes_on/' ""
spoilt "another state" "only in the code: STANDBY PROTECTED -> SYNCING" \
	"" 's/(STANDBY, PROTECTED, )SYNCING/\1PROMOTING/'
spoilt "one that is there twice" "2 times in the model: PRIMARY HELD -> SOLO" \
	"" '/T\(primary_goes_alone/p'
spoilt "a way around the transitions" "line " "" 's/^\towed\[h\] = .*/\tstate[h] = SOLO;/'

# search NAME OPTIONS DEFINES [PAN-OPTIONS]: what pan says of the model, in $scratch/NAME/said.
# To compile takes longer than to search with little optimization, unless there is much to search.
search()
{
	local dir=$scratch/$1
	mkdir "$dir" && cp "${model%/*}"/*.pml "$dir" && cd "$dir" || return
	# shellcheck disable=SC2086
	spin -a $3 failover.pml >said 2>&1 &&
		gcc -w -DCOLLAPSE -DMEMLIM=2000 $2 -o pan pan.c >>said 2>&1 &&
		./pan -m100000 ${4-} >>said 2>&1
	cd "$OLDPWD" || return
}

# whole NAME: the search has come to its end, and has found nothing.
whole()
{
	local said
	said=$(<"$scratch/$1/said")
	echo "# $1: $(sed -nE 's/^ *([0-9]+) states, stored.*/\1 states/p
		s/^ *([0-9.]+).*total actual memory usage/\1 MB/p
		s/^pan: elapsed time (.*) seconds/\1 s/p' <<<"$said" | paste -sd, | sed 's/,/, /g')"
	check_has "$1: there is no error" "$said" ", errors: 0"
	check_eq "$1: the search is complete" "" \
		"$(grep -E 'not completed|too small|out of memory|aborting|reached -DMEMLIM' <<<"$said")"
}

search safety "-Og -DSAFETY" "-DFAULTS=2 -DORDERS=1 -DOUTPUTS=1"
whole safety
search liveness "-Og -DNFAIR=3" "-DLIVENESS -DFAULTS=2 -DORDERS=0 -DOUTPUTS=0" "-a -f"
whole liveness
# In async mode two epochs may be under way, and be refused.
search flights "-Og -DSAFETY" "-DFLIGHTS -DFAULTS=2 -DORDERS=0 -DOUTPUTS=2"
whole flights
search flights_orders "-Og -DSAFETY" "-DFLIGHTS -DFAULTS=1 -DORDERS=1 -DOUTPUTS=1"
whole flights_orders
search flights_liveness "-Og -DNFAIR=3" \
	"-DLIVENESS -DFLIGHTS -DFAULTS=1 -DORDERS=0 -DOUTPUTS=0" "-a -f"
whole flights_liveness
# Here the operator says what isn't so, and one meets all that there is in the table.
search erring "-O0 -DSAFETY" "-DERRING -DFAULTS=1 -DORDERS=2 -DOUTPUTS=0"
whole erring
check_eq "each transition is made" "0 " "$(status tables unreached "$model" "$scratch/erring")"

search calm "-O0 -DSAFETY" "-DFAULTS=0 -DORDERS=0 -DOUTPUTS=0"
check_has "without faults some aren't, and that is noticed" \
	"$(status tables unreached "$model" "$scratch/calm")" "STANDBY PROMOTING -> UNPROTECTED"
search shallow "-O0 -DSAFETY" "-DFAULTS=1 -DORDERS=0 -DOUTPUTS=0" "-m50"
check_has "a search that isn't deep enough says so" "$(<"$scratch/shallow/said")" "too small"

# found BUG: one that is made on purpose. Which assertion is violated depends on the way there.
found()
{
	check_has "found: $1" "$(<"$scratch/$1/said")" "$2"
}

for bug in NO_LEASE_WAIT ANY_LEASE COMMIT_EARLY SAME_GENERATION RELEASED UNSURE SURE_BY_CLAIM \
		CLAIM_LOST FORCE_UNSURE; do
	search $bug "-O0 -DSAFETY" "-DBUG_$bug -DFAULTS=2 -DORDERS=1 -DOUTPUTS=1"
	found $bug "assertion violated"
done
for bug in NO_FOLLOWS BOTH_ARRIVED; do
	search $bug "-O0 -DSAFETY" "-DBUG_$bug -DFLIGHTS -DFAULTS=1 -DORDERS=0 -DOUTPUTS=2"
	found $bug "sent_upon"
done
search NO_TIMER "-O0 -DNFAIR=3" "-DBUG_NO_TIMER -DLIVENESS -DFAULTS=1 -DORDERS=0 -DOUTPUTS=0" "-a -f"
found NO_TIMER "acceptance cycle"
done_testing
