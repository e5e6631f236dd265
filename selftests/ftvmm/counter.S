/* SPDX-License-Identifier: GPL-2.0 */
/*
 * counter: the guest of that name (selftests/flat/counter.inc) as a bzImage, for ftvmm.
 * What it says are lines "SEQUENCE VCPU VALUE" at the serial port; seed and pages are those
 * that the judge (flat_judge.py) takes if it isn't told others.
 *
 * The file is one section: a boot sector, a sector of setup, and what is loaded.
 */
#define BITS 64
#define NAME counter
#define OUTPUT call say

#include "layout.h"

#define SEED		1
#define PAGES		8
/* Before a line and amid it: some 30 lines a second where hosts are emulated. */
#define SPIN		10000

/* Where the kernel is loaded: behind all that the counter uses. */
#define LOAD		LOW_LEAST
#define SECTOR		512
#define SETUP_SECTORS	1
#define VERSION		0x20c
#define XLF_KERNEL_64	1
#define LOADED_HIGH	1

#define CR4_OSFXSR	0x200

/* How many outputs there were. */
#define SEQUENCE	SCRATCH

#define SERIAL_DATA	0x3f8
#define SERIAL_STATUS	0x3fd
#define STATUS_ROOM	0x20

	.section .rodata
	.code64
image:
	/* What Documentation/x86/boot.rst calls the header; all else of it is 0. */
	.org	image + 0x1f1
	.byte	SETUP_SECTORS
	.org	image + 0x1fe
	.word	0xaa55
	.byte	0xeb, header_end - header
header:
	.ascii	"HdrS"
	.word	VERSION
	.org	image + 0x211
	.byte	LOADED_HIGH
	.org	image + 0x22c
	.long	0x7fffffff		/* initrd_addr_max */
	.long	0x200000		/* kernel_alignment */
	.org	image + 0x236
	.word	XLF_KERNEL_64
	.long	255			/* cmdline_size */
	.org	image + 0x258
	.quad	LOAD			/* pref_address */
	.long	image_end - loaded	/* init_size */
	.long	0			/* handover_offset */
header_end:

	.org	image + (1 + SETUP_SECTORS) * SECTOR
loaded:
	/* The entry of 64 bits, with an identity map. Nothing of ftvmm's is where CODE is. */
	.org	loaded + 0x200
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
