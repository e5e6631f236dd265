// SPDX-License-Identifier: GPL-2.0
/*
 * Why unloading is safe: all memory here is static, and a task that waits in
 * kvmft_hold() is inside a call that keeps the module. In open(2) the file
 * operations hold a reference and in a netlink dump the socket does, so that
 * delete_module(2) finds the module in use; any other netlink request makes the
 * unregistration of the family wait for it; and a module that still initializes
 * can't be unloaded.
 * Whatever calls kvmft_hold() in future must be waited for by the exit function
 * of its file, as a kthread is by kthread_stop(). The parameter outlives the
 * exit function, so a test can still let go what that function waits for.
 */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/wait.h>

#include "compat.h"
#include "fault.h"

/*
 * A held task is never reported as hung, but those are that queue behind it
 * without being killable: the mutex of all misc devices, say. Short enough for
 * two in a row to stay below the 120 seconds after which that happens.
 */
#define HOLD_TIMEOUT (30 * HZ)

/* Longer than the longest order that makes sense. */
#define ORDER_MAX 128

enum fault_state {
	FAULT_OFF,
	FAULT_ERROR,
	FAULT_HOLD,
};

/**
 * struct fault - one point
 * @state: What happens to a task that comes; read without the lock by those
 *	that find FAULT_OFF.
 * @error: Positive errno, for FAULT_ERROR.
 * @skip: How many more times FAULT_ERROR does nothing.
 * @times: How many more times FAULT_ERROR fails; 0 means always.
 * @releases: Counts the times that waiting tasks were let go; a task waits for
 *	it to change.
 * @held: Tasks that wait.
 * @hits: Times that kvmft_fault() was reached.
 *
 * All but @hits is written under fault_lock.
 */
struct fault {
	enum fault_state state;
	unsigned int error;
	unsigned int skip;
	unsigned int times;
	unsigned int releases;
	unsigned int held;
	atomic_long_t hits;
};

enum order_verb {
	ORDER_ERROR,
	ORDER_HOLD,
	ORDER_RELEASE,
	ORDER_OFF,
	ORDER_ALL_OFF,
};

struct order {
	enum order_verb verb;
	enum kvmft_fault_point point;
	unsigned int error;
	unsigned int skip;
	unsigned int times;
};

#define KVMFT_FAULT_POINT(constant, text) \
	[KVMFT_FAULT_##constant] = #text,
static const char *const fault_names[KVMFT_FAULT_COUNT] = {
#include "fault_points.h"
};

#undef KVMFT_FAULT_POINT

static struct fault faults[KVMFT_FAULT_COUNT];
static DEFINE_SPINLOCK(fault_lock);
static DECLARE_WAIT_QUEUE_HEAD(fault_wait);

/**
 * kvmft_fault() - fail here if a test says so
 * @point: where this is
 *
 * Context: any
 *
 * Return: 0, or the negative errno that the caller is to fail with
 */
int kvmft_fault(enum kvmft_fault_point point)
{
	struct fault *fault = &faults[point];
	unsigned long flags;
	int err = 0;

	atomic_long_inc(&fault->hits);
	if (likely(READ_ONCE(fault->state) != FAULT_ERROR))
		return 0;

	spin_lock_irqsave(&fault_lock, flags);
	if (fault->state == FAULT_ERROR) {
		if (fault->skip) {
			fault->skip--;
		} else {
			err = -(int)fault->error;
			if (fault->times && !--fault->times)
				WRITE_ONCE(fault->state, FAULT_OFF);
		}
	}
	spin_unlock_irqrestore(&fault_lock, flags);

	return err;
}

/**
 * kvmft_hold() - wait here if a test says so
 * @point: where this is
 *
 * Context: may sleep
 *
 * Return: 0 when nothing is held here or when the test let go; otherwise the
 * caller is to fail with what this returns: -EINTR after a fatal signal,
 * -ETIMEDOUT when the test forgot about us
 */
int kvmft_hold(enum kvmft_fault_point point)
{
	struct fault *fault = &faults[point];
	unsigned int releases;
	unsigned long flags;
	bool armed;
	long left;

	might_sleep();
	if (likely(READ_ONCE(fault->state) != FAULT_HOLD))
		return 0;

	spin_lock_irqsave(&fault_lock, flags);
	armed = fault->state == FAULT_HOLD;
	releases = fault->releases;
	if (armed)
		fault->held++;
	spin_unlock_irqrestore(&fault_lock, flags);
	if (!armed)
		return 0;

	left = wait_event_killable_timeout(fault_wait,
					   READ_ONCE(fault->releases) != releases,
					   HOLD_TIMEOUT);

	spin_lock_irqsave(&fault_lock, flags);
	fault->held--;
	spin_unlock_irqrestore(&fault_lock, flags);

	if (left > 0)
		return 0;
	return left ? -EINTR : -ETIMEDOUT;
}

/* "error=N[,skip=N][,times=N]", each at most once. */
static int order_parse_error(char *text, struct order *order)
{
	struct {
		const char *key;
		unsigned int *value;
		unsigned int min;
		unsigned int max;
		bool seen;
	} fields[] = {
		{ "error=", &order->error, 1, MAX_ERRNO },
		{ "skip=", &order->skip, 0, UINT_MAX },
		{ "times=", &order->times, 1, UINT_MAX },
	};
	char *word;
	int i;

	while ((word = strsep(&text, ","))) {
		size_t len = 0;

		for (i = 0; i < ARRAY_SIZE(fields); i++) {
			len = str_has_prefix(word, fields[i].key);
			if (len)
				break;
		}
		if (!len || fields[i].seen ||
		    kstrtouint(word + len, 10, fields[i].value) ||
		    *fields[i].value < fields[i].min ||
		    *fields[i].value > fields[i].max)
			return -EINVAL;
		fields[i].seen = true;
	}

	order->verb = ORDER_ERROR;
	return fields[0].seen ? 0 : -EINVAL;
}

static int order_parse(char *text, struct order *order)
{
	char *what = text;
	char *name = strsep(&what, ":");
	int point;

	memset(order, 0, sizeof(*order));

	if (!what) {
		order->verb = ORDER_ALL_OFF;
		return strcmp(name, "off") ? -EINVAL : 0;
	}

	point = match_string(fault_names, KVMFT_FAULT_COUNT, name);
	if (point < 0)
		return -EINVAL;
	order->point = point;

	if (!strcmp(what, "hold"))
		order->verb = ORDER_HOLD;
	else if (!strcmp(what, "release"))
		order->verb = ORDER_RELEASE;
	else if (!strcmp(what, "off"))
		order->verb = ORDER_OFF;
	else
		return order_parse_error(what, order);
	return 0;
}

static void order_apply_to(const struct order *order, struct fault *fault)
{
	lockdep_assert_held(&fault_lock);

	/* Whatever is ordered, nobody goes on waiting for what was before. */
	WRITE_ONCE(fault->releases, fault->releases + 1);

	switch (order->verb) {
	case ORDER_ERROR:
		fault->error = order->error;
		fault->skip = order->skip;
		fault->times = order->times;
		WRITE_ONCE(fault->state, FAULT_ERROR);
		break;
	case ORDER_HOLD:
		WRITE_ONCE(fault->state, FAULT_HOLD);
		break;
	case ORDER_RELEASE:
		break;
	case ORDER_OFF:
	case ORDER_ALL_OFF:
		WRITE_ONCE(fault->state, FAULT_OFF);
		break;
	}
}

static void order_apply(const struct order *order)
{
	int i;

	if (order->verb != ORDER_ALL_OFF) {
		order_apply_to(order, &faults[order->point]);
		return;
	}

	for (i = 0; i < KVMFT_FAULT_COUNT; i++)
		order_apply_to(order, &faults[i]);
}

/*
 * Walks over all orders and, if asked to, carries them out. What passes once
 * passes twice, so a run without @apply is the check for one with it, and no
 * memory is needed for orders in between: a parameter on the command line of a
 * kernel with kvmft built in comes before there is an allocator.
 */
static int orders_walk(const char *text, bool apply)
{
	char copy[ORDER_MAX];
	struct order order;
	size_t len;
	int err;

	for (;;) {
		len = strcspn(text, ";\n");
		if (len >= sizeof(copy))
			return -EINVAL;
		memcpy(copy, text, len);
		copy[len] = '\0';

		err = order_parse(copy, &order);
		if (err)
			return err;
		if (apply)
			order_apply(&order);

		text += len;
		if (*text != ';')
			break;
		text++;
	}

	/* The end, or the newline that echo puts there. */
	return strcmp(text, "") && strcmp(text, "\n") ? -EINVAL : 0;
}

static int faults_set(const char *text, const struct kernel_param *param)
{
	unsigned long flags;
	int err;

	err = orders_walk(text, false);
	if (err)
		return err;

	spin_lock_irqsave(&fault_lock, flags);
	orders_walk(text, true);
	spin_unlock_irqrestore(&fault_lock, flags);

	wake_up_all(&fault_wait);
	return 0;
}

static int fault_print_state(char *buffer, int at, const struct fault *fault)
{
	int len = 0;

	switch (fault->state) {
	case FAULT_OFF:
		return sysfs_emit_at(buffer, at, "off");
	case FAULT_HOLD:
		return sysfs_emit_at(buffer, at, "hold");
	case FAULT_ERROR:
		len = sysfs_emit_at(buffer, at, "error=%u", fault->error);
		if (fault->skip)
			len += sysfs_emit_at(buffer, at + len, ",skip=%u",
					     fault->skip);
		if (fault->times)
			len += sysfs_emit_at(buffer, at + len, ",times=%u",
					     fault->times);
		break;
	}
	return len;
}

static int faults_get(char *buffer, const struct kernel_param *param)
{
	struct fault fault;
	unsigned long flags;
	int len = 0;
	int i;

	for (i = 0; i < KVMFT_FAULT_COUNT; i++) {
		spin_lock_irqsave(&fault_lock, flags);
		fault = faults[i];
		spin_unlock_irqrestore(&fault_lock, flags);

		len += sysfs_emit_at(buffer, len, "%s ", fault_names[i]);
		len += fault_print_state(buffer, len, &fault);
		len += sysfs_emit_at(buffer, len, " hits=%ld held=%u\n",
				     atomic_long_read(&faults[i].hits),
				     fault.held);
	}
	return len;
}

static const struct kernel_param_ops faults_ops = {
	.set = faults_set,
	.get = faults_get,
};

module_param_cb(faults, &faults_ops, NULL, 0600);
MODULE_PARM_DESC(faults, "fault points to arm, for tests: POINT:error=N[,skip=N][,times=N], POINT:hold, POINT:release, POINT:off, off; separated by ';'");
