// SPDX-License-Identifier: GPL-2.0
#include "ftctl.h"
#include "metrics_pair.h"
#include "names.h"
#include "prometheus.h"

#define NS_PER_MS 1000000ULL

/* What each metric of a pair has. */
#define LABELS 2

static const struct {
	const char *name;
	const char *type;
	const char *help;
	enum kvmft_a_pair attribute;
	uint64_t unit_ns;	/* 0, or the unit of a time */
} families[] = {
	{ "kvmft_pair_state_age_seconds", "gauge",
	  "For how long the link has been in its state.",
	  KVMFT_A_PAIR_STATE_AGE, NS_PER_MS },
	{ "kvmft_pair_rtt_last_seconds", "gauge", "The last round trip of a heartbeat.",
	  KVMFT_A_PAIR_RTT_LAST, 1 },
	{ "kvmft_pair_rtt_min_seconds", "gauge", "The shortest one on this link.",
	  KVMFT_A_PAIR_RTT_MIN, 1 },
	{ "kvmft_pair_rtt_avg_seconds", "gauge", "The mean of them on this link.",
	  KVMFT_A_PAIR_RTT_AVG, 1 },
	{ "kvmft_pair_rtt_max_seconds", "gauge", "The longest one on this link.",
	  KVMFT_A_PAIR_RTT_MAX, 1 },
	{ "kvmft_pair_received_bytes_total", "counter", "Bytes received.",
	  KVMFT_A_PAIR_RX_BYTES, 0 },
	{ "kvmft_pair_sent_bytes_total", "counter", "Bytes sent.",
	  KVMFT_A_PAIR_TX_BYTES, 0 },
	{ "kvmft_pair_received_frames_total", "counter", "Frames received.",
	  KVMFT_A_PAIR_RX_FRAMES, 0 },
	{ "kvmft_pair_sent_frames_total", "counter", "Frames sent.",
	  KVMFT_A_PAIR_TX_FRAMES, 0 },
	{ "kvmft_pair_links_total", "counter", "How often the link came up.",
	  KVMFT_A_PAIR_LINKS, 0 },
};

/**
 * struct labels - what each metric of a pair has
 * @unknown: Room for a role without a name.
 * @all: The list.
 */
struct labels {
	char unknown[NAME_SIZE];
	struct prometheus_label all[LABELS + 1];
};

static const struct prometheus_label *label(const struct pair_info *pair,
					    struct labels *labels)
{
	labels->all[0] = (struct prometheus_label){
		"pair", pair_string(pair, KVMFT_A_PAIR_NAME),
	};
	labels->all[1] = (struct prometheus_label){
		"role", role_name(pair_number(pair, KVMFT_A_PAIR_ROLE), labels->unknown),
	};
	labels->all[LABELS] = (struct prometheus_label){ NULL, NULL };
	return labels->all;
}

static void write_errors(struct prometheus *to, const struct pair_info *pair)
{
	struct prometheus_label label_of[] = { { "reason", NULL }, { NULL, NULL } };
	const struct nlattr *error = NULL;
	char unknown[NAME_SIZE];
	struct labels labels;
	uint32_t reason;
	uint64_t count;

	label(pair, &labels);
	while ((error = pair_next_error(pair, error, &reason, &count))) {
		label_of[0].value = reason_name(reason, unknown);
		prometheus_number(to, "", labels.all, label_of, count);
	}
}

/**
 * metrics_write_pairs() - write all about pairs
 * @out: where to
 * @list: the pairs; without any nothing is written
 */
void metrics_write_pairs(FILE *out, const struct pair_list *list)
{
	struct prometheus to = { .out = out };
	const struct pair *pair;
	struct labels labels;
	size_t i;

	if (!list->first)
		return;
	prometheus_family(&to, "kvmft_pair_state", "gauge",
			  "1 for the state that the pair's link is in, 0 for all others.");
	for (pair = list->first; pair; pair = pair->next)
		prometheus_state(&to, label(&pair->info, &labels),
				 pair_number(&pair->info, KVMFT_A_PAIR_STATE), state_name);

	for (i = 0; i < ARRAY_SIZE(families); i++) {
		prometheus_family(&to, families[i].name, families[i].type, families[i].help);
		for (pair = list->first; pair; pair = pair->next) {
			uint64_t value = pair_number(&pair->info, families[i].attribute);

			if (!pair_has(&pair->info, families[i].attribute))
				continue;
			label(&pair->info, &labels);
			if (families[i].unit_ns)
				prometheus_seconds(&to, "", labels.all,
						   value * families[i].unit_ns);
			else
				prometheus_number(&to, "", labels.all, NULL, value);
		}
	}

	prometheus_family(&to, "kvmft_pair_errors_total", "counter",
			  "How often each reason was counted.");
	for (pair = list->first; pair; pair = pair->next)
		write_errors(&to, &pair->info);
}
