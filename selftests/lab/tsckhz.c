// SPDX-License-Identifier: GPL-2.0
/*
 * tsckhz - print the rate of this machine's time stamp counter in kHz.
 *
 * Hosts of the lab see this counter as theirs.  Each would calibrate it alone,
 * with errors that make the hosts' clocks drift apart, so all are told one
 * measured value (tsc_early_khz).
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define ROUNDS 8

struct sample {
	unsigned long long ns, tsc;
};

/* The tightest of a few readings: a preempted one would spoil the rate. */
static struct sample read_both(void)
{
	unsigned long long best = ~0ULL;
	struct sample s = { 0, 0 };

	for (int i = 0; i < ROUNDS; i++) {
		unsigned long long before = __rdtsc(), after;
		struct timespec t;

		clock_gettime(CLOCK_MONOTONIC_RAW, &t);
		after = __rdtsc();
		if (after - before < best) {
			best = after - before;
			s.ns = t.tv_sec * 1000000000ULL + t.tv_nsec;
			s.tsc = before + best / 2;
		}
	}
	return s;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	struct sample a = read_both(), b;

	nanosleep(&pause, NULL);
	b = read_both();
	printf("%.0f\n", (b.tsc - a.tsc) * 1e6 / (b.ns - a.ns));
	return 0;
}
