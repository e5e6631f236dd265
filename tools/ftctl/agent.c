// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/kvmft.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "duration.h"
#include "fences.h"
#include "genl.h"
#include "moment.h"
#include "names.h"
#include "pair_info.h"
#include "report.h"
#include "task.h"
#include "vm_list.h"

#define TIMEOUT_MS 30000

/* For how long commands may take to die at the end, and how often to look. */
#define DEATH_MS 1000
#define DEATH_LOOK_MS 10
#define NS_PER_MS 1000000

/**
 * struct agent - what it was told, and how far it is
 * @command: What fences the other host.
 * @timeout_ms: How long that may take.
 * @delay_ms: How long to wait before.
 * @once: End when a fence was dealt with.
 * @report: Where to say what happens.
 * @events: Where fences are asked for.
 * @polled: What to wait for: @events, @signals, and the output of commands.
 * @signals: Where signals come.
 * @fences: All fences.
 * @current: The one whose command is being read.
 * @look: Events are missing: all guests are to be looked at.
 * @ends: It ends, with @status.
 * @status: The exit status.
 */
struct agent {
	const char *command;
	uint32_t timeout_ms;
	uint32_t delay_ms;
	bool once;
	struct report report;
	struct genl *events;
	int polled;
	int signals;
	struct fences fences;
	struct fence *current;
	bool look;
	bool ends;
	enum exit_status status;
};

/* --- What the operator wants */

static enum exit_status parse_time(const char *option, const char *value, uint32_t *ms)
{
	const char *wrong = duration_parse(value, ms);

	return wrong ? wrong_usage(&agent_command, "%s '%s': %s", option, value, wrong) :
		       EXIT_OK;
}

static enum exit_status parse_option(const char *option, const char *value,
				     struct agent *agent)
{
	bool timeout = !strcmp(option, "--timeout");
	bool fence = !strcmp(option, "--fence");
	enum exit_status status;

	if (!fence && !timeout && strcmp(option, "--delay"))
		return wrong_usage(&agent_command, "'%s' is too much", option);
	if (!value)
		return wrong_usage(&agent_command, "what belongs behind '%s' is missing", option);
	if (fence) {
		if (agent->command)
			return wrong_usage(&agent_command, "'--fence' is there twice");
		agent->command = value;
		return EXIT_OK;
	}
	status = parse_time(option, value, timeout ? &agent->timeout_ms : &agent->delay_ms);
	if (!status && !agent->timeout_ms)
		return wrong_usage(&agent_command, "--timeout '%s': no command is so fast",
				   value);
	return status;
}

static enum exit_status parse(int argc, char **argv, struct agent *agent)
{
	enum exit_status status;
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--once")) {
			agent->once = true;
			continue;
		}
		status = parse_option(argv[i], argv[i + 1], agent);
		if (status)
			return status;
		i++;
	}
	if (!agent->command || !*agent->command)
		return wrong_usage(&agent_command,
				   "a command that fences the other host is missing; say --fence COMMAND");
	return EXIT_OK;
}

/* --- What the module says */

static void end_in_failure(struct agent *agent)
{
	agent->ends = true;
	agent->status = EXIT_FAILED;
}

/*
 * Sends a request on a conversation of its own. 0, or -ENOENT or -ESTALE, which fences
 * may meet with; anything else is the end, after a complaint.
 */
static int request(struct agent *agent, struct genl *genl, struct nlmsghdr *message,
		   genl_object_fn object, void *data)
{
	int err = genl_try(genl, message, object, data);

	if (err && err != -ENOENT && err != -ESTALE) {
		genl_complain(genl, err);
		end_in_failure(agent);
	}
	return err;
}

/* An answer to nothing is refused to everybody, but not in the same way. */
static bool may_answer(void)
{
	struct genl *genl = connect_to_module();
	int err;

	if (!genl)
		return false;
	err = genl_try(genl, genl_begin(genl, KVMFT_CMD_VM_FENCE_ANSWER), NULL, NULL);
	if (err == -EOPNOTSUPP)
		complain("the loaded module doesn't ask for fences");
	else if (err != -EINVAL)
		genl_complain(genl, err);
	genl_close(genl);
	return err == -EINVAL;
}

static bool add(struct agent *agent, const struct vm_info *vm)
{
	char delay[DURATION_SIZE];
	struct fence *fence;

	if (!fences_add(&agent->fences, vm, moment_ms() + agent->delay_ms, &fence))
		return false;
	if (fence)
		report(&agent->report, "asked", fence, "the other host is to be fenced%s%s",
		       agent->delay_ms ? ", after " : "",
		       agent->delay_ms ? duration_text(agent->delay_ms, delay) : "");
	return true;
}

static bool take_event(const struct nlmsghdr *message, void *data)
{
	const struct genlmsghdr *header = mnl_nlmsg_get_payload(message);
	struct agent *agent = data;
	struct vm_info vm;

	if (header->cmd != KVMFT_CMD_VM_EVENT)
		return true;
	if (!vm_parse(message, KVMFT_CMD_VM_EVENT, &vm))
		return false;
	if (vm_number(&vm, KVMFT_A_VM_EVENT) == KVMFT_VM_DETACHED) {
		fences_forget(&agent->fences, vm_string(&vm, KVMFT_A_VM_NAME));
		return true;
	}
	/* Not only when it is asked for: whatever tells of it will do. */
	return add(agent, &vm);
}

static void lose_events(void *data)
{
	struct agent *agent = data;

	agent->look = true;
	report(&agent->report, "lost", NULL, "events were lost, all guests are looked at");
}

/* What was asked for before anybody listened. */
static void look_at_all(struct agent *agent)
{
	struct genl *genl = connect_to_module();
	struct vm_list list;
	const struct vm *vm;
	bool ok = false;

	agent->look = false;
	if (genl) {
		ok = vm_list_ask(genl, NULL, &list);
		for (vm = list.first; ok && vm; vm = vm->next)
			ok = add(agent, &vm->info);
		vm_list_forget(&list);
		genl_close(genl);
	}
	if (!ok)
		end_in_failure(agent);
}

/* --- One fence */

/**
 * struct peer - what is known of the other host
 * @host: What it calls itself, or else its address; "" if neither is known.
 * @address: Its address, "" if it isn't known.
 */
struct peer {
	char host[256];
	char address[ADDRESS_SIZE];
};

static bool take_peer(const struct nlmsghdr *message, void *data)
{
	struct peer *peer = data;
	struct address address;
	struct pair_info pair;
	const char *host;
	char *at;

	if (!pair_parse(message, KVMFT_CMD_PAIR_GET, &pair))
		return false;
	if (pair_peer_address(&pair, &address) ||
	    (pair_number(&pair, KVMFT_A_PAIR_ROLE) == KVMFT_PAIR_CONNECT &&
	     pair_address(&pair, &address)))
		address_host(&address, peer->address);
	host = pair_string(&pair, KVMFT_A_PAIR_PEER_HOST);
	snprintf(peer->host, sizeof(peer->host), "%s", host ? host : peer->address);
	/* It is the other host's word. */
	for (at = peer->host; *at; at++) {
		if (*at <= ' ' || *at > '~')
			*at = '?';
	}
	return true;
}

struct sight {
	struct fence *fence;
	bool asked;
};

static bool take_guest(const struct nlmsghdr *message, void *data)
{
	struct sight *sight = data;
	struct vm_info vm;

	if (!vm_parse(message, KVMFT_CMD_VM_GET, &vm))
		return false;
	sight->asked = vm_number(&vm, KVMFT_A_VM_FENCE) == KVMFT_VM_FENCE_ASKED &&
		       vm_number(&vm, KVMFT_A_VM_FENCE_TOKEN) == sight->fence->token;
	sight->fence->role = vm_number(&vm, KVMFT_A_VM_ROLE);
	return true;
}

/* Is it still asked for, and of whom? */
static bool look_once_more(struct agent *agent, struct fence *fence, struct peer *peer)
{
	struct sight sight = { .fence = fence };
	struct genl *genl = connect_to_module();
	struct nlmsghdr *message;

	memset(peer, 0, sizeof(*peer));
	if (!genl) {
		end_in_failure(agent);
		return false;
	}
	message = genl_begin(genl, KVMFT_CMD_VM_GET);
	mnl_attr_put_strz(message, KVMFT_A_VM_NAME, fence->name);
	if (!request(agent, genl, message, take_guest, &sight) && sight.asked) {
		message = genl_begin(genl, KVMFT_CMD_PAIR_GET);
		mnl_attr_put_strz(message, KVMFT_A_PAIR_NAME, fence->pair);
		request(agent, genl, message, take_peer, peer);
	}
	genl_close(genl);
	return sight.asked && !agent->ends;
}

static void answer(struct agent *agent, struct fence *fence, bool done)
{
	struct genl *genl = connect_to_module();
	struct nlmsghdr *message;
	int err;

	fence->phase = FENCE_OVER;
	if (!genl) {
		end_in_failure(agent);
		return;
	}
	message = genl_begin(genl, KVMFT_CMD_VM_FENCE_ANSWER);
	mnl_attr_put_strz(message, KVMFT_A_VM_NAME, fence->name);
	mnl_attr_put_u32(message, KVMFT_A_VM_FENCE,
			 done ? KVMFT_VM_FENCE_DONE : KVMFT_VM_FENCE_FAILED);
	mnl_attr_put_u64(message, KVMFT_A_VM_FENCE_TOKEN, fence->token);
	err = request(agent, genl, message, NULL, NULL);
	genl_close(genl);
	if (agent->ends)
		return;

	if (err)
		report(&agent->report, "late", fence,
		       "nobody waits for this any more: the other host was there again, or somebody has decided; see: ftctl show %s",
		       fence->name);
	else if (done)
		report(&agent->report, "done", fence, "the other host is fenced");
	else
		report(&agent->report, "failed", fence,
		       "the other host isn't fenced, the guest waits; mend the command, and then: ftctl fence %s",
		       fence->name);
	if (agent->once) {
		agent->ends = true;
		agent->status = done && !err ? EXIT_OK : EXIT_FAILED;
	}
}

static void close_output(struct agent *agent, struct task *task)
{
	if (task->output == -1)
		return;
	epoll_ctl(agent->polled, EPOLL_CTL_DEL, task->output, NULL);
	close(task->output);
	task->output = -1;
}

static bool run_command(const struct agent *agent, struct fence *fence, const struct peer *peer)
{
	char unknown[NAME_SIZE], token[sizeof("18446744073709551615")];
	const char *const variables[] = {
		"KVMFT_GUEST", fence->name,
		"KVMFT_PAIR", fence->pair,
		"KVMFT_ROLE", vm_role_name(fence->role, unknown),
		"KVMFT_PEER", peer->host,
		"KVMFT_PEER_ADDRESS", peer->address,
		"KVMFT_TOKEN", token,
		NULL,
	};

	snprintf(token, sizeof(token), "%llu", (unsigned long long)fence->token);
	return task_begin(&fence->task, agent->command, variables);
}

static void begin(struct agent *agent, struct fence *fence)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = fence };
	struct peer peer;

	if (!look_once_more(agent, fence, &peer)) {
		fence->phase = FENCE_OVER;
		if (!agent->ends)
			report(&agent->report, "needless", fence,
			       "the other host needn't be fenced any more");
		return;
	}

	report(&agent->report, "begins", fence, "the command begins to fence %s",
	       *peer.host ? peer.host : "a host that was never seen");
	if (!run_command(agent, fence, &peer)) {
		answer(agent, fence, false);
		return;
	}
	fence->phase = FENCE_RUNS;
	if (epoll_ctl(agent->polled, EPOLL_CTL_ADD, fence->task.output, &event)) {
		complain("can't wait for a command: %s", strerror(errno));
		end_in_failure(agent);
	}
}

static void say(const char *line, void *data)
{
	struct agent *agent = data;

	report(&agent->report, "says", agent->current, agent->report.json ? "%s" : "says: %s",
	       line);
}

static void finish(struct agent *agent, struct fence *fence)
{
	int status = fence->task.status;
	char age[DURATION_SIZE];

	duration_age(moment_ms() - fence->task.begun, age);
	if (WIFEXITED(status))
		report(&agent->report, "ended", fence,
		       "the command ended with status %d after %s", WEXITSTATUS(status), age);
	else
		report(&agent->report, "ended", fence,
		       "the command was killed by signal %d after %s", WTERMSIG(status), age);
	answer(agent, fence, WIFEXITED(status) && !WEXITSTATUS(status));
}

static void see_whether_ended(struct agent *agent, struct fence *fence)
{
	agent->current = fence;
	if (!fence->task.pid || !task_has_ended(&fence->task, say, agent))
		return;
	close_output(agent, &fence->task);
	if (fence->phase == FENCE_RUNS)
		finish(agent, fence);
}

static void give_up(struct agent *agent, struct fence *fence)
{
	char time[DURATION_SIZE];

	task_kill(&fence->task);
	close_output(agent, &fence->task);
	report(&agent->report, "timeout", fence,
	       "the command was killed, since it took more than %s",
	       duration_text(agent->timeout_ms, time));
	answer(agent, fence, false);
}

/* --- All of them */

/* Does what is due; returns for how many ms nothing will be, or -1. */
static int go_on(struct agent *agent)
{
	uint64_t next = UINT64_MAX, now, due;
	struct fence *fence;

	for (fence = agent->fences.first; fence && !agent->ends; fence = fence->next) {
		due = fence->task.begun + agent->timeout_ms;
		if (fence->phase == FENCE_RUNS && moment_ms() >= due) {
			see_whether_ended(agent, fence);
			if (fence->phase == FENCE_RUNS && !agent->ends)
				give_up(agent, fence);
		}
	}
	for (fence = agent->fences.first; fence && !agent->ends; fence = fence->next) {
		if (fence->phase == FENCE_WAITS && moment_ms() >= fence->due &&
		    !fences_are_under_way(&agent->fences, fence->pair))
			begin(agent, fence);

		due = UINT64_MAX;
		if (fence->phase == FENCE_RUNS)
			due = fence->task.begun + agent->timeout_ms;
		else if (fence->phase == FENCE_WAITS &&
			 !fences_are_under_way(&agent->fences, fence->pair))
			due = fence->due;
		if (due < next)
			next = due;
	}

	now = moment_ms();
	if (next == UINT64_MAX)
		return -1;
	if (next <= now)
		return 0;
	return next - now < INT32_MAX ? (int)(next - now) : INT32_MAX;
}

static void take_signal(struct agent *agent)
{
	struct signalfd_siginfo info;
	struct fence *fence;

	if (read(agent->signals, &info, sizeof(info)) != sizeof(info))
		return;
	/* One signal may be that of several, and what has ended deserves its answer. */
	for (fence = agent->fences.first; fence && !agent->ends; fence = fence->next)
		see_whether_ended(agent, fence);
	if (info.ssi_signo != SIGCHLD)
		agent->ends = true;
}

static void take_output(struct agent *agent, struct fence *fence)
{
	agent->current = fence;
	if (!task_read(&fence->task, say, agent))
		close_output(agent, &fence->task);
}

static void work(struct agent *agent)
{
	struct epoll_event event;
	int count;

	look_at_all(agent);
	while (!agent->ends) {
		count = go_on(agent);
		if (agent->ends)
			break;
		count = epoll_wait(agent->polled, &event, 1, count);
		if (count == -1 && errno != EINTR) {
			complain("can't wait for events: %s", strerror(errno));
			end_in_failure(agent);
		}
		if (count <= 0)
			continue;

		if (event.data.ptr == &agent->signals)
			take_signal(agent);
		else if (event.data.ptr != agent)
			take_output(agent, event.data.ptr);
		else if (!genl_listen(agent->events, take_event, lose_events, agent))
			end_in_failure(agent);
		if (agent->look && !agent->ends)
			look_at_all(agent);
	}
}

/* What is under way isn't answered, and remains asked for. */
static void leave_off(struct agent *agent)
{
	const struct timespec pause = { .tv_nsec = DEATH_LOOK_MS * NS_PER_MS };
	uint64_t end = moment_ms() + DEATH_MS;
	struct fence *fence;

	for (fence = agent->fences.first; fence; fence = fence->next) {
		if (fence->phase != FENCE_RUNS)
			continue;
		task_kill(&fence->task);
		fence->phase = FENCE_OVER;
		report(&agent->report, "killed", fence,
		       "the command was killed, and the fence remains asked for");
	}
	for (fence = agent->fences.first; fence; fence = fence->next) {
		while (fence->task.pid && moment_ms() < end) {
			see_whether_ended(agent, fence);
			if (fence->task.pid)
				nanosleep(&pause, NULL);
		}
		close_output(agent, &fence->task);
	}
	fences_forget_all(&agent->fences);
}

static bool wait_for(struct agent *agent, int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	return fd != -1 && !epoll_ctl(agent->polled, EPOLL_CTL_ADD, fd, &event);
}

/* Signals are read with all else, so that none comes at a bad time. */
static bool prepare(struct agent *agent)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	/* Unless somebody wants it to survive its terminal: who blocks it gets it. */
	if (signal(SIGHUP, SIG_IGN) != SIG_IGN)
		sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	/* Whoever started this may have ignored it, and would have children reaped. */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);

	agent->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	agent->polled = epoll_create1(EPOLL_CLOEXEC);
	if (agent->polled != -1 && wait_for(agent, agent->signals, &agent->signals) &&
	    wait_for(agent, genl_descriptor(agent->events), agent))
		return true;
	complain("can't wait for signals and events: %s", strerror(errno));
	return false;
}

static enum exit_status agent_run(const struct options *options, int argc, char **argv)
{
	struct agent agent = {
		.timeout_ms = TIMEOUT_MS,
		.report.json = options->json,
		.polled = -1,
		.signals = -1,
	};
	enum exit_status status;

	status = parse(argc, argv, &agent);
	if (status)
		return status;
	if (!may_answer())
		return EXIT_FAILED;
	agent.events = connect_to_module();
	if (!agent.events)
		return EXIT_FAILED;

	/* First to the events, then to the guests: nothing is missed in between. */
	if (genl_join(agent.events, KVMFT_EVENTS_GROUP) && prepare(&agent)) {
		report(&agent.report, "ready", NULL, "waits for fences to be asked for");
		work(&agent);
		leave_off(&agent);
		report(&agent.report, "end", NULL, "ends");
	} else {
		agent.status = EXIT_FAILED;
	}
	if (agent.polled != -1)
		close(agent.polled);
	if (agent.signals != -1)
		close(agent.signals);
	genl_close(agent.events);
	return agent.status;
}

const struct command agent_command = {
	.name = "agent",
	.arguments = "--fence COMMAND [--timeout TIME] [--delay TIME] [--once]",
	.summary = "fence other hosts by a command when guests ask for it",
	.details =
		"Waits until a guest of this host asks for the other host to be fenced, and runs\n"
		"COMMAND by the shell then. The status 0 means that the other host can't write any\n"
		"more; any other, or one that hasn't ended within 30s (--timeout), that it may.\n"
		"Its environment says what it is about: KVMFT_GUEST, KVMFT_PAIR, KVMFT_ROLE (primary\n"
		"or standby, here), KVMFT_PEER and KVMFT_PEER_ADDRESS (of the other host, as far as\n"
		"known) and KVMFT_TOKEN (another one for each fence).\n"
		"\n"
		"With --delay the command waits for so long, and is left out if by then it isn't\n"
		"asked for any more: give the two hosts different ones, or they may fence each\n"
		"other. Guests of one pair are dealt with one after the other. Prints a line for\n"
		"whatever happens, with --json an object. Ends when it is interrupted or terminated,\n"
		"with --once after the first fence. It needs the capability CAP_NET_ADMIN.\n",
	.run = agent_run,
};
