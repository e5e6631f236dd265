// SPDX-License-Identifier: GPL-2.0
#include <linux/kvmft.h>
#include <string.h>

#include "address.h"
#include "duration.h"
#include "ftctl.h"
#include "genl.h"
#include "key.h"
#include "name.h"
#include "pair_show.h"

/**
 * struct new_pair - what the operator wants to add
 * @name: The pair's name.
 * @role: &enum kvmft_pair_role, 0 if it wasn't said.
 * @address: Where to listen or to connect to.
 * @key_file: Where the key is, NULL if it wasn't said.
 * @heartbeat: In ms, 0 if it wasn't said.
 * @timeout: In ms, 0 if it wasn't said.
 */
struct new_pair {
	const char *name;
	uint32_t role;
	struct address address;
	const char *key_file;
	uint32_t heartbeat;
	uint32_t timeout;
};

static enum exit_status parse_limited(const char *keyword, const char *value,
				      uint32_t min, uint32_t max, uint32_t *ms)
{
	char min_text[DURATION_SIZE], max_text[DURATION_SIZE];
	const char *wrong;

	if (*ms)
		return wrong_usage(&pair_command, "'%s' is there twice", keyword);

	wrong = duration_parse(value, ms);
	if (wrong)
		return wrong_usage(&pair_command, "%s '%s': %s", keyword, value,
				   wrong);
	if (*ms < min || *ms > max)
		return wrong_usage(&pair_command, "%s '%s': it has to be from %s to %s",
				   keyword, value, duration_text(min, min_text),
				   duration_text(max, max_text));
	return EXIT_OK;
}

static enum exit_status parse_keyword(const char *keyword, const char *value,
				      struct new_pair *pair)
{
	bool is_key = !strcmp(keyword, "key");
	bool is_heartbeat = !strcmp(keyword, "heartbeat");
	bool is_timeout = !strcmp(keyword, "timeout");

	if (!is_key && !is_heartbeat && !is_timeout)
		return wrong_usage(&pair_command, "'%s' is too much", keyword);
	if (!value)
		return wrong_usage(&pair_command, "what belongs behind '%s' is missing",
				   keyword);

	if (is_heartbeat)
		return parse_limited(keyword, value, KVMFT_HEARTBEAT_MIN,
				     KVMFT_HEARTBEAT_MAX, &pair->heartbeat);
	if (is_timeout)
		return parse_limited(keyword, value, KVMFT_TIMEOUT_MIN,
				     KVMFT_TIMEOUT_MAX, &pair->timeout);

	if (pair->key_file)
		return wrong_usage(&pair_command, "'key' is there twice");
	pair->key_file = value;
	return EXIT_OK;
}

/* What stands behind "add". */
static enum exit_status parse_new_pair(int argc, char **argv,
				       struct new_pair *pair)
{
	enum exit_status status;
	const char *wrong;
	int i;

	if (argc < 1)
		return wrong_usage(&pair_command, "the pair's name is missing");
	pair->name = argv[0];
	status = name_check_pair(&pair_command, pair->name);
	if (status)
		return status;

	if (argc < 2)
		return wrong_usage(&pair_command,
				   "'listen' or 'connect' is missing");
	if (!strcmp(argv[1], "listen"))
		pair->role = KVMFT_PAIR_LISTEN;
	else if (!strcmp(argv[1], "connect"))
		pair->role = KVMFT_PAIR_CONNECT;
	else
		return wrong_usage(&pair_command,
				   "'%s' is neither 'listen' nor 'connect'",
				   argv[1]);

	if (argc < 3)
		return wrong_usage(&pair_command, "the address is missing");
	wrong = address_parse(argv[2], &pair->address);
	if (wrong)
		return wrong_usage(&pair_command, "address '%s': %s", argv[2],
				   wrong);

	for (i = 3; i < argc; i += 2) {
		status = parse_keyword(argv[i], argv[i + 1], pair);
		if (status)
			return status;
	}
	if (!pair->key_file)
		return wrong_usage(&pair_command, "'key' is missing");
	return EXIT_OK;
}

static bool request_pair(struct genl *genl, const struct new_pair *pair,
			 const uint8_t *key)
{
	struct nlmsghdr *request = genl_begin(genl, KVMFT_CMD_PAIR_ADD);

	mnl_attr_put_strz(request, KVMFT_A_PAIR_NAME, pair->name);
	mnl_attr_put_u32(request, KVMFT_A_PAIR_ROLE, pair->role);
	mnl_attr_put(request, KVMFT_A_PAIR_ADDRESS, pair->address.length,
		     pair->address.bytes);
	mnl_attr_put_u16(request, KVMFT_A_PAIR_PORT, pair->address.port);
	if (pair->address.scope)
		mnl_attr_put_u32(request, KVMFT_A_PAIR_SCOPE,
				 pair->address.scope);
	mnl_attr_put(request, KVMFT_A_PAIR_KEY, KVMFT_KEY_LEN, key);
	if (pair->heartbeat)
		mnl_attr_put_u32(request, KVMFT_A_PAIR_HEARTBEAT,
				 pair->heartbeat);
	if (pair->timeout)
		mnl_attr_put_u32(request, KVMFT_A_PAIR_TIMEOUT, pair->timeout);

	return genl_request(genl, request, NULL, NULL);
}

static enum exit_status add(int argc, char **argv)
{
	struct new_pair pair = { 0 };
	uint8_t key[KVMFT_KEY_LEN];
	enum exit_status status;
	struct genl *genl;
	bool ok = false;

	status = parse_new_pair(argc, argv, &pair);
	if (status)
		return status;
	if (!address_find_interface(&pair.address) ||
	    !key_read(pair.key_file, key))
		return EXIT_FAILED;

	genl = connect_to_module();
	if (genl) {
		ok = request_pair(genl, &pair, key);
		genl_close(genl);
	}
	explicit_bzero(key, sizeof(key));
	return ok ? EXIT_OK : EXIT_FAILED;
}

static enum exit_status del(int argc, char **argv)
{
	enum exit_status status;
	struct nlmsghdr *request;
	struct genl *genl;
	bool ok;

	if (argc < 1)
		return wrong_usage(&pair_command, "the pair's name is missing");
	if (argc > 1)
		return wrong_usage(&pair_command, "'%s' is too much", argv[1]);
	status = name_check_pair(&pair_command, argv[0]);
	if (status)
		return status;

	genl = connect_to_module();
	if (!genl)
		return EXIT_FAILED;

	request = genl_begin(genl, KVMFT_CMD_PAIR_DEL);
	mnl_attr_put_strz(request, KVMFT_A_PAIR_NAME, argv[0]);
	ok = genl_request(genl, request, NULL, NULL);
	genl_close(genl);
	return ok ? EXIT_OK : EXIT_FAILED;
}

static enum exit_status show(const struct options *options, int argc,
			     char **argv)
{
	enum exit_status status;

	if (argc > 1)
		return wrong_usage(&pair_command, "'%s' is too much", argv[1]);
	if (argc < 1)
		return pair_show(options, NULL);

	status = name_check_pair(&pair_command, argv[0]);
	return status ? status : pair_show(options, argv[0]);
}

static enum exit_status pair_run(const struct options *options, int argc,
				 char **argv)
{
	bool is_add, is_show, is_del;

	if (argc < 2)
		return wrong_usage(&pair_command,
				   "'add', 'show' or 'del' is missing");

	is_add = !strcmp(argv[1], "add");
	is_show = !strcmp(argv[1], "show");
	is_del = !strcmp(argv[1], "del");
	if (!is_add && !is_show && !is_del)
		return wrong_usage(&pair_command,
				   "'%s' is neither 'add' nor 'show' nor 'del'",
				   argv[1]);

	if (argc > 2 && is_help_option(argv[2])) {
		print_command_help(stdout, &pair_command);
		return EXIT_OK;
	}

	argc -= 2;
	argv += 2;
	if (is_add)
		return add(argc, argv);
	return is_show ? show(options, argc, argv) : del(argc, argv);
}

const struct command pair_command = {
	.name = "pair",
	.arguments =
		"add NAME listen|connect ADDRESS:PORT key FILE [heartbeat TIME] [timeout TIME]\n"
		"show [NAME]\n"
		"del NAME",
	.summary = "pair this host with another one",
	.details =
		"add makes this host one end of the pair NAME. One host listens at an address\n"
		"of its own, the other one connects to that; both need the same NAME and the\n"
		"same key, which genkey makes. An address is like 10.0.0.2:7700,\n"
		"[fd77::2]:7700 or [fe80::1%eth0]:7700; host names aren't looked up. TIME is\n"
		"like 100ms or 1.5s: how often a sign of life is sent, and after which silence\n"
		"the peer counts as lost.\n"
		"\n"
		"show tells about all pairs or one. del ends a pair, and tells the peer.\n"
		"\n"
		"Everybody may use show; add and del need the capability CAP_NET_ADMIN.\n",
	.run = pair_run,
};
