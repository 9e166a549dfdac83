/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_sparse_copy.c - data and holes come over, from one kind of file system to another as well
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/sparse_copy.h"

#define FILE_BYTES (8 << 20)
#define DATA_AT	   (5 << 20)
#define DATA_BYTES (3 << 19) /* more than one step of a copy by hand */

struct fixture {
	int memory; /* another file system than the disk's */
	int disk;
	int to; /* on the same disk */
};

static int
open_temporary(void)
{
	g_autofree char *path = NULL;
	int fd = g_file_open_tmp("test-sparse-copy-XXXXXX", &path, NULL);

	assert_true(fd >= 0);
	g_unlink(path);
	return fd;
}

static void
fill(int fd)
{
	g_autofree guint8 *data = g_malloc(DATA_BYTES);

	for (gsize i = 0; i < DATA_BYTES; i++)
		data[i] = (guint8)(i % 251 + 1);
	assert_int_equal(ftruncate(fd, FILE_BYTES), 0);
	assert_int_equal(pwrite(fd, data, DATA_BYTES, DATA_AT), DATA_BYTES);
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->memory = memfd_create("test", MFD_CLOEXEC);
	f->disk = open_temporary();
	f->to = open_temporary();
	fill(f->memory);
	fill(f->disk);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	close(f->memory);
	close(f->disk);
	close(f->to);
	g_free(f);
	return 0;
}

static void
check_copy(const struct fixture *f)
{
	g_autofree guint8 *data = g_malloc(FILE_BYTES);
	struct stat about;

	assert_int_equal(fstat(f->to, &about), 0);
	assert_int_equal(about.st_size, FILE_BYTES);
	assert_true((gint64)about.st_blocks * 512 < FILE_BYTES);
	assert_int_equal(pread(f->to, data, FILE_BYTES, 0), FILE_BYTES);
	for (gsize i = 0; i < FILE_BYTES; i++) {
		gsize at = i - DATA_AT;
		guint8 wanted = i < DATA_AT || at >= DATA_BYTES ? 0 : (guint8)(at % 251 + 1);

		if (data[i] != wanted)
			fail_msg("byte %zu is %u, not %u", i, data[i], wanted);
	}
}

static void
test_sparse_copy__keeps_data_and_holes(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sparse_copy(f->disk, f->to, FILE_BYTES, NULL), 0);
	check_copy(f);
}

static void
test_sparse_copy__goes_between_file_systems(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sparse_copy(f->memory, f->to, FILE_BYTES, NULL), 0);
	check_copy(f);
}

/* From now on copy_file_range(2) says this errno; no test can wish itself a kernel and two file systems that do. */
static void
refuse_copies(int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_copy_file_range, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { G_N_ELEMENTS(filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(EXIT_FAILURE);
}

static void
test_sparse_copy__reads_and_writes_where_the_kernel_does_not_copy(void **unused)
{
	static const int codes[] = { EXDEV, EOPNOTSUPP, ENOSYS, EINVAL };

	(void)unused;
	for (gsize i = 0; i < G_N_ELEMENTS(codes); i++) {
		void *state = NULL;
		struct fixture *f;
		int status = -1;
		pid_t child;

		setup(&state);
		f = state;
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			refuse_copies(codes[i]);
			_exit(sparse_copy(f->memory, f->to, FILE_BYTES, NULL) == 0 ? EXIT_SUCCESS
										   : EXIT_FAILURE);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
		check_copy(f);
		teardown(&state);
	}
}

static void
test_sparse_copy__takes_no_more_than_asked_for(void **state)
{
	struct fixture *f = *state;
	struct stat about;

	assert_int_equal(sparse_copy(f->memory, f->to, DATA_AT + 100, NULL), 0);
	assert_int_equal(fstat(f->to, &about), 0);
	assert_int_equal(about.st_size, DATA_AT + 100);
}

static void
test_sparse_copy__ends_when_it_is_cancelled(void **state)
{
	struct fixture *f = *state;
	g_autoptr(GCancellable) cancellable = g_cancellable_new();

	g_cancellable_cancel(cancellable);
	assert_int_equal(sparse_copy(f->disk, f->to, FILE_BYTES, cancellable), -ECANCELED);
}

static void
test_sparse_copy__says_what_is_wrong(void **state)
{
	struct fixture *f = *state;
	int closed = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(closed >= 0);
	assert_true(sparse_copy(f->disk, closed, FILE_BYTES, NULL) < 0);
	close(closed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_sparse_copy__##name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keeps_data_and_holes),
		TEST(goes_between_file_systems),
		cmocka_unit_test(test_sparse_copy__reads_and_writes_where_the_kernel_does_not_copy),
		TEST(takes_no_more_than_asked_for),
		TEST(ends_when_it_is_cancelled),
		TEST(says_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
