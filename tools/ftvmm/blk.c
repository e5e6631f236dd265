// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "blk.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ft.h"
#include "memory.h"
#include "promise.h"
#include "virtio.h"

#define SECTOR 512
#define THREADS 4
#define SEGMENTS_MAX 62
#define SEGMENT_LEN_MAX (64 * 1024)
/* A request of discarding, or of writing zeroes. */
#define RANGE_SECTORS_MAX 65536
#define OUTBOX_LIMIT (8 * MIB)
/* The most that the guest was told of and isn't written; so much in no hurry. */
#define BEHIND_MAX (1 * MIB)
#define BEHIND_LAZY (BEHIND_MAX / 4)
#define RETRY_US 200000

/**
 * struct blk - a disk
 * @options: Where it is.
 * @fd: Its descriptor.
 * @direct: Opened past the page cache.
 * @block: The least that can be read and written.
 * @failing: So many requests that the guest was told are done can't be, at the moment.
 * @size: Bytes.
 * @config: What the guest is told.
 */
struct blk {
	const struct disk_options *options;
	int fd;
	bool direct;
	u32 block, failing;
	u64 size;
	struct virtio *virtio;
	struct virtio_blk_config config;
	char name[16];
};

/* --- The file --- */

/*
 * Without the page cache, or through it at once: what the guest was told is written
 * must not be gone with this host.
 */
static int open_disk(struct blk *blk, bool writes)
{
	const struct disk_options *options = blk->options;
	int flags = (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC, fd = -1;

	if (!options->cached)
		fd = open(options->path, flags | O_DIRECT);
	blk->direct = fd >= 0;
	if (fd < 0)
		fd = open(options->path, flags | O_DSYNC);
	/* What was read before may have been written by the other host since. */
	if (fd >= 0 && !blk->direct) {
		ioctl(fd, BLKFLSBUF, 0);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	}
	return fd;
}

static u64 size_of(int fd, const char *path)
{
	struct stat status;
	u64 size = 0;

	if (fstat(fd, &status))
		die("%s", path);
	if (S_ISBLK(status.st_mode))
		must(fd, BLKGETSIZE64, &size, path);
	else if (S_ISREG(status.st_mode))
		size = status.st_size;
	else
		die("%s is neither a file nor a block device", path);
	return size & ~(u64)(SECTOR - 1);
}

/* The least that can be read and written. */
static u32 block_size_of(struct blk *blk)
{
	void *buffer;
	u32 size;

	if (!blk->direct)
		return SECTOR;
	if (posix_memalign(&buffer, PAGE, PAGE))
		die("no memory");
	for (size = SECTOR; size < PAGE; size *= 2) {
		if (pread(blk->fd, buffer, size, size) >= 0)
			break;
	}
	free(buffer);
	return size;
}

static int write_all(struct blk *blk, struct request *request)
{
	u64 done = 0;
	ssize_t n;

	while (done < request->len) {
		outbox_permit(request);
		n = pwrite(blk->fd, request->data + done, request->len - done,
			   request->at + done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		done += n;
	}
	return 0;
}

static int read_all(struct blk *blk, struct request *request)
{
	u64 done = 0;
	ssize_t n;

	if (posix_memalign((void **)&request->data, REQUEST_ALIGN, request->len))
		return -1;
	while (done < request->len) {
		n = pread(blk->fd, request->data + done, request->len - done,
			  request->at + done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		done += n;
	}
	return 0;
}

/* Zeroes by hand, where a file system or device has no other way. */
static int write_zeroes(struct blk *blk, struct request *request)
{
	u64 piece = MIB, done;
	void *zeroes;
	int err = 0;

	if (posix_memalign(&zeroes, REQUEST_ALIGN, piece))
		return -1;
	memset(zeroes, 0, piece);
	for (done = 0; done < request->len && !err; done += piece) {
		if (piece > request->len - done)
			piece = request->len - done;
		outbox_permit(request);
		if (pwrite(blk->fd, zeroes, piece, request->at + done) != (ssize_t)piece)
			err = -1;
	}
	free(zeroes);
	return err;
}

static int zero(struct blk *blk, struct request *request)
{
	outbox_permit(request);
	if (!fallocate(blk->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, request->at,
		       request->len))
		return 0;
	/* What was discarded may be anything, so it may be what it was. */
	return request->kind == REQUEST_DISCARD ? 0 : write_zeroes(blk, request);
}

static int do_request(struct blk *blk, struct request *request)
{
	switch (request->kind) {
	case REQUEST_READ:
		return read_all(blk, request);
	case REQUEST_WRITE:
		return write_all(blk, request);
	case REQUEST_FLUSH:
		outbox_permit(request);
		return fdatasync(blk->fd);
	default:
		return zero(blk, request);
	}
}

/* --- What is done with requests --- */

static void complain(const struct blk *blk, const struct request *request)
{
	say("%s: request %u at %llu: %s", blk->name, request->kind,
	    (unsigned long long)request->at, strerror(errno));
}

static int do_told(struct blk *blk, struct request *request)
{
	int err = do_request(blk, request);

	/* To a guest that knows of no cache there is none. */
	if (!err && request->kind == REQUEST_WRITE && request->promise)
		err = fdatasync(blk->fd);
	return err;
}

/*
 * The guest was told that it is done. Until it is, nothing leaves that relies on it; and the
 * guest isn't told more of this kind. What couldn't be written is tried again. What
 * couldn't be flushed may be lost though it was written before, and a second flush wouldn't
 * say so: that promise is never kept.
 */
static void insist(struct blk *blk, struct request *request)
{
	if (!do_told(blk, request))
		return;
	complain(blk, request);
	__atomic_fetch_add(&blk->failing, 1, __ATOMIC_RELAXED);
	if (request->kind == REQUEST_FLUSH) {
		say("%s: what it is told from now on doesn't leave", blk->name);
		outbox_unpermit(request);
		for (;;)
			pause();
	}
	do {
		outbox_unpermit(request);
		sleep_us(RETRY_US);
	} while (do_told(blk, request));
	say("%s: it is written now", blk->name);
	__atomic_fetch_sub(&blk->failing, 1, __ATOMIC_RELAXED);
}

static void emit(void *device, struct request *request)
{
	struct blk *blk = device;

	request->status = VIRTIO_BLK_S_OK;
	if (request->told) {
		insist(blk, request);
	} else if (do_request(blk, request)) {
		complain(blk, request);
		request->status = VIRTIO_BLK_S_IOERR;
	}
}

/* What was read, and what came of it, to where the guest wants it. */
static void answer(struct request *request)
{
	request->written = 1;
	if (request->kind == REQUEST_READ && request->status == VIRTIO_BLK_S_OK)
		request->written += segments_write(request->segments, request->segment_count, 0,
						   request->data, request->len);
	memory_write(request->status_gpa, &request->status, sizeof(request->status));
}

static void complete(void *device, struct request *const *requests, unsigned int count)
{
	struct blk *blk = device;
	unsigned int i;

	pthread_mutex_lock(&blk->virtio->lock);
	for (i = 0; i < count; i++) {
		if (requests[i]->stale || !virtio_is_live(blk->virtio))
			continue;
		answer(requests[i]);
		virtio_return(blk->virtio, requests[i]);
	}
	virtio_settle(blk->virtio, 0);
	pthread_mutex_unlock(&blk->virtio->lock);
}

/* The second has come later. A flush waits for all that it is to flush. */
static bool conflict(const struct request *first, const struct request *second)
{
	if (second->kind == REQUEST_FLUSH)
		return first->kind != REQUEST_READ;
	if (first->kind == REQUEST_FLUSH ||
	    (first->kind == REQUEST_READ && second->kind == REQUEST_READ))
		return false;
	return first->at < second->at + second->len && second->at < first->at + first->len;
}

static const struct outbox_ops outbox_ops = {
	.conflict = conflict, .emit = emit, .complete = complete,
};

/* --- What the guest asks for; with the lock --- */

/**
 * struct asked - a chain, being understood
 * @chain: The chain.
 * @type: VIRTIO_BLK_T_*.
 * @at: Where on the disk, in bytes.
 * @len: How much.
 * @data_len: Bytes that come with it.
 * @status_gpa: Where the answer goes.
 */
struct asked {
	const struct chain *chain;
	u32 type;
	u64 at, len, data_len;
	u64 status_gpa;
};

/* Its head and its place for a status, without which there is no request. */
static bool understand(struct queue *queue, struct asked *asked)
{
	const struct chain *chain = asked->chain;
	const struct segment *last = &chain->segments[chain->out + chain->in - 1];
	struct virtio_blk_outhdr head;

	if (chain_read(chain, 0, &head, sizeof(head)) != sizeof(head) || !chain->in) {
		queue->broken = "a request has no head, or no place for its status";
		return false;
	}
	asked->type = le32toh(head.type);
	asked->at = le64toh(head.sector);
	asked->data_len = chain->out_len - sizeof(head);
	asked->status_gpa = last->gpa + last->len - 1;
	return true;
}

/* From sectors to bytes; is it on the disk? */
static bool set_range(const struct blk *blk, struct asked *asked, u64 sector, u64 len)
{
	if (len % SECTOR || sector > blk->size / SECTOR || len > blk->size - sector * SECTOR)
		return false;
	asked->at = sector * SECTOR;
	asked->len = len;
	return true;
}

static u8 take_range(const struct blk *blk, struct asked *asked)
{
	struct virtio_blk_discard_write_zeroes range;
	u32 sectors, flags;

	if (asked->data_len != sizeof(range) ||
	    chain_read(asked->chain, sizeof(struct virtio_blk_outhdr), &range, sizeof(range)) !=
	    sizeof(range))
		return VIRTIO_BLK_S_IOERR;
	sectors = le32toh(range.num_sectors);
	flags = le32toh(range.flags);
	asked->data_len = 0;
	if (flags & ~VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP ||
	    (flags && asked->type == VIRTIO_BLK_T_DISCARD))
		return VIRTIO_BLK_S_UNSUPP;
	if (sectors > RANGE_SECTORS_MAX ||
	    !set_range(blk, asked, le64toh(range.sector), (u64)sectors * SECTOR))
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

/* The kind of the request that it becomes, 0 if its answer is *status already. */
static u8 judge_asked(struct blk *blk, struct asked *asked, u8 *status)
{
	bool writes = asked->type != VIRTIO_BLK_T_IN && asked->type != VIRTIO_BLK_T_FLUSH;

	*status = VIRTIO_BLK_S_IOERR;
	if (writes && blk->options->read_only)
		return 0;
	switch (asked->type) {
	case VIRTIO_BLK_T_IN:
		asked->data_len = 0;
		if (asked->chain->in_len - 1 > REQUEST_DATA_MAX)
			return 0;
		return set_range(blk, asked, asked->at, asked->chain->in_len - 1) ?
		       REQUEST_READ : 0;
	case VIRTIO_BLK_T_OUT:
		if (asked->data_len > REQUEST_DATA_MAX)
			return 0;
		return set_range(blk, asked, asked->at, asked->data_len) ? REQUEST_WRITE : 0;
	case VIRTIO_BLK_T_FLUSH:
		*status = VIRTIO_BLK_S_OK;
		if (blk->options->read_only)
			return 0;
		asked->at = 0;
		asked->data_len = 0;
		return REQUEST_FLUSH;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		*status = take_range(blk, asked);
		if (*status != VIRTIO_BLK_S_OK)
			return 0;
		return asked->type == VIRTIO_BLK_T_DISCARD ? REQUEST_DISCARD : REQUEST_ZERO;
	default:
		*status = VIRTIO_BLK_S_UNSUPP;
		return 0;
	}
}

/* What needs no disk. */
static void answer_now(struct blk *blk, const struct asked *asked, u8 status)
{
	char id[VIRTIO_BLK_ID_BYTES] = { 0 };
	u32 written = 1;

	if (asked->type == VIRTIO_BLK_T_GET_ID) {
		memcpy(id, blk->name, strlen(blk->name));
		written += chain_write(asked->chain, 0, id,
				       asked->chain->in_len - 1 < sizeof(id) ?
				       asked->chain->in_len - 1 : sizeof(id));
		status = VIRTIO_BLK_S_OK;
	}
	memory_write(asked->status_gpa, &status, sizeof(status));
	queue_push(&blk->virtio->queues[0], asked->chain->head, written);
}

static struct request *make_request(struct blk *blk, const struct asked *asked, u8 kind)
{
	const struct chain *chain = asked->chain;
	struct request *request = request_make(kind, asked->data_len);
	struct segment segments[CHAIN_MAX];
	u32 count = chain->in;

	if (!request)
		die("no memory");
	request->head = chain->head;
	request->at = asked->at;
	request->len = asked->len;
	request->status_gpa = asked->status_gpa;
	request->gated = kind != REQUEST_READ && vmm.options.outputs & OUTPUT_BLK;
	if (kind == REQUEST_READ) {
		memcpy(segments, chain->segments + chain->out, count * sizeof(*segments));
		/* The last byte is the status's. */
		if (!--segments[count - 1].len)
			count--;
		if (!request_take_segments(request, segments, count))
			die("no memory");
	}
	if (kind == REQUEST_WRITE &&
	    chain_read(chain, sizeof(struct virtio_blk_outhdr), request->data, asked->data_len) !=
	    asked->data_len)
		blk->virtio->queues[0].broken = "a request isn't what it was";
	return request;
}

/* A disk without a cache, as far as the guest knows, has what it was told is written. */
static bool is_promise(const struct blk *blk, const struct request *request)
{
	return request->kind == REQUEST_FLUSH ||
	       !virtio_has(blk->virtio, VIRTIO_BLK_F_FLUSH);
}

/*
 * A guest that is protected needn't wait for the disk, nor for a checkpoint: what it wrote is
 * in the outbox, so the standby will have it, and nobody else sees anything that relies on
 * it before it is written.
 */
static bool may_tell(const struct blk *blk, const struct request *request,
		     const struct outbox_counts *counts)
{
	return (request->kind == REQUEST_WRITE || request->kind == REQUEST_FLUSH) &&
	       request->gated && vmm.options.behind_ms && ft_behind() &&
	       !__atomic_load_n(&blk->failing, __ATOMIC_RELAXED) &&
	       !((request->at | request->data_len) % blk->block) &&
	       counts->told_bytes + request->data_len <= BEHIND_MAX;
}

/* Room for what the guest waits for comes first. */
static bool may_wait(const struct request *request, const struct outbox_counts *counts)
{
	return counts->told_bytes + request->data_len <= BEHIND_LAZY &&
	       counts->waiting < OUTBOX_COUNT_MAX / 4;
}

static void tell_early(struct blk *blk, struct request *request,
		       const struct outbox_counts *counts)
{
	u8 status = VIRTIO_BLK_S_OK;

	request->told = true;
	if (is_promise(blk, request))
		request->promise = promise_make();
	if (may_wait(request, counts))
		request->owner = OWNER_NEXT;
	memory_write(request->status_gpa, &status, sizeof(status));
	queue_push(&blk->virtio->queues[0], request->head, sizeof(status));
}

/* Whether there is room for one more; the output that it is, if any, is noted. */
static bool take(struct blk *blk, const struct chain *chain, u32 owner, bool *output)
{
	struct queue *queue = &blk->virtio->queues[0];
	struct asked asked = { .chain = chain };
	struct outbox_counts counts;
	struct request *request;
	u8 kind, status;

	if (!understand(queue, &asked))
		return false;
	kind = judge_asked(blk, &asked, &status);
	if (!kind) {
		answer_now(blk, &asked, status);
		return true;
	}
	if (!outbox_has_room(blk->virtio->outbox, asked.data_len)) {
		/* It waits for those that are in no hurry. */
		*output |= outbox_adopt(blk->virtio->outbox, owner);
		queue_unpop(queue, 1);
		return false;
	}
	request = make_request(blk, &asked, kind);
	request->owner = owner;
	counts = outbox_counts(blk->virtio->outbox);
	if (may_tell(blk, request, &counts))
		tell_early(blk, request, &counts);
	*output |= request->gated && request->owner != OWNER_NEXT;
	outbox_add(blk->virtio->outbox, request);
	return true;
}

static bool gather(struct virtio *virtio, u32 owner)
{
	struct queue *queue = &virtio->queues[0];
	bool output = false;
	struct chain chain;

	do {
		while (queue_pop(queue, &chain)) {
			if (!take(virtio->device, &chain, owner, &output))
				goto out;
		}
	} while (queue_listen(queue, 0));
out:
	virtio_settle(virtio, 0);
	return output;
}

/* --- Begin, and another host --- */

static bool judge(void *device, const struct request *request)
{
	const struct blk *blk = device;
	u64 segments = 0;
	u32 i;

	if (request->kind < REQUEST_READ || request->kind > REQUEST_ZERO ||
	    request->queue || request->head >= QUEUE_SIZE_MAX ||
	    request->at > blk->size || request->len > blk->size - request->at ||
	    !memory_at(request->status_gpa, 1))
		return false;
	if (request->told && request->kind != REQUEST_WRITE && request->kind != REQUEST_FLUSH)
		return false;
	for (i = 0; i < request->segment_count; i++)
		segments += request->segments[i].len;
	if (request->kind == REQUEST_READ)
		return request->len <= REQUEST_DATA_MAX && request->len == segments &&
		       !request->data_len && !request->gated;
	return request->data_len == (request->kind == REQUEST_WRITE ? request->len : 0) &&
	       !blk->options->read_only;
}

static void save(struct virtio *virtio, struct blob *blob)
{
	const struct blk *blk = virtio->device;

	blob_put_u64(blob, blk->size);
}

/* The disk is ours from here on. */
static bool load(struct virtio *virtio, struct blob *blob)
{
	struct blk *blk = virtio->device;
	int fd;

	if (blob_get_u64(blob) != blk->size) {
		say("%s: the disk had another size", blk->name);
		return false;
	}
	fd = open_disk(blk, !blk->options->read_only);
	if (fd < 0) {
		say("%s: %s: %s", blk->name, blk->options->path, strerror(errno));
		return false;
	}
	close(blk->fd);
	blk->fd = fd;
	return true;
}

static void tell(struct virtio *virtio, FILE *to)
{
	const struct blk *blk = virtio->device;

	fprintf(to, "\"bytes\": %llu, \"direct\": %s, ", (unsigned long long)blk->size,
		blk->direct ? "true" : "false");
}

static const struct virtio_ops ops = {
	.id = VIRTIO_ID_BLOCK,
	.queues = 1,
	.gather = gather,
	.save = save,
	.load = load,
	.judge = judge,
	.tell = tell,
};

static void make_config(struct blk *blk)
{
	blk->block = block_size_of(blk);
	blk->config.capacity = htole64(blk->size / SECTOR);
	blk->config.size_max = htole32(SEGMENT_LEN_MAX);
	blk->config.seg_max = htole32(SEGMENTS_MAX);
	blk->config.blk_size = htole32(blk->block);
	blk->config.max_discard_sectors = htole32(RANGE_SECTORS_MAX);
	blk->config.max_discard_seg = htole32(1);
	blk->config.discard_sector_alignment = htole32(blk->block / SECTOR);
	blk->config.max_write_zeroes_sectors = htole32(RANGE_SECTORS_MAX);
	blk->config.max_write_zeroes_seg = htole32(1);
	blk->config.write_zeroes_may_unmap = 1;
}

void blk_make(const struct disk_options *options, unsigned int number)
{
	u64 features = 1ULL << VIRTIO_BLK_F_SIZE_MAX | 1ULL << VIRTIO_BLK_F_SEG_MAX |
		       1ULL << VIRTIO_BLK_F_BLK_SIZE | 1ULL << VIRTIO_BLK_F_FLUSH;
	struct blk *blk = make(sizeof(*blk));

	blk->options = options;
	snprintf(blk->name, sizeof(blk->name), "disk%u", number);
	blk->fd = open_disk(blk, !options->read_only && !vmm.options.standby);
	if (blk->fd < 0)
		die("%s", options->path);
	if (!blk->direct && !options->cached)
		say("%s: %s goes through the page cache, at once", blk->name, options->path);
	blk->size = size_of(blk->fd, options->path);
	make_config(blk);
	if (options->read_only)
		features |= 1ULL << VIRTIO_BLK_F_RO;
	else
		features |= 1ULL << VIRTIO_BLK_F_DISCARD | 1ULL << VIRTIO_BLK_F_WRITE_ZEROES;
	blk->virtio = virtio_make(&ops, blk, blk->name, features, &blk->config,
				  sizeof(blk->config));
	blk->virtio->outbox = outbox_make(&outbox_ops, blk, THREADS, OUTBOX_LIMIT);
}
