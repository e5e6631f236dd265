/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wanderer: writes the number of the next output into each of PARAM_PAGES pages below
 * LOW_MAX, the same ones STAY times; then into those behind them, and around again. So pages
 * are hot for a while, and never again for long. Says "number of the output << 8".
 *
 *	r8, r9		address and pages of what is its own
 *	rsi, r10	page, and the first one at present
 *	ebx		outputs
 */
#include "code.inc"

#define STAY 8

	begin	wanderer
	.code64
	movl	%edi, %eax
	shll	$SLICE_SHIFT, %eax
	movq	PARAM_SLICES(%rax), %r8
	movq	PARAM_SLICES + 8(%rax), %r9
	xorl	%ebx, %ebx
	xorl	%r10d, %r10d

output:
	incl	%ebx
	movl	PARAM_PAGES, %ecx
	movq	%r10, %rsi
1:	movq	%rsi, %rdx
	shlq	$12, %rdx
	movl	%ebx, (%r8, %rdx)
	incq	%rsi
	cmpq	%r9, %rsi
	jb	2f
	xorl	%esi, %esi
2:	decl	%ecx
	jnz	1b
	testl	$STAY - 1, %ebx
	jnz	3f
	movq	%rsi, %r10

3:	spin
	movl	%ebx, %eax
	shll	$8, %eax
	outl	%eax, $PORT_OUT
	jmp	output
	finish	wanderer
