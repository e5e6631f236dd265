/* SPDX-License-Identifier: GPL-2.0 */
/*
 * writer: writes a word into each of PARAM_PAGES pages, in their order and around
 * again, and nothing else; then says "number of the output << 8 | errors". The word
 * is the number of the lap, so that each page must still have the one of the lap
 * before.
 *
 *	r8, r9		address and pages of the low part
 *	r10, r11	of the high part
 *	rsi, r12d	page, lap
 *	ebx, r13d	outputs, errors
 */
#include "code.inc"

	begin	writer
	.code64
	movl	%edi, %eax
	shll	$SLICE_SHIFT, %eax
	movq	PARAM_SLICES(%rax), %r8
	movq	PARAM_SLICES + 8(%rax), %r9
	movq	PARAM_SLICES + 16(%rax), %r10
	movq	PARAM_SLICES + 24(%rax), %r11
	xorl	%ebx, %ebx
	xorl	%r13d, %r13d
	xorl	%esi, %esi
	movl	$1, %r12d

output:
	movl	PARAM_PAGES, %ecx
	jecxz	3f
1:	movq	%rsi, %rdx
	cmpq	%r9, %rsi
	jae	2f
	shlq	$12, %rdx
	addq	%r8, %rdx
	jmp	4f
2:	subq	%r9, %rdx
	shlq	$12, %rdx
	addq	%r10, %rdx
4:	leal	-1(%r12), %eax
	cmpl	%eax, (%rdx)
	je	5f
	movl	$1, %r13d
5:	movl	%r12d, (%rdx)
	incq	%rsi
	leaq	(%r9, %r11), %rax
	cmpq	%rax, %rsi
	jb	6f
	xorl	%esi, %esi
	incl	%r12d
6:	decl	%ecx
	jnz	1b

3:	spin
	incl	%ebx
	movl	%ebx, %eax
	shll	$8, %eax
	orl	%r13d, %eax
	outl	%eax, $PORT_OUT
	jmp	output
	finish	writer
