/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vmm_control.c - hostd's end of carrel-vmm's control socket: what goes with its requests, and what comes back
 *
 * That a lying carrel-vmm loses its connection is tested in test_engine_kvm.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/seq.h"
#include "host/vmm_control.h"
#include "tests/unit/wait_for.h"

struct fixture {
	struct vmm_control *link;
	int peer;
	struct seq_message message; /* what the peer got */
	guint answers;
	char *refusal;
};

static void
ignore_event(void *context, const struct vmm_event *event)
{
	(void)context;
	(void)event;
}

static void
fail_ended(void *context)
{
	(void)context;
	fail_msg("the connection ended");
}

static const struct vmm_control_events events = { .event = ignore_event, .ended = fail_ended };

static int
fixture_open(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	f->link = vmm_control_new(fds[0], &events, f);
	f->peer = fds[1];
	*state = f;
	return 0;
}

static int
fixture_close(void **state)
{
	struct fixture *f = *state;

	vmm_control_free(f->link);
	close(f->peer);
	g_free(f->refusal);
	g_free(f);
	return 0;
}

static void
note_answer(void *data, const void *payload, const GError *error)
{
	struct fixture *f = data;

	(void)payload;
	f->answers++;
	g_free(f->refusal);
	f->refusal = error ? g_strdup(error->message) : NULL;
}

static gboolean
is_same_file(int one, int other)
{
	struct stat first, second;

	return fstat(one, &first) == 0 && fstat(other, &second) == 0 &&
	       first.st_ino == second.st_ino;
}

/* The peer gets HOME with this medium, and says so or refuses. */
static void
take_home(struct fixture *f, guint medium, const struct vmm_refusal *refusal)
{
	struct seq_header head = { .type = VMM_HOME };
	struct vmm_home home;
	guint before = f->answers;

	assert_int_equal(seq_receive(f->peer, &f->message), 0);
	assert_int_equal(f->message.head.type, VMM_HOME);
	assert_int_equal(f->message.head.size, sizeof(home));
	memcpy(&home, f->message.payload, sizeof(home));
	assert_int_equal(home.medium, medium);
	head.id = f->message.head.id;
	head.status = refusal ? -EBUSY : 0;
	head.size = refusal ? sizeof(*refusal) : 0;
	assert_int_equal(seq_send(f->peer, &head, refusal, NULL, 0), 0);
	WAIT_FOR(f->answers != before);
}

static void
test_vmm_control__a_home_comes_and_goes(void **state)
{
	const struct vmm_refusal refusal = { "there is a home in the slot already" };
	struct fixture *f = *state;
	int base = memfd_create("base", MFD_CLOEXEC);
	int image = memfd_create("image", MFD_CLOEXEC);

	vmm_control_attach_home(f->link, -1, image, note_answer, f);
	take_home(f, VMM_MEDIUM_RAW, NULL);
	assert_int_equal(f->message.n_fds, 1);
	assert_true(is_same_file(f->message.fds[0], image));
	assert_null(f->refusal);
	seq_close_fds(&f->message);

	vmm_control_attach_home(f->link, base, image, note_answer, f);
	take_home(f, VMM_MEDIUM_OVERLAY, &refusal);
	assert_int_equal(f->message.n_fds, 2);
	assert_true(is_same_file(f->message.fds[0], base));
	assert_true(is_same_file(f->message.fds[1], image));
	assert_string_equal(f->refusal, refusal.text);
	seq_close_fds(&f->message);

	vmm_control_detach_home(f->link, note_answer, f);
	take_home(f, VMM_MEDIUM_NONE, NULL);
	assert_int_equal(f->message.n_fds, 0);
	assert_null(f->refusal);
	close(base);
	close(image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_vmm_control__a_home_comes_and_goes,
						fixture_open, fixture_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
