// SPDX-License-Identifier: GPL-2.0
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/string.h>
#include <net/net_namespace.h>

#include "channel.h"
#include "compat.h"
#include "link.h"
#include "listener.h"
#include "pairs.h"
#include "sysfs.h"

/* All pairs of all network namespaces, and all else here, is under this lock. */
static DEFINE_MUTEX(pairs_lock);
static LIST_HEAD(pairs);
/* The module is being unloaded. */
static bool pairs_closed;
/* Changes with each addition and deletion, so that a dump can tell. */
static unsigned int pairs_generation = 1;

static struct kvmft_pair *find(struct net *net, const char *name)
{
	struct kvmft_pair *pair;

	lockdep_assert_held(&pairs_lock);
	list_for_each_entry(pair, &pairs, list) {
		if (net_eq(pair->net, net) && !strcmp(pair->self.name, name))
			return pair;
	}
	return NULL;
}

/* Undoes what pair_open() did, in reverse order; the peer is told last. */
static void pair_close(struct kvmft_pair *pair)
{
	kvmft_listener_stop(pair);
	kvmft_channels_stop(pair);
	kvmft_link_stop(pair);
	kvmft_sysfs_del_pair(pair);
}

static int pair_open(struct kvmft_pair *pair)
{
	int err;

	err = kvmft_sysfs_add_pair(pair);
	if (err)
		return err;
	err = kvmft_link_prepare(pair);
	if (err)
		goto err_sysfs;
	if (pair->self.role == KVMFT_PAIR_LISTEN) {
		err = kvmft_listener_prepare(pair);
		if (err)
			goto err_link;
	}
	return 0;

err_link:
	kvmft_link_stop(pair);
err_sysfs:
	kvmft_sysfs_del_pair(pair);
	return err;
}

/**
 * kvmft_pairs_add() - add a pair, and let it begin
 * @net: the network namespace
 * @config: what it is made from
 * @notify: told about its events
 *
 * Context: may sleep
 *
 * Return: 0, -EEXIST, -ESHUTDOWN while the module is unloaded, or as
 * kvmft_listener_prepare()
 */
int kvmft_pairs_add(struct net *net, const struct kvmft_pair_config *config,
		    kvmft_pair_notify_fn notify)
{
	struct kvmft_pair *pair;
	int err;

	pair = kvmft_pair_create(net, config, notify);
	if (!pair)
		return -ENOMEM;

	mutex_lock(&pairs_lock);
	if (pairs_closed)
		err = -ESHUTDOWN;
	else if (find(net, config->identity.name))
		err = -EEXIST;
	else
		err = pair_open(pair);
	if (err) {
		mutex_unlock(&pairs_lock);
		kvmft_pair_put(pair);
		return err;
	}

	list_add_tail(&pair->list, &pairs);
	pairs_generation++;
	/* Nothing happens to a pair before it is known to have been added. */
	notify(pair, KVMFT_PAIR_ADDED, NULL);
	kvmft_link_start(pair);
	if (pair->listener)
		kvmft_listener_start(pair);
	mutex_unlock(&pairs_lock);
	return 0;
}

static void del(struct kvmft_pair *pair)
{
	lockdep_assert_held(&pairs_lock);
	list_del_init(&pair->list);
	pairs_generation++;
	pair_close(pair);
	pair->notify(pair, KVMFT_PAIR_DELETED, NULL);
	kvmft_pair_put(pair);
}

/**
 * kvmft_pairs_del() - delete a pair
 * @net: the network namespace
 * @name: the pair
 *
 * Context: may sleep; on return its threads have ended and its sockets are closed
 *
 * Return: 0 or -ENOENT
 */
int kvmft_pairs_del(struct net *net, const char *name)
{
	struct kvmft_pair *pair;

	mutex_lock(&pairs_lock);
	pair = find(net, name);
	if (pair)
		del(pair);
	mutex_unlock(&pairs_lock);
	return pair ? 0 : -ENOENT;
}

/**
 * kvmft_pairs_find() - look a pair up
 * @net: the network namespace
 * @name: the pair
 *
 * Return: the pair with a reference, or NULL
 */
struct kvmft_pair *kvmft_pairs_find(struct net *net, const char *name)
{
	struct kvmft_pair *pair;

	mutex_lock(&pairs_lock);
	pair = find(net, name);
	if (pair)
		kvmft_pair_get(pair);
	mutex_unlock(&pairs_lock);
	return pair;
}

/**
 * kvmft_pairs_walk() - look at the pairs of a network namespace
 * @net: the network namespace
 * @position: how many were taken; 0 to begin with
 * @generation: result; when it is another one next time, pairs have come or gone
 * @take: takes a pair; must not wait for any
 * @context: passed on to @take
 *
 * Return: what @take returned last, 0 if all were taken
 */
int kvmft_pairs_walk(struct net *net, unsigned long *position,
		     unsigned int *generation, kvmft_pairs_fn take, void *context)
{
	unsigned long number = 0;
	struct kvmft_pair *pair;
	int err = 0;

	mutex_lock(&pairs_lock);
	*generation = pairs_generation;
	list_for_each_entry(pair, &pairs, list) {
		if (!net_eq(pair->net, net) || number++ < *position)
			continue;
		err = take(context, pair);
		if (err)
			break;
		++*position;
	}
	mutex_unlock(&pairs_lock);
	return err;
}

static void delete_all(struct net *net)
{
	struct kvmft_pair *pair, *next;

	lockdep_assert_held(&pairs_lock);
	list_for_each_entry_safe(pair, next, &pairs, list) {
		if (!net || net_eq(pair->net, net))
			del(pair);
	}
}

static void __net_exit pairs_net_exit(struct net *net)
{
	mutex_lock(&pairs_lock);
	delete_all(net);
	mutex_unlock(&pairs_lock);
}

/* As a device's: so it goes while its peers can still be told. */
static struct pernet_operations pairs_net_ops = {
	.exit = pairs_net_exit,
};

/**
 * kvmft_pairs_init() - begin without pairs
 *
 * Return: 0 or a negative errno
 */
int __init kvmft_pairs_init(void)
{
	return register_pernet_device(&pairs_net_ops);
}

/**
 * kvmft_pairs_close() - delete all pairs, and let none be added any more
 */
void kvmft_pairs_close(void)
{
	mutex_lock(&pairs_lock);
	pairs_closed = true;
	delete_all(NULL);
	mutex_unlock(&pairs_lock);
}

/**
 * kvmft_pairs_exit() - undo kvmft_pairs_init()
 *
 * After kvmft_pairs_close(), when nobody can ask for pairs any more.
 */
void kvmft_pairs_exit(void)
{
	unregister_pernet_device(&pairs_net_ops);
}
