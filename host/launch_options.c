/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_options.c - carrel-launch's command line (carrel-launch)
 */
#include "host/launch_options.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_LENGTH 200
#define FEWEST_UIDS	(LAUNCH_RESERVED_UIDS + LAUNCH_BUILD_UIDS + 64)
#define UID_NOBODY	65534

enum {
	OPTION_RUN = 1,
	OPTION_LIB,
	OPTION_LIBEXEC,
	OPTION_UID_RANGE,
	OPTION_HOSTD_UID,
	OPTION_HOSTD_GID,
	OPTION_QEMU,
	OPTION_PASST,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option option_table[] = {
	{ "run", required_argument, NULL, OPTION_RUN },
	{ "lib", required_argument, NULL, OPTION_LIB },
	{ "libexec", required_argument, NULL, OPTION_LIBEXEC },
	{ "uid-range", required_argument, NULL, OPTION_UID_RANGE },
	{ "hostd-uid", required_argument, NULL, OPTION_HOSTD_UID },
	{ "hostd-gid", required_argument, NULL, OPTION_HOSTD_GID },
	{ "qemu", required_argument, NULL, OPTION_QEMU },
	{ "passt", required_argument, NULL, OPTION_PASST },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ NULL, 0, NULL, 0 },
};

static const char *
launch_options_parse_number(const char *text, uint32_t *ret_number)
{
	unsigned long long number;
	char *end;

	if (*text < '0' || *text > '9')
		return NULL;
	errno = 0;
	number = strtoull(text, &end, 10);
	/* (uid_t)-1 means "leave as it is" to chown(2) */
	if (errno != 0 || number >= UINT32_MAX)
		return NULL;
	*ret_number = (uint32_t)number;
	return end;
}

static bool
launch_options_parse_uid(const char *text, uint32_t *ret_uid)
{
	const char *end = launch_options_parse_number(text, ret_uid);

	return end && *end == '\0' && *ret_uid != 0;
}

static bool
launch_options_parse_range(const char *text, struct launch_options *options)
{
	const char *at = launch_options_parse_number(text, &options->uid_first);

	if (!at || *at != '-')
		return false;
	at = launch_options_parse_number(at + 1, &options->uid_last);
	return at && *at == '\0' && options->uid_first > UID_NOBODY &&
	       options->uid_last > options->uid_first &&
	       options->uid_last - options->uid_first >= FEWEST_UIDS;
}

static bool
launch_options_take_path(const char *text, const char **ret_path)
{
	if (text[0] != '/' || strlen(text) > PATH_MAX_LENGTH || strstr(text, "/../"))
		return false;
	*ret_path = text;
	return true;
}

static bool
launch_options_take(int option, struct launch_options *options, enum launch_wish *wish)
{
	switch (option) {
	case OPTION_RUN:
		return launch_options_take_path(optarg, &options->run);
	case OPTION_LIB:
		return launch_options_take_path(optarg, &options->lib);
	case OPTION_LIBEXEC:
		return launch_options_take_path(optarg, &options->libexec);
	case OPTION_QEMU:
		return launch_options_take_path(optarg, &options->qemu);
	case OPTION_PASST:
		return launch_options_take_path(optarg, &options->passt);
	case OPTION_UID_RANGE:
		return launch_options_parse_range(optarg, options);
	case OPTION_HOSTD_UID:
		return launch_options_parse_uid(optarg, &options->hostd_uid);
	case OPTION_HOSTD_GID:
		return launch_options_parse_uid(optarg, &options->hostd_gid);
	case OPTION_HELP:
		*wish = LAUNCH_WISH_HELP;
		return true;
	case OPTION_VERSION:
		*wish = LAUNCH_WISH_VERSION;
		return true;
	default:
		return false;
	}
}

int
launch_options_parse(int argc, char **argv, struct launch_options *ret_options,
		     enum launch_wish *ret_wish, char *ret_text, size_t text_size)
{
	struct launch_options options = { .qemu = "/usr/bin/qemu-system-x86_64",
					  .passt = "/usr/bin/passt" };
	enum launch_wish wish = LAUNCH_WISH_RUN;
	int option;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", option_table, NULL)) != -1) {
		if (launch_options_take(option, &options, &wish))
			continue;
		snprintf(ret_text, text_size, "'%s' is no option of mine, or its value is wrong",
			 optarg ? optarg : argv[optind > 1 ? optind - 1 : 1]);
		return -EINVAL;
	}
	if (optind < argc) {
		snprintf(ret_text, text_size, "'%s' is more than expected", argv[optind]);
		return -EINVAL;
	}
	if (wish == LAUNCH_WISH_RUN &&
	    (!options.run || !options.lib || !options.libexec || options.uid_first == 0 ||
	     options.hostd_uid == 0 || options.hostd_gid == 0)) {
		snprintf(
			ret_text, text_size,
			"--run, --lib, --libexec, --uid-range, --hostd-uid and --hostd-gid are all needed");
		return -EINVAL;
	}
	*ret_options = options;
	*ret_wish = wish;
	return 0;
}

void
launch_options_print_usage(FILE *stream)
{
	fputs("usage: carrel-launch OPTIONS\n"
	      "Makes folders, uids and sockets for desktops and starts their processes, for carrel-hostd only.\n\n"
	      "  --run DIR         folder of sockets, such as /run/carrel\n"
	      "  --lib DIR         folder of state, such as /var/lib/carrel\n"
	      "  --libexec DIR     folder of Carrel's programs\n"
	      "  --uid-range A-B   uids of services, desktops and build namespaces\n"
	      "  --hostd-uid U     the only uid that is served\n"
	      "  --hostd-gid G     its group\n"
	      "  --qemu PATH       QEMU (/usr/bin/qemu-system-x86_64)\n"
	      "  --passt PATH      passt (/usr/bin/passt)\n"
	      "  --help            this text\n"
	      "  --version         the version\n",
	      stream);
}

uint32_t
launch_options_first_uid(const struct launch_options *options)
{
	return options->uid_first + LAUNCH_RESERVED_UIDS;
}

uint32_t
launch_options_last_uid(const struct launch_options *options)
{
	return options->uid_last - LAUNCH_BUILD_UIDS;
}

uint32_t
launch_options_job_gid(const struct launch_options *options)
{
	return options->uid_first + LAUNCH_JOB_GID;
}

uint32_t
launch_options_build_uid(const struct launch_options *options)
{
	return options->uid_last - LAUNCH_BUILD_UIDS + 1;
}
