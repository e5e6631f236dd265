// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "breach.h"
#include "compare.h"
#include "device.h"
#include "guest.h"
#include "hold.h"
#include "hostile.h"
#include "memory.h"
#include "trouble.h"
#include "vcpu.h"

#define CONNECT_TRIES 100

/* Commands of several connections, one after the other. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int listen_fd;

typedef void (*command_fn)(FILE *answer, const char *argument);

static void done(FILE *answer)
{
	fprintf(answer, "ok\n");
}

static void refuse(FILE *answer, const char *why)
{
	fprintf(answer, "error: %s\n", why);
}

static void tell_area(FILE *answer)
{
	const struct kvmft_area *area = vmm.area;

	if (!area)
		return;
	fprintf(answer, "\"area\": {\"state\": %u, \"park\": %u, \"epoch\": %llu, ", area->state,
		area->park, area->epoch);
	fprintf(answer, "\"committed\": %llu, \"lease\": %llu, \"generation\": %llu}, ",
		area->committed, area->lease, area->generation);
}

static void tell_outputs(FILE *answer)
{
	struct outbox_counts counts = outbox_counts();
	unsigned int i;

	fprintf(answer, "\"made\": %llu, \"left\": %llu, ", (unsigned long long)counts.made,
		(unsigned long long)counts.left);
	fprintf(answer, "\"loaded\": %llu, \"first_loaded\": %llu, \"unknown_tickets\": %llu, ",
		(unsigned long long)counts.loaded, (unsigned long long)counts.first_loaded,
		(unsigned long long)counts.unknown);
	fprintf(answer, "\"advanced\": %llu, ", (unsigned long long)counts.advanced);
	fprintf(answer, "\"outputs\": [");
	for (i = 0; i < vmm.options.vcpus; i++)
		fprintf(answer, "%s%llu", i ? ", " : "",
			(unsigned long long)vcpu_state(i)->outputs);
	fprintf(answer, "], ");
}

static void tell_hooks(FILE *answer)
{
	u64 calls = 0, emulates = 0, saves = 0, loads = 0, full = 0, interrupts = 0;
	unsigned int i;

	for (i = 0; i < vmm.options.vcpus; i++) {
		calls += vmm.vcpus[i].hooks.calls;
		emulates += vmm.vcpus[i].hooks.emulates;
		saves += vmm.vcpus[i].hooks.saves;
		loads += vmm.vcpus[i].hooks.loads;
		full += vmm.vcpus[i].hooks.rings_full;
		interrupts += vmm.vcpus[i].hooks.interrupts;
	}
	fprintf(answer, "\"hooks\": {\"calls\": %llu, \"emulates\": %llu, \"saves\": %llu, ",
		(unsigned long long)calls, (unsigned long long)emulates,
		(unsigned long long)saves);
	fprintf(answer, "\"loads\": %llu, \"rings_full\": %llu, \"interrupts\": %llu}, ",
		(unsigned long long)loads, (unsigned long long)full,
		(unsigned long long)interrupts);
}

static void tell_hash(FILE *answer)
{
	struct hash_state hash = state_hash();

	if (!hash.known)
		return;
	fprintf(answer, "\"hash\": {\"epoch\": %llu, \"saved\": \"%016llx\"",
		(unsigned long long)hash.epoch, (unsigned long long)hash.saved);
	if (vmm.options.standby)
		fprintf(answer, ", \"found\": \"%016llx\"", (unsigned long long)hash.found);
	fprintf(answer, "}, ");
}

static void tell_compare(FILE *answer)
{
	struct compare_counts counts = compare_counts();

	if (!counts.on)
		return;
	fprintf(answer, "\"compare\": {\"epochs\": %llu, \"last\": %llu, \"pages\": %llu, ",
		(unsigned long long)counts.epochs, (unsigned long long)counts.last,
		(unsigned long long)counts.pages);
	fprintf(answer, "\"lost\": %llu, \"different\": %llu",
		(unsigned long long)counts.lost, (unsigned long long)counts.different);
	if (counts.different) {
		fprintf(answer, ", \"first\": {\"epoch\": %llu, \"gpa\": \"0x%llx\", ",
			(unsigned long long)counts.epoch, (unsigned long long)counts.gpa);
		fprintf(answer, "\"primary\": \"%02x\", \"standby\": \"%02x\"}",
			counts.primary, counts.standby);
	}
	fprintf(answer, "}, ");
}

static void status(FILE *answer, const char *argument)
{
	(void)argument;
	fprintf(answer, "{\"pid\": %d, \"guest\": \"%s\", \"standby\": %s, \"loaded\": %s, ",
		getpid(), vmm.options.guest->name, vmm.options.standby ? "true" : "false",
		vmm.loaded ? "true" : "false");
	tell_area(answer);
	tell_outputs(answer);
	tell_hooks(answer);
	tell_hash(answer);
	tell_compare(answer);
	fprintf(answer, "\"held\": %u, \"still\": %s, ", hold_reasons(),
		vcpu_all_still() && device_still() ? "true" : "false");
	if (vmm.options.guest->device)
		fprintf(answer, "\"dma\": %u, ", device_state()->generation);
	fprintf(answer, "\"misdeeds\": %llu, ", (unsigned long long)hostile_misdeeds());
	fprintf(answer, "\"dma_wrong\": %u, \"guest_errors\": %u}\n", device_wrong(),
		vmm.guest_errors);
}

static void hash(FILE *answer, const char *argument)
{
	(void)argument;
	fprintf(answer, "%016llx\n", (unsigned long long)memory_hash());
}

static void dump(FILE *answer, const char *argument)
{
	if (!*argument)
		refuse(answer, "no file");
	else if (memory_dump(argument))
		refuse(answer, strerror(errno));
	else
		done(answer);
}

static void pause_guest(FILE *answer, const char *argument)
{
	(void)argument;
	hold_begin(HOLD_PAUSE);
	if (hold_wait())
		done(answer);
	else
		refuse(answer, "it doesn't stand still");
}

static void resume(FILE *answer, const char *argument)
{
	(void)argument;
	hold_end(HOLD_PAUSE | HOLD_EPOCH);
	done(answer);
}

static void step(FILE *answer, const char *argument)
{
	(void)argument;
	hold_end(HOLD_STEP);
	done(answer);
}

static void dirty(FILE *answer, const char *argument)
{
	char *end;
	unsigned long pages = strtoul(argument, &end, 10);

	if (!*argument || *end || pages > UINT32_MAX || vmm.options.guest->least) {
		refuse(answer, "N of a writer");
		return;
	}
	__atomic_store_n(&vmm.want_pages, pages + 1, __ATOMIC_RELEASE);
	done(answer);
}

/* What a replication would do that lost the page. */
static void forget(FILE *answer, const char *argument)
{
	u64 gpa = strtoull(argument, NULL, 0) & ~(PAGE - 1);
	void *page = memory_at(gpa, PAGE);

	if (!*argument || !page) {
		refuse(answer, "no such page");
		return;
	}
	memset(page, 0, PAGE);
	written(gpa, PAGE);
	done(answer);
}

static void scribble(FILE *answer, const char *argument)
{
	char *kinds;
	u64 seed = strtoull(argument, &kinds, 10);
	const char *why = hostile_start(seed, kinds);

	if (why)
		refuse(answer, why);
	else
		done(answer);
}

static void break_promise(FILE *answer, const char *argument)
{
	const char *why = breach(argument);

	if (why)
		refuse(answer, why);
	else
		done(answer);
}

/* The result of what may have failed with errno. */
static void done_if(FILE *answer, int ret)
{
	if (ret)
		refuse(answer, strerror(errno));
	else
		done(answer);
}

static void slot(FILE *answer, const char *argument)
{
	if (!strcmp(argument, "add"))
		done_if(answer, memory_add_spare());
	else if (!strcmp(argument, "remove"))
		done_if(answer, memory_remove_spare());
	else if (!strcmp(argument, "move"))
		done_if(answer, memory_move_spare());
	else
		refuse(answer, "add, remove or move");
}

static void unlog(FILE *answer, const char *argument)
{
	(void)argument;
	done_if(answer, memory_end_log());
}

static void fork_now(FILE *answer, const char *argument)
{
	pid_t child = trouble_fork(!strcmp(argument, "hook"));

	if (child < 0)
		refuse(answer, strerror(errno));
	else
		fprintf(answer, "%d\n", child);
}

static void exec_now(FILE *answer, const char *argument)
{
	done(answer);
	fflush(answer);
	trouble_exec(!strcmp(argument, "keep"));
}

/* As a host does that is held up between what permits an output and its device. */
static void linger(FILE *answer, const char *argument)
{
	char *end;
	unsigned long ms = strtoul(argument, &end, 10);

	if (!*argument || *end || ms > 60000) {
		refuse(answer, "up to 60000 ms");
		return;
	}
	outbox_linger(ms);
	done(answer);
}

/* As a VMM does whose guest was shut down. */
static void end_now(FILE *answer, const char *argument)
{
	(void)argument;
	done_if(answer, ioctl(vmm.ft, KVMFT_END, 0UL));
}

static void quit_now(FILE *answer, const char *argument)
{
	(void)argument;
	done(answer);
	fflush(answer);
	quit(0);
}

static const struct {
	const char *name;
	command_fn run;
} commands[] = {
	{ "status", status }, { "hash", hash }, { "dump", dump }, { "pause", pause_guest },
	{ "resume", resume }, { "step", step }, { "dirty", dirty }, { "forget", forget },
	{ "scribble", scribble }, { "breach", break_promise }, { "slot", slot },
	{ "unlog", unlog }, { "linger", linger }, { "fork", fork_now }, { "exec", exec_now },
	{ "end", end_now }, { "quit", quit_now },
};

static void obey(FILE *answer, char *line)
{
	char *argument = strchr(line, ' ');
	unsigned int i;

	if (argument)
		*argument++ = '\0';
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (!strcmp(line, commands[i].name)) {
			pthread_mutex_lock(&lock);
			commands[i].run(answer, argument ? argument : "");
			pthread_mutex_unlock(&lock);
			return;
		}
	}
	refuse(answer, "no such command");
}

static void *serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	char line[4096];

	if (!in || !out)
		die("no memory");
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		obey(out, line);
		if (fflush(out))
			break;
	}
	fclose(in);
	fclose(out);
	return NULL;
}

static void *serve_all(void *unused)
{
	int fd;

	(void)unused;
	for (;;) {
		fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			start_thread(serve, (void *)(intptr_t)fd);
	}
	return NULL;
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		die("too long: %s", path);
	strcpy(address.sun_path, path);
	return address;
}

void control_open(const char *path)
{
	struct sockaddr_un address = address_of(path);

	unlink(path);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listen_fd < 0 || bind(listen_fd, (void *)&address, sizeof(address)) ||
	    listen(listen_fd, 8))
		die("%s", path);
	start_thread(serve_all, NULL);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), i;

	for (i = 0; i < CONNECT_TRIES; i++) {
		if (!connect(fd, (void *)&address, sizeof(address)))
			return fd;
		sleep_us(100000);
	}
	die("%s", path);
}

int control_ask(const char *path, char **words)
{
	int fd = connect_to(path);
	FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
	char line[16384];

	for (; *words; words++)
		fprintf(out, "%s%s", *words, words[1] ? " " : "\n");
	if (fflush(out) || !fgets(line, sizeof(line), in))
		die("no answer from %s", path);
	fputs(line, stdout);
	return strncmp(line, "error:", 6) ? 0 : 1;
}
