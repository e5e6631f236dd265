/* SPDX-License-Identifier: GPL-2.0 */
/*
 * idle: halts, woken by the timer of its APIC. At every tenth tick it says "number of
 * the output << 8 | errors"; error 1: woken for nothing, again and again.
 *
 *	ebx	outputs		r12d	tick of the next output
 *	r13d	errors		ebp	times woken since the last
 */
#include "code.inc"
#include "apic.inc"

#define TICKS_EACH	10
#define WAKES_MAX	1000

	begin	idle
	.code64
	find_apic
	gate	TICK_VECTOR, tick
	gate	SPURIOUS_VECTOR, spurious
	start_apic
	xorl	%ebx, %ebx
	xorl	%r13d, %r13d
	xorl	%ebp, %ebp
	movl	$TICKS_EACH, %r12d

sleep:
	sti
	hlt
	cli
	incl	%ebp
	cmpl	$WAKES_MAX, %ebp
	jb	1f
	movl	$1, %r13d
1:	movl	TICKS(%r14), %eax
	subl	%r12d, %eax
	js	sleep

	xorl	%ebp, %ebp
	addl	$TICKS_EACH, %r12d
	incl	%ebx
	movl	%ebx, %eax
	shll	$8, %eax
	orl	%r13d, %eax
	outl	%eax, $PORT_OUT
	jmp	sleep

tick:
	count_interrupt TICKS
spurious:
	iretq
	finish	idle
