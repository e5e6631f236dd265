/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reason: why something ended, in a number for programs and in words for people.
 *
 * Contract: the numbers are &enum kvmft_reason. A verdict is given once: the first
 * reason stays, since what fails later mostly fails because of it.
 */
#ifndef _KVMFT_REASON_H
#define _KVMFT_REASON_H

#include <linux/kvmft.h>
#include <linux/types.h>

#define KVMFT_VERDICT_TEXT 160

/**
 * struct kvmft_verdict - why something ended
 * @reason: &enum kvmft_reason, 0 while nothing is wrong.
 * @text: The same in words.
 */
struct kvmft_verdict {
	u32 reason;
	char text[KVMFT_VERDICT_TEXT];
};

const char *kvmft_reason_name(u32 reason);
const char *kvmft_reason_text(u32 reason);
u32 kvmft_reason_of(int err);

void kvmft_judge(struct kvmft_verdict *verdict, u32 reason);
__printf(3, 4)
void kvmft_judge_saying(struct kvmft_verdict *verdict, u32 reason,
			const char *format, ...);
void kvmft_judge_quoting(struct kvmft_verdict *verdict, u32 reason, const char *words);

#endif /* _KVMFT_REASON_H */
