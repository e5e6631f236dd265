/* SPDX-License-Identifier: GPL-2.0 */
/*
 * state: fills every register that a guest has with something of its own for each
 * output, makes that output in one of eight ways, and looks whether all is as it was.
 * It says "number of the output << 8 | errors":
 *
 *	0x01	x87, MXCSR, XMM or upper half of YMM
 *	0x02	debug registers, CR2, CR8
 *	0x04	MSRs
 *	0x08	what was read by in, or rep insb
 *	0x10	what was read by MMIO
 *	0x20	general registers and flags
 *	0x40	XCR0, CR0, CR4
 *
 *	r12d	outputs		r13d	errors, and above them the vcpu's number
 *	r14	the scratch page	r15d	what it can do
 *	ebp	words read	ebx	bytes read
 *	r8 - r11		general registers that are looked after
 */
#include "code.inc"

#define HAS_AVX		1
#define HAS_TSC_AUX	2
#define VCPU_SHIFT	16

/* In the scratch page: a number for each output and register, and room for x87. */
#define ROOM		0x00
#define HALVES		0x28
#define BASE_CR0	0x30
#define BASE_CR4	0x38

/* A buffer that begins so that what is read crosses into the next page. */
#define BUFFER_AT	(4096 - 7)
#define BUFFER_LEN	16

#define MSR_KERNEL_GS	0xc0000102
#define CR4_OSXSAVE	0x40000
#define CR4_DE		0x8
/*
 * All breakpoints for writes of four bytes, but none enabled: emulated hosts that run
 * guests forget to change those when DR7 does, and crash.
 */
#define DR7		0xdddd0700
#define BREAKPOINTS	0xb0000

	.macro	wrong error
	orl	$\error, %r13d
	.endm

/* rax = the value of something in this output of this vcpu. */
	.macro	value index
	movl	%r12d, %eax
	imulq	$MIX_A & 0x7fffffff, %rax, %rax
	addq	$0x1000 * \index, %rax
	addq	%r14, %rax
	.endm

	.macro	expect with, error
	cmpq	\with, %rax
	je	.Lgood\@
	wrong	\error
.Lgood\@:
	.endm

/* --- XMM, YMM, x87 --- */

	.macro	fill_xmm i
	value	\i
	movq	%rax, %xmm\i
	punpcklqdq %xmm\i, %xmm\i
	.endm

	.macro	fill_ymm i
	value	\i + 100
	movq	%rax, %xmm\i
	vinsertf128 $1, %xmm\i, %ymm\i, %ymm\i
	.endm

	.macro	check_xmm i
	value	\i
	movq	%xmm\i, %rdx
	expect	%rdx, 0x01
	psrldq	$8, %xmm\i
	movq	%xmm\i, %rdx
	expect	%rdx, 0x01
	.endm

	.macro	check_ymm i
	value	\i + 100
	vextractf128 $1, %ymm\i, %xmm\i
	movq	%xmm\i, %rdx
	expect	%rdx, 0x01
	.endm

	.macro	each_16 what
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	\what	\i
	.endr
	.endm

	.macro	fill_x87 i
	value	\i + 200
	movq	%rax, ROOM(%r14)
	fildll	ROOM(%r14)
	.endm

	.macro	check_x87 i
	fistpll	ROOM(%r14)
	value	\i + 200
	expect	ROOM(%r14), 0x01
	.endm

/* eax = control words with another rounding each time. */
	.macro	x87_control
	movl	%r12d, %eax
	andl	$3, %eax
	shll	$10, %eax
	orl	$0x37f, %eax
	.endm

	.macro	sse_control
	movl	%r12d, %eax
	andl	$3, %eax
	shll	$13, %eax
	orl	$0x1f80, %eax
	.endm

/* --- Debug and control registers --- */

	.macro	fill_dr i
	value	0
	andl	$0xff8, %eax
	addl	$BREAKPOINTS + 0x1000 * \i, %eax
	movq	%rax, %db\i
	.endm

	.macro	check_dr i
	value	0
	andl	$0xff8, %eax
	addl	$BREAKPOINTS + 0x1000 * \i, %eax
	movq	%db\i, %rdx
	expect	%rdx, 0x02
	.endm

/* --- MSRs that get a new value each time: any canonical address --- */

	.macro	fill_msr msr, index
	value	\index
	movq	%rax, %rdx
	shrq	$32, %rdx
	andl	$0x7fff, %edx
	movl	$\msr, %ecx
	wrmsr
	.endm

	.macro	check_msr msr, index
	movl	$\msr, %ecx
	rdmsr
	shlq	$32, %rdx
	movl	%eax, %ecx
	orq	%rcx, %rdx
	value	\index
	movq	$0x7fffffffffff, %rcx
	andq	%rcx, %rax
	expect	%rdx, 0x04
	.endm

/* Processors differ in whether these have more than 32 bits. */
	.macro	fill_low_msr msr, index
	value	\index
	xorl	%edx, %edx
	movl	$\msr, %ecx
	wrmsr
	.endm

	.macro	check_low_msr msr, index
	movl	$\msr, %ecx
	rdmsr
	movl	%eax, %edx
	value	\index
	movl	%eax, %eax
	expect	%rdx, 0x04
	.endm

	.macro	each_msr what, what_low
	\what_low 0x175, 300
	\what_low 0x176, 301
	\what	0xc0000082, 302
	\what	0xc0000083, 303
	\what	0xc0000100, 304
	\what	0xc0000101, 305
	\what	MSR_KERNEL_GS, 306
	.endm

	begin	state
	.code64
	movl	%edi, %r13d
	movl	%edi, %r14d
	shll	$12, %r14d
	addl	$SCRATCH, %r14d
	shll	$VCPU_SHIFT, %r13d
	xorl	%r12d, %r12d
	xorl	%r15d, %r15d
	xorl	%ebp, %ebp

	/* With AVX if there is some. XCR0 has got it from the VMM (set_xcr0()). */
	movl	$1, %eax
	cpuid
	movq	%cr4, %rax
	orl	$CR4_DE, %eax
	testl	$1 << 28, %ecx
	jz	1f
	orl	$CR4_OSXSAVE, %eax
	orl	$HAS_AVX, %r15d
1:	movq	%rax, %cr4
	movq	%rax, BASE_CR4(%r14)
	movq	%cr0, %rax
	movq	%rax, BASE_CR0(%r14)
	movl	$0x80000001, %eax
	cpuid
	testl	$1 << 27, %edx
	jz	1f
	orl	$HAS_TSC_AUX, %r15d
1:	xorl	%ebx, %ebx

	/* MSRs whose bits mean something get their values once. */
	movl	$here(fixed), %esi
2:	movl	(%rsi), %ecx
	testl	%ecx, %ecx
	jz	3f
	movl	4(%rsi), %eax
	movl	8(%rsi), %edx
	wrmsr
	addl	$12, %esi
	jmp	2b
3:	testl	$HAS_TSC_AUX, %r15d
	jz	output
	movl	$0xc0000103, %ecx
	leal	0x1234(%rdi), %eax
	xorl	%edx, %edx
	wrmsr

output:
	incl	%r12d

	fninit
	x87_control
	movl	%eax, ROOM(%r14)
	fldcw	ROOM(%r14)
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7
	fill_x87 \i
	.endr
	sse_control
	movl	%eax, ROOM(%r14)
	ldmxcsr	ROOM(%r14)
	testl	$HAS_AVX, %r15d
	jz	1f
	each_16	fill_ymm
1:	each_16	fill_xmm

	.irp	i, 0, 1, 2, 3
	fill_dr	\i
	.endr
	movl	$DR7, %eax
	movq	%rax, %db7
	value	400
	movq	%rax, %cr2
	movl	%r12d, %eax
	andl	$15, %eax
	movq	%rax, %cr8
	each_msr fill_msr, fill_low_msr

	value	500
	movq	%rax, %r8
	leaq	1(%rax), %r9
	leaq	2(%rax), %r10
	leaq	3(%rax), %r11

	/* Which of the eight ways. Each leaves with the output made. */
	movl	%r12d, %eax
	andl	$7, %eax
	cmpl	$1, %eax
	jb	by_out
	je	by_outsb
	cmpl	$3, %eax
	jb	by_in
	je	by_insb
	cmpl	$5, %eax
	jb	by_mmio_write
	je	by_mmio_read
	cmpl	$7, %eax
	jb	by_crossing_write
	jmp	by_crossing_read

/* --- The ways --- */

	.macro	what_to_say
	movl	%r12d, %eax
	shll	$8, %eax
	movb	%r13b, %al
	.endm

	/* edx = the next word that is to be read. */
	.macro	next_word
	imull	$MIX_A, %ebp, %edx
	xorl	PARAM_SEED, %edx
	incl	%ebp
	.endm

by_in:
	inl	$PORT_IN, %eax
	next_word
	expect	%rdx, 0x08
	/* fall through */
by_out:
	what_to_say
	outl	%eax, $PORT_OUT
	jmp	made

by_outsb:
	what_to_say
	movl	%eax, ROOM(%r14)
	leaq	ROOM(%r14), %rsi
	movl	$4, %ecx
	movl	$PORT_BYTES, %edx
	cld
	rep outsb
	testl	%ecx, %ecx
	jz	made
	wrong	0x20
	jmp	made

by_insb:
	movl	%r13d, %edi
	shrl	$VCPU_SHIFT, %edi
	shll	$13, %edi
	addl	$BUFFERS + BUFFER_AT, %edi
	movl	%edi, %esi
	movl	$BUFFER_LEN, %ecx
	movl	$PORT_IN_BYTES, %edx
	cld
	rep insb
	testl	%ecx, %ecx
	jz	1f
	wrong	0x20
1:	imull	$MIX_BYTE, %ebx, %eax
	addl	PARAM_SEED, %eax
	cmpb	%al, (%rsi)
	je	2f
	wrong	0x08
2:	incl	%esi
	incl	%ebx
	cmpl	%edi, %esi
	jb	1b
	jmp	by_out

by_mmio_read:
	movl	$MMIO_IN, %esi
	movl	(%rsi), %eax
	next_word
	expect	%rdx, 0x10
	/* fall through */
by_mmio_write:
	what_to_say
	movl	$MMIO_OUT, %esi
	movl	%eax, (%rsi)
	jmp	made

by_crossing_read:
	movl	$MMIO_CROSS, %esi
	movq	(%rsi), %rax
	movq	%rax, HALVES(%r14)
	next_word
	cmpl	%edx, HALVES(%r14)
	je	1f
	wrong	0x10
1:	next_word
	cmpl	%edx, HALVES + 4(%r14)
	je	by_out
	wrong	0x10
	jmp	by_out

by_crossing_write:
	what_to_say
	movl	%eax, %edx
	notl	%edx
	shlq	$32, %rdx
	orq	%rdx, %rax
	movl	$MMIO_CROSS, %esi
	movq	%rax, (%rsi)

/* --- Is all as it was? --- */

made:
	value	500
	expect	%r8, 0x20
	incq	%rax
	expect	%r9, 0x20
	incq	%rax
	expect	%r10, 0x20
	incq	%rax
	expect	%r11, 0x20

	each_16	check_xmm
	testl	$HAS_AVX, %r15d
	jz	1f
	each_16	check_ymm
1:	stmxcsr	ROOM(%r14)
	sse_control
	cmpl	%eax, ROOM(%r14)
	je	1f
	wrong	0x01
1:	fnstcw	ROOM(%r14)
	x87_control
	cmpw	%ax, ROOM(%r14)
	je	1f
	wrong	0x01
1:	.irp	i, 7, 6, 5, 4, 3, 2, 1, 0
	check_x87 \i
	.endr

	.irp	i, 0, 1, 2, 3
	check_dr \i
	.endr
	movl	$DR7, %eax
	movq	%db7, %rdx
	expect	%rdx, 0x02
	value	400
	movq	%cr2, %rdx
	expect	%rdx, 0x02
	movl	%r12d, %eax
	andl	$15, %eax
	movq	%cr8, %rdx
	expect	%rdx, 0x02

	each_msr check_msr, check_low_msr
	movl	$here(fixed), %esi
2:	movl	(%rsi), %ecx
	testl	%ecx, %ecx
	jz	3f
	rdmsr
	cmpl	%eax, 4(%rsi)
	jne	4f
	cmpl	%edx, 8(%rsi)
	je	5f
4:	wrong	0x04
5:	addl	$12, %esi
	jmp	2b
3:	testl	$HAS_TSC_AUX, %r15d
	jz	1f
	movl	$0xc0000103, %ecx
	rdmsr
	subl	$0x1234, %eax
	movl	%r13d, %edx
	shrl	$VCPU_SHIFT, %edx
	expect	%rdx, 0x04

1:	movq	%cr0, %rax
	expect	BASE_CR0(%r14), 0x40
	movq	%cr4, %rax
	expect	BASE_CR4(%r14), 0x40
	testl	$HAS_AVX, %r15d
	jz	1f
	xorl	%ecx, %ecx
	xgetbv
	cmpl	$7, %eax
	je	1f
	wrong	0x40
1:	spin
	jmp	output

	.balign	4
fixed:
	/* SYSENTER_CS, STAR, SFMASK */
	.long	0x174, 0x1230, 0
	.long	0xc0000081, 0, 0x00230010
	.long	0xc0000084, 0x00047700, 0
	/* PAT; the last entries, which nothing uses, are changed */
	.long	0x277, 0x00070406, 0x01050406
	/* MTRR: a variable one, a fixed one, and the default */
	.long	0x200, 0xe0000000, 0
	.long	0x201, 0xf0000800, 0xf
	.long	0x250, 0x06060606, 0x06060606
	.long	0x26f, 0x05050505, 0x05050505
	.long	0x2ff, 0xc06, 0
	.long	0
	finish	state
