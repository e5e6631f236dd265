// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "serial.h"
#include "vcpu.h"
#include "virtio.h"

#define LINE_MAX_LEN 256

static const char *role(void)
{
	if (!vmm.area)
		return "alone";
	if (!vmm.options.standby)
		return "primary";
	return __atomic_load_n(&vmm.loaded, __ATOMIC_ACQUIRE) ? "promoted" : "standby";
}

static void tell_area(FILE *answer)
{
	static const char *const states[] = { "idle", "tracked", "protected", "standby" };
	const struct kvmft_area *area = vmm.area;
	u32 state;

	if (!area)
		return;
	state = __atomic_load_n(&area->state, __ATOMIC_ACQUIRE);
	fprintf(answer, "\"state\": \"%s\", \"epoch\": %llu, \"committed\": %llu, ",
		state < ARRAY_SIZE(states) ? states[state] : "?",
		(unsigned long long)area->epoch, (unsigned long long)area->committed);
}

static void tell_outbox(FILE *answer, struct outbox *outbox)
{
	struct outbox_counts counts = outbox_counts(outbox);

	fprintf(answer, "\"asked\": %llu, \"done\": %llu, \"loaded\": %llu, ",
		(unsigned long long)counts.made, (unsigned long long)counts.done,
		(unsigned long long)counts.loaded);
	fprintf(answer, "\"waiting\": %u, \"waiting_bytes\": %llu", counts.waiting,
		(unsigned long long)counts.bytes);
}

static void tell_device(FILE *answer, struct virtio *virtio)
{
	const char *broken = NULL;
	u32 i;

	pthread_mutex_lock(&virtio->lock);
	for (i = 0; i < virtio->ops->queues; i++)
		broken = virtio->queues[i].broken ? virtio->queues[i].broken : broken;
	fprintf(answer, ", \"%s\": {\"live\": %s, ", virtio->name,
		virtio_is_live(virtio) ? "true" : "false");
	if (broken)
		fprintf(answer, "\"broken\": \"%s\", ", broken);
	if (virtio->ops->tell)
		virtio->ops->tell(virtio, answer);
	fprintf(answer, "\"agreed\": \"0x%llx\"", (unsigned long long)virtio->agreed);
	pthread_mutex_unlock(&virtio->lock);
	if (virtio->outbox) {
		fprintf(answer, ", ");
		tell_outbox(answer, virtio->outbox);
	}
	fprintf(answer, "}");
}

static void tell_status(FILE *answer)
{
	u64 exits = 0, saves = 0;
	unsigned int i;

	for (i = 0; i < vmm.options.vcpus; i++) {
		exits += vmm.vcpus[i].exits;
		saves += vmm.vcpus[i].saves;
	}
	fprintf(answer, "{\"pid\": %d, \"role\": \"%s\", \"paused\": %s, \"vcpus\": %u, ",
		getpid(), role(), vmm.paused ? "true" : "false", vmm.options.vcpus);
	fprintf(answer, "\"memory\": %llu, \"permitted\": %llu, ",
		(unsigned long long)vmm.options.memory,
		(unsigned long long)__atomic_load_n(&vmm.permitted, __ATOMIC_RELAXED));
	tell_area(answer);
	fprintf(answer, "\"exits\": %llu, \"saves\": %llu, \"console\": {",
		(unsigned long long)exits, (unsigned long long)saves);
	tell_outbox(answer, serial_outbox());
	fprintf(answer, "}");
	for (i = 0; i < vmm.device_count; i++)
		tell_device(answer, vmm.devices[i]);
	fprintf(answer, "}\n");
}

static void tell_waits_of(FILE *answer, const char *name, struct outbox *outbox, u64 *waits)
{
	u32 count = outbox_waits(outbox, waits), i;

	for (i = 0; i < count; i++)
		fprintf(answer, "%s %llu\n", name, (unsigned long long)waits[i]);
}

/* How long each of the latest outputs waited, in ns, since this was asked last. */
static void tell_waits(FILE *answer)
{
	u64 *waits = make(OUTBOX_WAITS_MAX * sizeof(*waits));
	unsigned int i;

	tell_waits_of(answer, "console", serial_outbox(), waits);
	for (i = 0; i < vmm.device_count; i++) {
		if (vmm.devices[i]->outbox)
			tell_waits_of(answer, vmm.devices[i]->name, vmm.devices[i]->outbox, waits);
	}
	free(waits);
}

static void set_paused(bool paused)
{
	__atomic_store_n(&vmm.paused, paused, __ATOMIC_RELEASE);
	if (paused)
		vcpu_kick_all();
}

static void answer_line(FILE *answer, const char *command)
{
	if (!strcmp(command, "status")) {
		tell_status(answer);
	} else if (!strcmp(command, "waits")) {
		tell_waits(answer);
	} else if (!strcmp(command, "pause") || !strcmp(command, "resume")) {
		set_paused(*command == 'p');
		fprintf(answer, "ok\n");
	} else if (!strcmp(command, "quit")) {
		fprintf(answer, "ok\n");
		fflush(answer);
		vmm_end(STATUS_QUIT);
	} else {
		fprintf(answer, "error: no such command\n");
	}
}

static void serve(int fd)
{
	FILE *stream = fdopen(fd, "r+");
	char line[LINE_MAX_LEN];

	if (!stream) {
		close(fd);
		return;
	}
	while (fgets(line, sizeof(line), stream)) {
		line[strcspn(line, "\n")] = 0;
		/* From reading to writing, as ISO C wants it. */
		fseek(stream, 0, SEEK_CUR);
		answer_line(stream, line);
		if (fflush(stream))
			break;
	}
	fclose(stream);
}

static void *listen_on(void *arg)
{
	int listener = (int)(intptr_t)arg;
	/* Who says nothing holds nobody up for longer. */
	struct timeval limit = { .tv_sec = 5 };
	int fd;

	for (;;) {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		serve(fd);
	}
	return NULL;
}

static int make_socket(const char *path, struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path)) {
		errno = ENAMETOOLONG;
		die("%s", path);
	}
	strcpy(address->sun_path, path);
	if (fd < 0)
		die("a socket");
	return fd;
}

void control_open(const char *path)
{
	struct sockaddr_un address;
	int fd = make_socket(path, &address);
	mode_t mask;

	unlink(path);
	mask = umask(0077);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 8))
		die("%s", path);
	umask(mask);
	start_thread(listen_on, (void *)(intptr_t)fd);
}

int control_ask(const char *path, const char *command)
{
	struct sockaddr_un address;
	int fd = make_socket(path, &address), status = 0;
	char line[4096];
	FILE *stream;

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("%s", path);
	if (dprintf(fd, "%s\n", command) < 0 || shutdown(fd, SHUT_WR))
		die("%s", path);
	stream = fdopen(fd, "r");
	while (stream && fgets(line, sizeof(line), stream)) {
		fputs(line, stdout);
		status |= !strncmp(line, "error", 5);
	}
	return status;
}
