# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# flatlab.sh - for tests with guests of flatvmm, where they run. Behind tap.sh.

flat_dir=$(mktemp -d)
flat_pid=
trap 'flat_end; rm -rf "$flat_dir"' EXIT
trap 'exit 1' TERM
cp "$KVMFT_BUILD/selftests/flat/flatvmm" "$flat_dir"

# flat_run OPTIONS...: until it ends by itself; what it says, if that isn't in order.
flat_run()
{
	rm -f "$flat_dir/out"
	timeout "$(awk "BEGIN { print int(60 * ${KVMFT_TIME_SCALE:-1}) }")" \
		"$flat_dir/flatvmm" --output "$flat_dir/out" "$@" 2>&1 | grep -v '^ready'
	return "${PIPESTATUS[0]}"
}

# flat_begin OPTIONS...: and goes on; flat_ask asks it.
flat_begin()
{
	flat_end
	rm -f "$flat_dir/out" "$flat_dir/control" "$flat_dir/lockstep" "$flat_dir/said"
	"$flat_dir/flatvmm" --output "$flat_dir/out" --control "$flat_dir/control" "$@" \
		>"$flat_dir/said" 2>&1 &
	flat_pid=$!
}

flat_ask()
{
	"$flat_dir/flatvmm" ask "$flat_dir/control" "$@"
}

flat_end()
{
	[[ -z $flat_pid ]] || { kill "$flat_pid"; wait "$flat_pid"; } 2>/dev/null
	flat_pid=
}

# flat_status NAME: one number of what "status" tells.
flat_status()
{
	flat_ask status | sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p"
}

# flat_judge OPTIONS...: of what is out.
flat_judge()
{
	python3 -ISB "$KVMFT_ROOT/selftests/lib/flat_judge.py" judge "$@"
}
