#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# needs: hosts=2 timeout=400 either
#
# A VMM that writes random bytes to all that it shares with the module and with KVM, asks
# for anything by any thread, dawdles, unmaps and closes. It may harm itself: the hosts
# live, all of it can be detached, and a guest beside it is protected all the while and
# goes on as if nothing had been. What the hosts' kernels say is judged by the runner.
# shellcheck source=../lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=../lib/pairlab.sh
. "$(dirname "$0")/../lib/pairlab.sh"
# shellcheck source=../lib/vmlab.sh
. "$(dirname "$0")/../lib/vmlab.sh"
# shellcheck source=../lib/vmslab.sh
. "$(dirname "$0")/../lib/vmslab.sh"
# shellcheck source=../lib/hostile.sh
. "$(dirname "$0")/../lib/hostile.sh"

load_module h1
load_module h2
make_key
check "the pair is up" pair_hosts timeout 5s

honest_begins
hostile_round primary protected sync ring 1 area ioctls
hostile_round primary attached async ring 2 area rings run dawdle
hostile_round primary protected async ring 3 unmap ioctls
hostile_round primary protected sync log 4 close area
hostile_round standby bound async log 5 area ioctls
hostile_round both protected async ring 6 area run rings ioctls dawdle
honest_ends
done_testing
