#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: machine timeout=500
#
# The runner itself must fail what deserves it: a failing test, a warning of the
# kernel during a test and after one, a host that panics, a host that hangs, a
# test that says less than it planned, one that can't be ended, one that keeps the
# module. And none of these may spoil the next test.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"

unset CI
kernel=${KVMFT_KERNELS%% *}
out=$("$KVMFT_ROOT/selftests/run" --no-machine --tests "$KVMFT_ROOT/selftests/fixtures" \
	--suite fixtures --kernels "${kernel:-6.1}" 2>&1)
code=$?
failures=$(grep '^FAILED' <<<"$out")

check_eq "the run fails" 1 $code
check_eq "the last line counts" "12 passed, 13 failed, 0 skipped" "$(tail -n 1 <<<"$out")"
check_hasnt "a passing test passes" "$failures" "a_passes"
check_has "a failing test is a failure" "$failures" "b_fails: false is true"
check_has "its output is shown" "$out" "not ok 2 false is true"
check_has "a warning fails a test that passed" "$failures" "c_warns: h1: "
check_has "the kernel's log is shown from where the test began" "$out" \
	"splat: a warning while the test passes"
check_has "a panic is a failure" "$failures" "e_panics: h1 died"
check_has "the panic's text is shown" "$out" "splat: the host panics"
check_has "a host that hangs is a failure" "$failures" "f_hangs: hangs: not done after"
check_hasnt "the next test has a fresh host" "$failures" "g_passes_again"
check_has "a plan that isn't kept is a failure" "$failures" \
	"h_breaks_its_plan: a plan of 2, but 1 results"
check_has "a plan without results is a failure" "$failures" \
	"i_only_plans: a plan of 5, but 0 results"
check_has "a test that can't be ended is a failure" "$failures" "j_ignores_term: hangs: not done after"
check_hasnt "and is gone for the next one" "$failures" "k_is_alone"
check_has "a module left in use is a failure" "$failures" \
	"l_keeps_the_device: the module can't be unloaded after the test"
check_hasnt "and is free for the next one" "$failures" "m_can_load"
check_has "a warning of a host that is off by now is a failure" "$failures" \
	"w_hides_a_warning: h1: "
check_has "a warning after the last test is a failure" "$failures" "hosts: hosts: h1: "
unlisted=$(mktemp -d)
trap 'rm -rf "$unlisted" "$KVMFT_BUILD/selftests/skipping"' EXIT
mkdir -p "$KVMFT_BUILD/selftests/skipping"
cat >"$unlisted/skipping.sh" <<'END'
#!/bin/sh
# needs: machine
echo "1..0 # SKIP for no reason"
exit 4
END
chmod +x "$unlisted/skipping.sh"
cp "$unlisted/skipping.sh" "$KVMFT_BUILD/selftests/skipping/"
run_skipping()
{
	"$KVMFT_ROOT/selftests/run" --tests "$unlisted" --suite skipping --kernels '' 2>&1 | tail -n 1
}
check_eq "a skip is counted" "0 passed, 0 failed, 1 skipped" "$(run_skipping)"
check_eq "a skip that isn't listed fails in CI" "0 passed, 1 failed, 0 skipped" \
	"$(CI=true run_skipping)"

done_testing
