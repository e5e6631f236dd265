/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dma: looks at what the device thread writes, page after page, and says "number of
 * the output << 8 | errors" when it has seen all:
 *
 *	0x01	a page's generation has gone backwards
 *	0x02	a page isn't of the generation that it says
 *
 * Generations that it has seen are in its scratch page. A page that is being written
 * is passed over: see device.c.
 *
 *	ebx	outputs		r13d	errors
 *	esi	page		r8	its address
 *	r14	the scratch page
 */
#include "code.inc"

	begin	dma
	.code64
	movl	%edi, %r14d
	shll	$12, %r14d
	addl	$SCRATCH, %r14d
	xorl	%ebx, %ebx
	xorl	%r13d, %r13d

output:
	xorl	%esi, %esi
page:
	movl	%esi, %r8d
	shll	$12, %r8d
	addl	$DMA, %r8d
	movl	4092(%r8), %ecx
	testl	%ecx, %ecx
	jz	next

	/* The first word of the pattern, and then MIX_C more with each. */
	imull	$MIX_A, %ecx, %eax
	imull	$MIX_B, %esi, %edx
	addl	%edx, %eax
	xorl	%ebp, %ebp
	movl	$1, %edi
1:	addl	$MIX_C, %eax
	movl	%eax, %edx
	xorl	PARAM_SEED, %edx
	xorl	(%r8, %rdi, 4), %edx
	orl	%edx, %ebp
	incl	%edi
	cmpl	$1023, %edi
	jb	1b
	cmpl	%ecx, (%r8)
	jne	next

	testl	%ebp, %ebp
	jz	1f
	orl	$0x02, %r13d
1:	cmpl	%ecx, (%r14, %rsi, 4)
	jbe	1f
	orl	$0x01, %r13d
1:	movl	%ecx, (%r14, %rsi, 4)
next:
	incl	%esi
	cmpl	PARAM_PAGES, %esi
	jb	page

	spin
	incl	%ebx
	movl	%ebx, %eax
	shll	$8, %eax
	orl	%r13d, %eax
	outl	%eax, $PORT_OUT
	jmp	output
	finish	dma
