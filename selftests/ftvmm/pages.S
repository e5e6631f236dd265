/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pages: a guest that writes a word in each of so many pages, then a line to the serial
 * port, and so on. How many is the number that its command line begins with. Each other
 * processor that there is counts all the time, in a register.
 */
#include "layout.h"

/* Between two lines, so that what was sent of one isn't part of the next. */
#define SPIN		20000
#define PAGE_SHIFT	12

/* In the page that Linux is told things by. */
#define CMD_LINE_PTR	0x228

/* A page below 1 MiB where other processors begin. */
#define TRAMPOLINE	0x8000
#define SPURIOUS	0xf0
#define COMMAND		0x300
#define LAPIC_ENABLE	0x1ff
#define ALL_OTHERS	0xc0000
#define INIT		0x4500
#define STARTUP		0x4600

#define SERIAL_DATA	0x3f8
#define SERIAL_STATUS	0x3fd
#define STATUS_EMPTY	0x40

#include "bzimage.inc"
	movl	CMD_LINE_PTR(%rsi), %esi
	xorl	%ebx, %ebx
1:	lodsb
	subb	$'0', %al
	cmpb	$9, %al
	ja	2f
	movzbl	%al, %eax
	imull	$10, %ebx
	addl	%eax, %ebx
	jmp	1b

	/* ebx is the number of pages. */
2:	leaq	others(%rip), %rsi
	movl	$TRAMPOLINE, %edi
	movl	$(others_end - others), %ecx
	rep movsb
	movl	$LAPIC, %edi
	movl	$LAPIC_ENABLE, SPURIOUS(%rdi)
	movl	$(ALL_OTHERS | INIT), COMMAND(%rdi)
	movl	$SPIN, %ecx
1:	pause
	loop	1b
	movl	$(ALL_OTHERS | STARTUP | TRAMPOLINE >> PAGE_SHIFT), COMMAND(%rdi)

line:
	movl	%ebx, %ecx
	movl	$BIG, %edi
	testl	%ecx, %ecx
	jz	2f
1:	incl	(%rdi)
	addl	$(1 << PAGE_SHIFT), %edi
	loop	1b
2:	movl	$SERIAL_DATA, %edx
	movb	$'\n', %al
	outb	%al, %dx
	movl	$SPIN, %ecx
1:	pause
	loop	1b
	movl	$SERIAL_STATUS, %edx
1:	inb	%dx, %al
	testb	$STATUS_EMPTY, %al
	jz	1b
	jmp	line

/* In real mode. */
	.code16
others:
	incl	%eax
	jmp	others
others_end:
image_end:
