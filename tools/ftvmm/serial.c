// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "serial.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/serial_reg.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "bus.h"
#include "ft.h"
#include "irq.h"
#include "outbox.h"
#include "vcpu.h"

#define RECEIVE_MAX 64
#define SEND_MAX 4096
/* What is written without an end of line waits for more so long, or until it is so much. */
#define FLUSH_US 5000
#define FLUSH_LEN 256
#define OUTBOX_LIMIT (64 * 1024)

/**
 * struct registers - what the guest sees, and what is saved
 * @divisor: Of the baud rate, which nobody needs.
 * @transmit_empty: The guest hasn't been told that it may go on writing.
 */
struct registers {
	u8 ier, lcr, mcr, scr, fcr;
	u16 divisor;
	bool transmit_empty;
};

struct serial {
	pthread_mutex_t lock;
	pthread_cond_t written;
	struct registers registers;
	u8 receive[RECEIVE_MAX], send[SEND_MAX];
	u32 receive_count, send_count;
	bool line, gated, is_terminal;
	int in, out;
	struct termios before;
	struct outbox *outbox;
};

/* --- Registers; with the lock --- */

static bool receive_waits(const struct serial *serial)
{
	return serial->registers.ier & UART_IER_RDI && serial->receive_count;
}

static bool transmit_waits(const struct serial *serial)
{
	return serial->registers.ier & UART_IER_THRI && serial->registers.transmit_empty;
}

/* Edges are what counts at the other end. */
static void update_line(struct serial *serial)
{
	bool line = receive_waits(serial) || transmit_waits(serial);

	if (line != serial->line)
		irq_set(SERIAL_GSI, line);
	serial->line = line;
}

static bool has_room(const struct serial *serial)
{
	return serial->send_count < SEND_MAX;
}

static u8 line_status(const struct serial *serial)
{
	return (has_room(serial) ? UART_LSR_THRE | UART_LSR_TEMT : 0) |
	       (serial->receive_count ? UART_LSR_DR : 0);
}

static u8 interrupt_id(struct serial *serial)
{
	u8 id = serial->registers.fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0;

	if (receive_waits(serial))
		return id | UART_IIR_RDI;
	if (!transmit_waits(serial))
		return id | UART_IIR_NO_INT;
	serial->registers.transmit_empty = false;
	update_line(serial);
	return id | UART_IIR_THRI;
}

static u8 receive(struct serial *serial)
{
	u8 byte = serial->receive[0];

	if (!serial->receive_count)
		return 0;
	memmove(serial->receive, serial->receive + 1, --serial->receive_count);
	update_line(serial);
	return byte;
}

static u8 modem_status(const struct serial *serial)
{
	u8 mcr = serial->registers.mcr;

	if (!(mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	return (mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) | (mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
	       (mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) | (mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
}

static u8 read_register(struct serial *serial, u32 at)
{
	bool divisor = serial->registers.lcr & UART_LCR_DLAB;

	switch (at) {
	case UART_RX:
		return divisor ? serial->registers.divisor : receive(serial);
	case UART_IER:
		return divisor ? serial->registers.divisor >> 8 : serial->registers.ier;
	case UART_IIR:
		return interrupt_id(serial);
	case UART_LCR:
		return serial->registers.lcr;
	case UART_MCR:
		return serial->registers.mcr;
	case UART_LSR:
		return line_status(serial);
	case UART_MSR:
		return modem_status(serial);
	default:
		return serial->registers.scr;
	}
}

/* --- What the guest writes; with the lock --- */

/* Into the outbox, if there is room. */
static void flush(struct serial *serial, u32 owner)
{
	struct request *request;

	if (!serial->send_count || !outbox_has_room(serial->outbox, serial->send_count))
		return;
	request = request_make(REQUEST_TEXT, serial->send_count);
	if (!request)
		return;
	memcpy(request->data, serial->send, serial->send_count);
	request->gated = serial->gated;
	request->owner = owner;
	serial->send_count = 0;
	outbox_add(serial->outbox, request);
}

/* A byte; returns whether there is output now. */
static bool transmit(struct serial *serial, u8 byte, u32 owner)
{
	u32 before = serial->send_count;

	if (serial->registers.mcr & UART_MCR_LOOP) {
		if (serial->receive_count < RECEIVE_MAX)
			serial->receive[serial->receive_count++] = byte;
	} else if (has_room(serial)) {
		serial->send[serial->send_count++] = byte;
		if (byte == '\n' || serial->send_count >= FLUSH_LEN)
			flush(serial, owner);
		else if (!before)
			pthread_cond_signal(&serial->written);
	}
	/* Busy, and at once not any more: that makes an edge. */
	serial->registers.transmit_empty = false;
	update_line(serial);
	serial->registers.transmit_empty = true;
	update_line(serial);
	return serial->gated && serial->send_count <= before;
}

static bool write_register(struct serial *serial, u32 at, u8 value, u32 owner)
{
	struct registers *registers = &serial->registers;
	bool divisor = registers->lcr & UART_LCR_DLAB;

	switch (at) {
	case UART_TX:
		if (!divisor)
			return transmit(serial, value, owner);
		registers->divisor = (registers->divisor & 0xff00) | value;
		break;
	case UART_IER:
		if (divisor) {
			registers->divisor = (registers->divisor & 0xff) | value << 8;
			break;
		}
		if (value & ~registers->ier & UART_IER_THRI)
			registers->transmit_empty = true;
		registers->ier = value & 0xf;
		break;
	case UART_FCR:
		registers->fcr = value;
		if (value & UART_FCR_CLEAR_RCVR)
			serial->receive_count = 0;
		break;
	case UART_LCR:
		registers->lcr = value;
		break;
	case UART_MCR:
		registers->mcr = value & 0x1f;
		break;
	case UART_SCR:
		registers->scr = value;
		break;
	}
	update_line(serial);
	return false;
}

static void answer(void *target, const struct access *access)
{
	struct serial *serial = target;
	u32 i;

	pthread_mutex_lock(&serial->lock);
	for (i = 0; i < access->len; i++) {
		if (!access->write)
			access->data[i] = read_register(serial, access->at + i);
		else if (write_register(serial, access->at + i, access->data[i],
					access->vcpu->id))
			access->vcpu->output = true;
	}
	pthread_mutex_unlock(&serial->lock);
}

bool serial_gather(u32 owner)
{
	struct serial *serial = vmm.serial;
	bool output;

	pthread_mutex_lock(&serial->lock);
	output = serial->gated && serial->send_count;
	flush(serial, owner);
	pthread_mutex_unlock(&serial->lock);
	return output;
}

/* --- Threads --- */

static void emit(void *device, struct request *request)
{
	struct serial *serial = device;
	u32 done = 0;
	ssize_t n;

	while (done < request->data_len && serial->out >= 0) {
		outbox_permit(request);
		n = write(serial->out, request->data + done, request->data_len - done);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (n < 0)
			sleep_us(FLUSH_US);
		else
			done += n;
	}
}

static void complete(void *device, struct request *const *requests, unsigned int count)
{
	(void)device;
	(void)requests;
	(void)count;
}

static const struct outbox_ops ops = { .emit = emit, .complete = complete };

/* What stays without an end of line. */
static void *flush_late(void *arg)
{
	struct serial *serial = arg;

	for (;;) {
		pthread_mutex_lock(&serial->lock);
		while (!serial->send_count)
			pthread_cond_wait(&serial->written, &serial->lock);
		pthread_mutex_unlock(&serial->lock);
		sleep_us(FLUSH_US);
		if (serial->gated) {
			vcpu_want_gather();
			continue;
		}
		ft_enter();
		serial_gather(0);
		ft_leave();
	}
	return NULL;
}

static void take_input(struct serial *serial, const u8 *bytes, u32 count)
{
	u32 done = 0, room, n;

	while (done < count) {
		ft_enter();
		pthread_mutex_lock(&serial->lock);
		room = RECEIVE_MAX - serial->receive_count;
		n = count - done < room ? count - done : room;
		memcpy(serial->receive + serial->receive_count, bytes + done, n);
		serial->receive_count += n;
		update_line(serial);
		pthread_mutex_unlock(&serial->lock);
		ft_leave();
		done += n;
		if (!n)
			sleep_us(FLUSH_US);
	}
}

static void *read_input(void *arg)
{
	struct serial *serial = arg;
	struct pollfd fd = { .fd = serial->in, .events = POLLIN };
	u8 bytes[RECEIVE_MAX];
	ssize_t n;

	for (;;) {
		poll(&fd, 1, -1);
		n = read(serial->in, bytes, sizeof(bytes));
		if (n > 0)
			take_input(serial, bytes, n);
		if (!n || (n < 0 && errno != EINTR && errno != EAGAIN && errno != EIO))
			return NULL;
		/* A pty that nobody has open. */
		if (n < 0)
			sleep_us(100 * FLUSH_US);
	}
}

/* --- Begin, end, and another host --- */

static void open_terminal(struct serial *serial)
{
	struct termios raw;

	serial->in = STDIN_FILENO;
	serial->out = STDOUT_FILENO;
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &serial->before))
		return;
	serial->is_terminal = true;
	raw = serial->before;
	raw.c_lflag &= ~(ICANON | ECHO);
	raw.c_iflag &= ~ICRNL;
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
}

static void open_pty(struct serial *serial)
{
	struct termios raw;
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || grantpt(fd) || unlockpt(fd) || tcgetattr(fd, &raw))
		die("a pty for the console");
	cfmakeraw(&raw);
	tcsetattr(fd, TCSANOW, &raw);
	say("the console is %s", ptsname(fd));
	serial->in = fd;
	serial->out = fd;
}

static void open_console(struct serial *serial, const char *console)
{
	serial->in = -1;
	serial->out = -1;
	if (!strcmp(console, "stdio")) {
		open_terminal(serial);
	} else if (!strcmp(console, "pty")) {
		open_pty(serial);
	} else if (!strncmp(console, "file:", 5)) {
		serial->out = open(console + 5, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (serial->out < 0)
			die("%s", console + 5);
	}
}

void serial_make(const char *console)
{
	struct serial *serial = make(sizeof(*serial));

	pthread_mutex_init(&serial->lock, NULL);
	pthread_cond_init(&serial->written, NULL);
	serial->registers.transmit_empty = true;
	serial->gated = vmm.options.outputs & OUTPUT_CONSOLE;
	open_console(serial, console);
	serial->outbox = outbox_make(&ops, serial, 1, OUTBOX_LIMIT);
	bus_add(BUS_PORT, SERIAL_PORTS, SERIAL_PORT_COUNT, answer, serial);
	vmm.serial = serial;
}

void serial_start(void)
{
	struct serial *serial = vmm.serial;

	outbox_start(serial->outbox);
	start_thread(flush_late, serial);
	if (serial->in >= 0)
		start_thread(read_input, serial);
}

void serial_end(void)
{
	if (vmm.serial && vmm.serial->is_terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &vmm.serial->before);
}

struct outbox *serial_outbox(void)
{
	return vmm.serial->outbox;
}

u64 serial_room(void)
{
	return 64 + RECEIVE_MAX + SEND_MAX + outbox_room(vmm.serial->outbox);
}

void serial_save(struct blob *blob)
{
	struct serial *serial = vmm.serial;
	const struct registers *registers = &serial->registers;

	pthread_mutex_lock(&serial->lock);
	blob_put_u8(blob, registers->ier);
	blob_put_u8(blob, registers->lcr);
	blob_put_u8(blob, registers->mcr);
	blob_put_u8(blob, registers->scr);
	blob_put_u8(blob, registers->fcr);
	blob_put_u16(blob, registers->divisor);
	blob_put_u8(blob, registers->transmit_empty);
	blob_put_u32(blob, serial->receive_count);
	blob_put(blob, serial->receive, serial->receive_count);
	blob_put_u32(blob, serial->send_count);
	blob_put(blob, serial->send, serial->send_count);
	outbox_save(serial->outbox, blob);
	pthread_mutex_unlock(&serial->lock);
}

static bool judge(void *device, const struct request *request)
{
	(void)device;
	return request->kind == REQUEST_TEXT;
}

bool serial_load(struct blob *blob)
{
	struct serial *serial = vmm.serial;
	struct registers *registers = &serial->registers;
	bool good;

	pthread_mutex_lock(&serial->lock);
	registers->ier = blob_get_u8(blob) & 0xf;
	registers->lcr = blob_get_u8(blob);
	registers->mcr = blob_get_u8(blob) & 0x1f;
	registers->scr = blob_get_u8(blob);
	registers->fcr = blob_get_u8(blob);
	registers->divisor = blob_get_u16(blob);
	registers->transmit_empty = blob_get_u8(blob);
	serial->receive_count = blob_get_limited(blob, RECEIVE_MAX);
	blob_get(blob, serial->receive, serial->receive_count);
	serial->send_count = blob_get_limited(blob, SEND_MAX);
	blob_get(blob, serial->send, serial->send_count);
	good = outbox_load(serial->outbox, blob, judge);
	pthread_mutex_unlock(&serial->lock);
	return good;
}

void serial_promoted(void)
{
	struct serial *serial = vmm.serial;

	pthread_mutex_lock(&serial->lock);
	serial->line = false;
	irq_set(SERIAL_GSI, false);
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
}
