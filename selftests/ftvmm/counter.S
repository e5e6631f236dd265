/* SPDX-License-Identifier: GPL-2.0 */
/*
 * counter: the guest of that name (selftests/flat/counter.inc) as a bzImage, for ftvmm.
 * What it says are lines "SEQUENCE VCPU VALUE" at the serial port; seed and pages are those
 * that the judge (flat_judge.py) takes if it isn't told others.
 */
#define BITS 64
#define NAME counter
#define OUTPUT call say

#include "layout.h"

#define SEED		1
#define PAGES		8
/* Before a line and amid it: some 30 lines a second where hosts are emulated. */
#define SPIN		10000

#define CR4_OSFXSR	0x200

/* How many outputs there were. */
#define SEQUENCE	SCRATCH

#define SERIAL_DATA	0x3f8
#define SERIAL_STATUS	0x3fd
#define STATUS_ROOM	0x20

#include "bzimage.inc"
	/* The entry of 64 bits, with an identity map. Nothing of ftvmm's is where CODE is. */
	movq	%cr4, %rax
	orl	$CR4_OSFXSR, %eax
	movq	%rax, %cr4
	movl	$SEED, PARAM_SEED
	movl	$PAGES, PARAM_PAGES
	movl	$SPIN, PARAM_SPIN
	leaq	start(%rip), %rsi
	movl	$CODE, %edi
	movl	$(image_end - start), %ecx
	rep movsb
	movl	$(STACKS + 0x1000), %esp
	xorl	%edi, %edi
	movl	$CODE, %eax
	jmp	*%rax

#include "counter.inc"

	.section .rodata
/* A line, with what is in eax. Amid it ftvmm waits no longer, and lets a part of it out. */
say:
	pushq	%rax
	incl	SEQUENCE
	movl	SEQUENCE, %eax
	movl	$10, %ecx
	call	put_number
	movb	$' ', %al
	call	put
	spin
	movl	%ebp, %eax
	call	put_number
	movb	$' ', %al
	call	put
	popq	%rax
	movl	$16, %ecx
	call	put_number
	movb	$'\n', %al

/* The byte in al, once there is room for it. Spoils ah and edx. */
put:
	movb	%al, %ah
	movl	$SERIAL_STATUS, %edx
1:	inb	%dx, %al
	testb	$STATUS_ROOM, %al
	jz	1b
	movb	%ah, %al
	movl	$SERIAL_DATA, %edx
	outb	%al, %dx
	ret

/* The number in eax, to the base that is in ecx. Spoils eax and edx. */
put_number:
	xorl	%edx, %edx
	divl	%ecx
	pushq	%rdx
	testl	%eax, %eax
	jz	1f
	call	put_number
1:	popq	%rax
	addb	$'0', %al
	cmpb	$'9', %al
	jbe	put
	addb	$'a' - '9' - 1, %al
	jmp	put
image_end:
