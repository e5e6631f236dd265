// SPDX-License-Identifier: GPL-2.0
/*
 * fuzz SECONDS SEED DISK - as often as there is time for, from this seed on. DISK is a
 * file that it may write to.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "fuzz.h"

static const struct {
	const char *name;
	bool (*attempt)(void);
} trials[] = {
	{ "rings by a hostile guest", try_queue },
	{ "device states that make no sense", try_blob },
	{ "disks with a hostile driver", try_disk },
	{ "network devices with a hostile driver", try_nic },
};

/* No try takes so long, unless a device waits for itself. */
#define HANGS_S 60

static u64 seed;

static void hang(int signal)
{
	(void)signal;
	die("# it hangs with seed %llu\n", (unsigned long long)seed);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double seconds = argc == 4 ? atof(argv[1]) : 0, end;
	u64 first = argc == 4 ? strtoull(argv[2], NULL, 0) : 0;
	bool good, all = true;
	u32 i;

	if (seconds <= 0) {
		fprintf(stderr, "fuzz SECONDS SEED DISK\n");
		return 2;
	}
	place_make();
	device_make(argv[3]);
	signal(SIGALRM, hang);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < ARRAY_SIZE(trials); i++) {
		end = now() + seconds / ARRAY_SIZE(trials);
		good = true;
		for (seed = first; good && now() < end; seed++) {
			alarm(HANGS_S);
			chance_seed(seed);
			good = trials[i].attempt();
			if (!good)
				printf("# seed %llu\n", (unsigned long long)seed);
		}
		printf("%sok %u %s\n# %llu times\n", good ? "" : "not ", i + 1, trials[i].name,
		       (unsigned long long)(seed - first));
		all &= good;
	}
	printf("1..%zu\n", ARRAY_SIZE(trials));
	return !all;
}
