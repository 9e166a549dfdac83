/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_account.c - the spare account gets its user's name
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/account.h"
#include "base/io.h"

#define SPARE	 ACCOUNT_SPARE
#define MAX_TEXT 4096

struct fixture {
	char folder[32];
	char homes[48];
};

static void
test_make_path(const struct fixture *f, const char *name, char ret_path[96])
{
	snprintf(ret_path, 96, "%s/%s", f->folder, name);
}

static void
test_write(const struct fixture *f, const char *name, const char *text, mode_t mode)
{
	char path[96];

	test_make_path(f, name, path);
	assert_int_equal(io_write_file_durably(path, text, strlen(text), mode), 0);
}

static void
test_expect(const struct fixture *f, const char *name, const char *text)
{
	char path[96];
	char *found;
	size_t size;

	test_make_path(f, name, path);
	assert_int_equal(io_read_file(path, MAX_TEXT, &found, &size), 0);
	assert_int_equal(size, strlen(text));
	assert_memory_equal(found, text, size);
	free(found);
}

static int
test_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[96];

	snprintf(f->folder, sizeof(f->folder), "/tmp/test-account-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->homes, sizeof(f->homes), "%s/home", f->folder);
	assert_int_equal(mkdir(f->homes, 0755), 0);
	test_make_path(f, "home/" SPARE, path);
	assert_int_equal(mkdir(path, 0700), 0);
	test_write(f, "home/" SPARE "/.profile", "# skel", 0600);
	*state = f;
	return 0;
}

static int
test_remove(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status, (void)type, (void)ftw;
	return remove(path);
}

static int
test_teardown(void **state)
{
	struct fixture *f = *state;

	nftw(f->folder, test_remove, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

static void
test_account__spare_gets_the_name(void **state)
{
	static const struct {
		const char *file;
		const char *before;
		const char *after;
	} rows[] = {
		{ "passwd",
		  "root:x:0:0:root:/root:/bin/bash\n" SPARE ":x:5000:5000::/home/" SPARE
		  ":/bin/bash\n" SPARE "2:x:5001:5001::/home/" SPARE "2:/bin/sh\n",
		  "root:x:0:0:root:/root:/bin/bash\nada:x:5000:5000::HOME:/bin/bash\n" SPARE
		  "2:x:5001:5001::/home/" SPARE "2:/bin/sh\n" },
		{ "shadow", "root:*:19000:0:99999:7:::\n" SPARE ":!:19000:0:99999:7:::\n",
		  "root:*:19000:0:99999:7:::\nada:!:19000:0:99999:7:::\n" },
		{ "group", "staff:x:50:ben\n" SPARE ":x:5000:\n", "staff:x:50:ben\nada:x:5000:\n" },
		{ "gshadow", SPARE ":!::\n", "ada:!::\n" },
		{ "subuid", SPARE ":100000:65536", "ada:100000:65536" },
	};
	struct fixture *f = *state;
	struct stat status;
	char path[96];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		test_write(f, rows[i].file, rows[i].before, i == 1 ? 0640 : 0644);
	assert_int_equal(account_take_spare(f->folder, f->homes, "ada"), 0);
	for (size_t i = 1; i < sizeof(rows) / sizeof(rows[0]); i++)
		test_expect(f, rows[i].file, rows[i].after);
	{
		const char *at = strstr(rows[0].after, "HOME");
		char text[MAX_TEXT];

		snprintf(text, sizeof(text), "%.*s%s/ada%s", (int)(at - rows[0].after),
			 rows[0].after, f->homes, at + 4);
		test_expect(f, "passwd", text);
	}
	test_make_path(f, "shadow", path);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0640);
	test_expect(f, "home/ada/.profile", "# skel");
}

/* What passwd says is what there is: it stays as it was when anything before it fails. */
static void
test_account__failure_leaves_passwd(void **state)
{
	static const char passwd[] = SPARE ":x:5000:5000::/home/" SPARE ":/bin/bash\n";
	struct fixture *f = *state;
	char path[96];

	test_write(f, "passwd", passwd, 0644);
	test_make_path(f, "home/ada", path);
	assert_int_equal(mkdir(path, 0700), 0);
	test_write(f, "home/ada/letter", "mine", 0600);
	assert_int_equal(account_take_spare(f->folder, f->homes, "ada"), -ENOTEMPTY);
	test_expect(f, "passwd", passwd);
	test_expect(f, "home/ada/letter", "mine");
	test_expect(f, "home/" SPARE "/.profile", "# skel");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_account__spare_gets_the_name, test_setup,
						test_teardown),
		cmocka_unit_test_setup_teardown(test_account__failure_leaves_passwd, test_setup,
						test_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
