/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_display_control.c - a display's life with a fake launch and a fake display in the same main loop
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "host/display_control.h"
#include "tests/unit/fake_launch.h"
#include "tests/unit/wait_for.h"

#define DESKTOP "d-aaaaaaaaaaaaaaaaaaaa"

/* What the fake display got, and how it behaves. */
struct fake_display {
	struct seq_source *hostd;
	guint listener;
	guint count[DISPLAY_QUIT + 1];
	guint with_fd[DISPLAY_QUIT + 1];
	struct display_client client;
	guint64 dropped;
	gboolean mute;		    /* no answer to BEAT */
	gboolean silent;	    /* no HELLO */
	struct display_hello hello; /* besides version and desktop */
};

struct fixture {
	struct fake_launch *launch;
	struct launch_client *client;
	struct display_control *control;
	struct fake_display display;
	guint sources; /* asked for */
	gboolean no_source;
	guint facts;
	struct display_fact fact;
	guint passed;
	int error;
};

static void
need_source(void *context)
{
	struct fixture *f = context;
	int fd = f->no_source ? -1 : dup(STDERR_FILENO);

	f->sources++;
	display_control_give_source(f->control, fd, DISPLAY_SOURCE_QEMU);
}

static void
note_fact(void *context, const struct display_fact *fact)
{
	struct fixture *f = context;

	f->facts++;
	f->fact = *fact;
}

static const struct display_control_events events = { need_source, note_fact };

static void
note_passed(void *data, int error)
{
	struct fixture *f = data;

	f->passed++;
	f->error = error;
}

static void
display_say(struct fixture *f, enum display_type type, const void *payload, gsize size)
{
	struct seq_header head = { .type = type, .size = (guint32)size };

	seq_source_send(f->display.hostd, &head, payload, NULL, 0);
}

static void
display_hear(void *context, struct seq_message *message)
{
	struct fixture *f = context;
	struct fake_display *display = &f->display;

	if (!message) {
		g_clear_pointer(&display->hostd, seq_source_free);
		return;
	}
	assert_in_range(message->head.type, 1, DISPLAY_QUIT);
	display->count[message->head.type]++;
	display->with_fd[message->head.type] += message->n_fds > 0;
	if (message->head.type == DISPLAY_CLIENT)
		memcpy(&display->client, message->payload, sizeof(display->client));
	if (message->head.type == DISPLAY_DROP)
		memcpy(&display->dropped, message->payload, sizeof(display->dropped));
	if (message->head.type == DISPLAY_BEAT && !display->mute)
		display_say(f, DISPLAY_BEAT, NULL, 0);
	if (message->head.type == DISPLAY_QUIT)
		fake_launch_end_child(f->launch, SIGTERM);
}

static void
display_greet(void *context, int fd)
{
	struct fixture *f = context;
	struct display_hello hello = f->display.hello;

	g_clear_pointer(&f->display.hostd, seq_source_free);
	f->display.hostd = seq_source_new(fd, "fake display", display_hear, f);
	hello.version = DISPLAY_PROTOCOL_VERSION;
	g_strlcpy(hello.desktop, DESKTOP, sizeof(hello.desktop));
	if (!f->display.silent)
		display_say(f, DISPLAY_HELLO, &hello, sizeof(hello));
}

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);
	g_autofree char *watch = NULL;
	int watch_fd = -1;

	f->launch = fake_launch_new();
	f->client = fake_launch_connect(f->launch);
	watch = g_build_filename(f->launch->folder, "watch", NULL);
	assert_int_equal(io_unix_listen(watch, SOCK_SEQPACKET, 0600, &watch_fd), 0);
	f->display.listener = seq_source_listen(dup(watch_fd), "fake display", display_greet, f);
	f->control = display_control_new(
		&(struct display_control_options){ .desktop = DESKTOP,
						   .generation = 1,
						   .folder = f->launch->folder,
						   .watch_fd = watch_fd,
						   .launch = f->client,
						   .times = { .beat_ms = 20,
							      .silence_ms = 150,
							      .linger_ms = 100,
							      .greeting_ms = 200,
							      .client_ms = 3000,
							      .retry_ms = 10 } },
		&events, f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	display_control_free(f->control);
	g_source_remove(f->display.listener);
	g_clear_pointer(&f->display.hostd, seq_source_free);
	for (guint i = 0; i < 20; i++)
		g_main_context_iteration(NULL, FALSE);
	launch_client_free(f->client);
	fake_launch_free(f->launch);
	g_free(f);
	return 0;
}

static void
add_client(struct fixture *f, guint64 attachment, const char *password)
{
	struct ticket_pass pass = { .attachment = attachment, .sink = DISPLAY_SINK_SPICE };

	g_strlcpy(pass.password, password, sizeof(pass.password));
	display_control_add_client(f->control, dup(STDERR_FILENO), &pass, note_passed, f);
}

static void
say_fact(struct fixture *f, enum display_fact_kind kind, guint64 attachment)
{
	struct display_fact fact = { .kind = kind, .attachment = attachment };

	display_say(f, DISPLAY_FACT, &fact, sizeof(fact));
}

static void
run_until_state(struct fixture *f, enum display_control_state wanted)
{
	WAIT_FOR(display_control_get_state(f->control) == wanted);
}

static void
connect_one(struct fixture *f)
{
	add_client(f, 5, "secret");
	fake_launch_run_until(&f->passed, 1);
	assert_int_equal(f->error, 0);
	fake_launch_run_until(&f->display.count[DISPLAY_CLIENT], 1);
	say_fact(f, DISPLAY_FACT_CONNECTED, 5);
	fake_launch_run_until(&f->facts, 1);
}

static void
test_display_control__starts_a_display_for_a_client(void **state)
{
	struct fixture *f = *state;

	assert_non_null(strstr(display_control_get_certificate(f->control), "BEGIN CERTIFICATE"));
	assert_string_equal(display_control_get_subject(f->control), "O=Carrel,CN=" DESKTOP);
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 0);
	connect_one(f);
	assert_int_equal(f->launch->role, LAUNCH_ROLE_DISPLAY);
	assert_string_equal(f->launch->argv, "--desktop " DESKTOP);
	assert_int_equal(f->display.count[DISPLAY_SETUP], 1);
	assert_int_equal(f->display.with_fd[DISPLAY_SOURCE], 1);
	assert_int_equal(f->display.with_fd[DISPLAY_CLIENT], 1);
	assert_int_equal(f->display.client.attachment, 5);
	assert_int_equal(f->display.client.first, 1);
	assert_string_equal(f->display.client.password, "secret");
	add_client(f, 5, "");
	fake_launch_run_until(&f->display.count[DISPLAY_CLIENT], 2);
	assert_int_equal(f->display.client.first, 0);
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 1);
}

static void
test_display_control__ends_it_after_the_last_has_gone(void **state)
{
	struct fixture *f = *state;

	connect_one(f);
	/* Longer than it lingers: whoever watches keeps it. */
	fake_launch_run_until(&f->display.count[DISPLAY_BEAT], 8);
	assert_int_equal(f->display.count[DISPLAY_QUIT], 0);
	say_fact(f, DISPLAY_FACT_DISCONNECTED, 5);
	fake_launch_run_until(&f->display.count[DISPLAY_QUIT], 1);
	run_until_state(f, DISPLAY_CONTROL_IDLE);
	assert_int_equal(f->facts, 2);
	assert_int_equal(f->launch->count[LAUNCH_KILL], 0);
}

static void
test_display_control__kills_one_without_a_heartbeat(void **state)
{
	struct fixture *f = *state;

	connect_one(f);
	f->display.mute = TRUE;
	run_until_state(f, DISPLAY_CONTROL_IDLE);
	assert_int_equal(f->launch->count[LAUNCH_KILL], 1);
	assert_int_equal(f->fact.kind, DISPLAY_FACT_DISCONNECTED);
	assert_int_equal(f->fact.attachment, 5);
}

static void
test_display_control__forgives_silence_when_hostd_slept(void **state)
{
	struct fixture *f = *state;
	guint beats;

	connect_one(f);
	g_usleep(400 * 1000);
	beats = f->display.count[DISPLAY_BEAT];
	fake_launch_run_until(&f->display.count[DISPLAY_BEAT], beats + 4);
	assert_int_equal(f->launch->count[LAUNCH_KILL], 0);
}

static void
test_display_control__starts_another_for_who_waits(void **state)
{
	struct fixture *f = *state;

	f->display.silent = TRUE;
	add_client(f, 5, "secret");
	fake_launch_run_until(&f->launch->count[LAUNCH_KILL], 1);
	f->display.silent = FALSE;
	fake_launch_run_until(&f->passed, 1);
	assert_int_equal(f->error, 0);
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 2);
}

static void
test_display_control__gives_up_after_some_tries(void **state)
{
	struct fixture *f = *state;

	f->launch->refuse = -ENOSPC;
	add_client(f, 5, "secret");
	fake_launch_run_until(&f->passed, 1);
	assert_int_equal(f->error, -EIO);
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 4);
}

static void
test_display_control__refuses_a_later_channel_of_nothing(void **state)
{
	struct fixture *f = *state;

	add_client(f, 5, "");
	assert_int_equal(f->passed, 0);
	fake_launch_run_until(&f->passed, 1);
	assert_int_equal(f->error, -ENOTCONN);
	assert_int_equal(f->launch->count[LAUNCH_SPAWN], 0);
}

static void
test_display_control__asks_for_a_new_source(void **state)
{
	struct fixture *f = *state;

	connect_one(f);
	say_fact(f, DISPLAY_FACT_SOURCE_LOST, 0);
	fake_launch_run_until(&f->display.count[DISPLAY_SOURCE], 2);
	assert_int_equal(f->sources, 2);
}

static void
test_display_control__without_a_source_nobody_gets_in(void **state)
{
	struct fixture *f = *state;

	f->no_source = TRUE;
	add_client(f, 5, "secret");
	fake_launch_run_until(&f->passed, 1);
	assert_int_equal(f->error, -EIO);
	f->no_source = FALSE;
	add_client(f, 6, "secret");
	fake_launch_run_until(&f->passed, 2);
	assert_int_equal(f->error, 0);
}

static void
test_display_control__passes_the_vdagent_port_on(void **state)
{
	struct fixture *f = *state;
	g_autofree char *path = g_build_filename(f->launch->folder, "vdagent", NULL);
	int fd = -1;

	assert_int_equal(io_unix_listen(path, SOCK_STREAM, 0600, &fd), 0);
	display_control_set_vdagent(f->control, TRUE);
	connect_one(f);
	assert_int_equal(f->display.with_fd[DISPLAY_VDAGENT], 1);
	display_control_set_vdagent(f->control, FALSE);
	fake_launch_run_until(&f->display.count[DISPLAY_VDAGENT], 2);
	assert_int_equal(f->display.with_fd[DISPLAY_VDAGENT], 1);
	close(fd);
}

static void
test_display_control__drops_an_attachment(void **state)
{
	struct fixture *f = *state;

	connect_one(f);
	display_control_drop(f->control, 5);
	fake_launch_run_until(&f->display.count[DISPLAY_DROP], 1);
	assert_int_equal(f->display.dropped, 5);
}

static void
test_display_control__kills_one_that_breaks_the_protocol(void **state)
{
	struct fixture *f = *state;

	connect_one(f);
	say_fact(f, DISPLAY_FACT_COUNT, 5);
	run_until_state(f, DISPLAY_CONTROL_IDLE);
	assert_int_equal(f->launch->count[LAUNCH_KILL], 1);
}

/* As a new hostd does: launch lists the process, HELLO tells who watches. */
static void
test_display_control__takes_a_living_one_over(void **state)
{
	struct fixture *f = *state;
	struct launch_process process = { 0 };

	connect_one(f);
	process.pid = f->launch->child;
	assert_int_equal(io_process_start(f->launch->child, &process.start_ticks), 0);
	display_control_leave(f->control);
	f->display.hello.attachment = 5;
	f->display.hello.has_source = 1;
	f->control =
		display_control_new(&(struct display_control_options){ .desktop = DESKTOP,
								       .generation = 1,
								       .folder = f->launch->folder,
								       .watch_fd = -1,
								       .launch = f->client },
				    &events, f);
	assert_true(display_control_adopt(f->control, &process));
	run_until_state(f, DISPLAY_CONTROL_READY);
	assert_int_equal(f->fact.kind, DISPLAY_FACT_CONNECTED);
	assert_int_equal(f->fact.attachment, 5);
	assert_int_equal(f->launch->count[LAUNCH_KILL], 0);
	process.start_ticks++;
	fake_launch_end_child(f->launch, SIGKILL);
	run_until_state(f, DISPLAY_CONTROL_IDLE);
	assert_false(display_control_adopt(f->control, &process));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_display_control__starts_a_display_for_a_client),
		TEST(test_display_control__ends_it_after_the_last_has_gone),
		TEST(test_display_control__kills_one_without_a_heartbeat),
		TEST(test_display_control__forgives_silence_when_hostd_slept),
		TEST(test_display_control__starts_another_for_who_waits),
		TEST(test_display_control__gives_up_after_some_tries),
		TEST(test_display_control__refuses_a_later_channel_of_nothing),
		TEST(test_display_control__asks_for_a_new_source),
		TEST(test_display_control__without_a_source_nobody_gets_in),
		TEST(test_display_control__passes_the_vdagent_port_on),
		TEST(test_display_control__drops_an_attachment),
		TEST(test_display_control__kills_one_that_breaks_the_protocol),
		TEST(test_display_control__takes_a_living_one_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
