/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The list of fault points, for fault.h: one line each, in the order of a run.
 *
 * Contract: no include guard, since whoever includes this file defines
 * KVMFT_FAULT_POINT(NAME, name) for what it makes of the list. NAME gives the
 * constant KVMFT_FAULT_NAME, name is what a test writes. A file of its own and
 * not a macro that takes a macro, so that the list reads, and diffs, as a list.
 */

/* Before a step of the module's initialization; an error fails that step. */
KVMFT_FAULT_POINT(INIT_SYSFS, init_sysfs)
KVMFT_FAULT_POINT(INIT_HOOK, init_hook)
KVMFT_FAULT_POINT(INIT_PAIRS, init_pairs)
KVMFT_FAULT_POINT(INIT_VMS, init_vms)
KVMFT_FAULT_POINT(INIT_NETLINK, init_netlink)

/*
 * In open(2) of /dev/kvmft. All misc devices share the mutex under which they
 * are opened: while a task is held here, /dev/kvm can't be opened either.
 */
KVMFT_FAULT_POINT(HOOK_OPEN, hook_open)

/*
 * In the dump of the version. While a task is held here, no generic netlink
 * family can come or go, so don't load or unload such modules.
 */
KVMFT_FAULT_POINT(VERSION_DUMP, version_dump)

/* When memory is wanted for a pair, a link, a listener, its directory, a guest. */
KVMFT_FAULT_POINT(PAIR_ALLOC, pair_alloc)
KVMFT_FAULT_POINT(SYSFS_PAIR, sysfs_pair)
KVMFT_FAULT_POINT(LINK_PREPARE, link_prepare)
KVMFT_FAULT_POINT(LISTENER_PREPARE, listener_prepare)
KVMFT_FAULT_POINT(CONN_ALLOC, conn_alloc)
KVMFT_FAULT_POINT(HANDSHAKE, handshake)
KVMFT_FAULT_POINT(MAC_ALLOC, mac_alloc)
KVMFT_FAULT_POINT(CHANNEL_START, channel_start)
KVMFT_FAULT_POINT(STREAM_ALLOC, stream_alloc)

/* When a guest is attached: memory for it, its directory. */
KVMFT_FAULT_POINT(VM_ALLOC, vm_alloc)
KVMFT_FAULT_POINT(SYSFS_VM, sysfs_vm)

/*
 * In a checkpoint: before the state is saved, before the copies of async mode are made, and
 * when a page becomes a hot one; on the standby, when its pages are pinned, and before its
 * state is restored.
 */
KVMFT_FAULT_POINT(SAVE_STATE, save_state)
KVMFT_FAULT_POINT(COPY_PAGES, copy_pages)
KVMFT_FAULT_POINT(HOT_ADD, hot_add)
KVMFT_FAULT_POINT(PIN_PAGES, pin_pages)
KVMFT_FAULT_POINT(RESTORE_STATE, restore_state)

/*
 * On an epoch's way, where a task can be held: all of it is sent but COMMIT; COMMIT is sent,
 * and the answer is waited for, which lets the guest go without this task; on the standby,
 * all of it has come; it is committed, but not acknowledged; it is acknowledged, but not
 * applied.
 */
KVMFT_FAULT_POINT(EPOCH_SENT, epoch_sent)
KVMFT_FAULT_POINT(EPOCH_AWAITED, epoch_awaited)
KVMFT_FAULT_POINT(EPOCH_WHOLE, epoch_whole)
KVMFT_FAULT_POINT(EPOCH_COMMITTED, epoch_committed)
KVMFT_FAULT_POINT(EPOCH_ACKED, epoch_acked)

/*
 * Where async mode copies what it sends ahead, and what is left when the guest is to go on: an
 * error has it sent by reference, which is wrong, and is noticed.
 */
KVMFT_FAULT_POINT(AHEAD_COPIES, ahead_copies)

/*
 * When an epoch might take off whose guest has gone on: an error has it do so however near the
 * other host is.
 */
KVMFT_FAULT_POINT(FLY, fly)

/*
 * What kvmft must never do, so that tests can show that they would notice: a page that
 * is neither sent nor counted; one that the standby doesn't put to its place; a general
 * register that is restored as zero; MSRs that aren't restored.
 */
KVMFT_FAULT_POINT(DROP_PAGE, drop_page)
KVMFT_FAULT_POINT(APPLY_PAGE, apply_page)
KVMFT_FAULT_POINT(RESTORE_GPR, restore_gpr)
KVMFT_FAULT_POINT(RESTORE_MSRS, restore_msrs)

/* Output may leave as soon as COMMIT is sent: what protection is all about not doing. */
KVMFT_FAULT_POINT(COMMIT_EARLY, commit_early)

/*
 * Before and in the kick of a vcpu: error=N has it come late each time, at random and up
 * to N ms.
 */
KVMFT_FAULT_POINT(KICK, kick)

/* When pages are wanted to receive into; any error stands for no memory. */
KVMFT_FAULT_POINT(POOL_GET, pool_get)

/* When a guest's pages are to be compressed. */
KVMFT_FAULT_POINT(PACK_ALLOC, pack_alloc)
