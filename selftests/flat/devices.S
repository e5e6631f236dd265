/* SPDX-License-Identifier: GPL-2.0 */
/*
 * devices: everything that interrupts or tells the time must go on. Each vcpu has the
 * timer of its APIC, and sends the next vcpu an IPI with each tick; vcpu 0 has the
 * PIT, by IOAPIC and PIC. Each says "number of the output << 8 | errors" at every tenth
 * tick:
 *
 *	0x01	the TSC has run backwards
 *	0x02	kvmclock has run backwards
 *	0x04	kvmclock stands still
 *	0x08	the PIT is silent at the IOAPIC
 *	0x10	the PIT is silent at the PIC
 *	0x20	no IPI comes
 *
 * Silent is what was for SILENCE outputs: the other vcpus may be slow to start.
 *
 *	edi	vcpu's number	ebx	outputs		r11d	tick of the last IPI
 *	rsi	its clock	r8	the last TSC	r9	the last time of kvmclock
 *	r13d	errors		r12d	tick of the next output
 *	r10	the time of kvmclock at the last output
 */
#include "code.inc"
#include "apic.inc"

#define TICKS_EACH	10
#define SILENCE		30

#define PIT_VECTOR	0x40
#define IPI_VECTOR	0x42
#define PIC_VECTOR	0x20

/* In the scratch page: how many came, of each the last seen, and when it was new. */
#define PIT_TICKS	0x10
#define PIC_TICKS	0x20
#define IPIS		0x30
#define SEEN		4
#define SEEN_AT		8
/* Of vcpu 0: the IDT is there. */
#define READY		(SCRATCH + 0x100)

#define MSR_KVMCLOCK	0x4b564d01
#define CLOCK_TSC	8
#define CLOCK_TIME	16
#define CLOCK_MUL	24
#define CLOCK_SHIFT	28

#define PIT_MODE	0x34
#define PIT_COUNT	11932

	.macro	out8 port, value
	movb	$\value, %al
	outb	%al, $\port
	.endm

	.macro	redirect pin
	movl	$0x11 + 2 * \pin, (%rdx)
	movl	$0, 0x10(%rdx)
	movl	$0x10 + 2 * \pin, (%rdx)
	movl	$PIT_VECTOR, 0x10(%rdx)
	.endm

/* Sets the error unless the counter at that offset has changed in time. */
	.macro	alive offset, error
	movl	\offset(%r14), %eax
	cmpl	\offset + SEEN(%r14), %eax
	je	.Lsame\@
	movl	%eax, \offset + SEEN(%r14)
	movl	%ebx, \offset + SEEN_AT(%r14)
.Lsame\@:
	movl	%ebx, %eax
	subl	\offset + SEEN_AT(%r14), %eax
	cmpl	$SILENCE, %eax
	jb	.Lalive\@
	orl	$\error, %r13d
.Lalive\@:
	.endm

	begin	devices
	.code64
	find_apic
	testl	%edi, %edi
	jz	first
1:	pause
	cmpl	$0, READY
	je	1b
	jmp	all

first:
	gate	TICK_VECTOR, tick
	gate	SPURIOUS_VECTOR, spurious
	gate	PIT_VECTOR, pit_tick
	gate	IPI_VECTOR, ipi
	gate	PIC_VECTOR, pic_tick
	gate	PIC_VECTOR + 7, spurious
	/* Both PICs, of which only line 0 is heard. */
	out8	0x20, 0x11
	out8	0x21, PIC_VECTOR
	out8	0x21, 4
	out8	0x21, 1
	out8	0xa0, 0x11
	out8	0xa1, PIC_VECTOR + 8
	out8	0xa1, 2
	out8	0xa1, 1
	out8	0x21, 0xfe
	out8	0xa1, 0xff
	/* Where the PIT's line goes to at the IOAPIC is the VMM's choice. */
	movl	$IOAPIC, %edx
	redirect 0
	redirect 2
	out8	0x43, PIT_MODE
	out8	0x40, PIT_COUNT & 0xff
	out8	0x40, PIT_COUNT >> 8
	movl	$1, READY

all:
	movl	%edi, %esi
	shll	$6, %esi
	addl	$CLOCKS, %esi
	movl	$MSR_KVMCLOCK, %ecx
	leal	1(%rsi), %eax
	xorl	%edx, %edx
	wrmsr
	start_apic
	/* Not before: an APIC that isn't enabled keeps it masked. */
	movl	$APIC_MASKED, %eax
	testl	%edi, %edi
	jnz	1f
	movl	$APIC_EXTINT, %eax
1:	movl	%eax, APIC_LINT0(%r15)
	xorl	%ebx, %ebx
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	xorl	%r10d, %r10d
	xorl	%r11d, %r11d
	xorl	%r13d, %r13d
	movl	$TICKS_EACH, %r12d

sleep:
	sti
	hlt
	cli
	lfence
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	cmpq	%r8, %rax
	jae	1f
	orl	$0x01, %r13d
1:	movq	%rax, %r8

	/* The time: tsc to ns by shift and factor, while the version is even and stays. */
2:	movl	(%rsi), %ebp
	testl	$1, %ebp
	jnz	2b
	lfence
	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	subq	CLOCK_TSC(%rsi), %rax
	movsbl	CLOCK_SHIFT(%rsi), %ecx
	testl	%ecx, %ecx
	js	3f
	shlq	%cl, %rax
	jmp	4f
3:	negl	%ecx
	shrq	%cl, %rax
4:	movl	CLOCK_MUL(%rsi), %edx
	mulq	%rdx
	shrdq	$32, %rdx, %rax
	addq	CLOCK_TIME(%rsi), %rax
	lfence
	cmpl	(%rsi), %ebp
	jne	2b
	cmpq	%r9, %rax
	jae	1f
	orl	$0x02, %r13d
1:	movq	%rax, %r9

	/* An IPI with each new tick, or all would wake each other for ever. */
	movl	TICKS(%r14), %eax
	cmpl	%r11d, %eax
	je	sleep
	movl	%eax, %r11d
	leal	1(%rdi), %eax
	cmpl	PARAM_VCPUS, %eax
	jb	1f
	xorl	%eax, %eax
1:	shll	$24, %eax
	movl	%eax, APIC_ICR_HIGH(%r15)
	movl	$IPI_VECTOR, APIC_ICR(%r15)

	movl	TICKS(%r14), %eax
	subl	%r12d, %eax
	js	sleep
	addl	$TICKS_EACH, %r12d
	incl	%ebx
	cmpq	%r10, %r9
	jne	1f
	orl	$0x04, %r13d
1:	movq	%r9, %r10
	testl	%edi, %edi
	jnz	1f
	alive	PIT_TICKS, 0x08
	alive	PIC_TICKS, 0x10
1:	alive	IPIS, 0x20
	movl	%ebx, %eax
	shll	$8, %eax
	orl	%r13d, %eax
	outl	%eax, $PORT_OUT
	jmp	sleep

tick:
	count_interrupt TICKS
pit_tick:
	count_interrupt PIT_TICKS
ipi:
	count_interrupt IPIS
pic_tick:
	incl	PIC_TICKS(%r14)
	pushq	%rax
	out8	0x20, 0x20
	popq	%rax
	iretq
spurious:
	iretq
	finish	devices
