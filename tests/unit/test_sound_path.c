/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_sound_path.c - what a guest plays on its sound card is what a SPICE client hears, and what that says the guest records
 *
 * A whole machine on /dev/kvm runs tests/guests/guest_sound.c in a thread of its own; display and client are in this one. Of
 * carrel-display only TLS and the choice of a client are left out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/proto_sound.h"
#include "display/source_vmm.h"
#include "tests/unit/display_peer.h"
#include "tests/unit/machine_stage.h"
#include "tests/unit/sound_client.h"
#include "vmm/description.h"
#include "vmm/loop.h"
#include "vmm/machine.h"
#include "vmm/platform.h"

#define EXIT_SKIP    77
#define GUEST	     "../guests/guest_sound.guest"
#define LOOK_NS	     UINT64_C(20000000)
#define PATIENCE_S   60
#define GUEST_HZ     500 /* guest_sound.c's tone */
#define VOICE_HZ     700
#define TOLERANCE_HZ 60			     /* a loaded machine drops some */
#define ENOUGH	     (2 * SOURCE_SOUND_RATE) /* frames */

struct stage {
	struct description description;
	struct machine *machine;
	struct loop_timer *timer; /* looks whether it is over */
	atomic_bool over;
	pthread_t thread;
	int result;
	struct sound_server server;
	struct source *source;
	struct sound_client client;
	gint64 deadline_us;
};

/* The machine's thread. */

static void
look_for_end(void *context)
{
	struct stage *stage = context;

	if (stage->over)
		machine_ask_quit(stage->machine);
	loop_timer_set(stage->timer, loop_now_ns() + LOOK_NS);
}

static void *
run_machine(void *context)
{
	struct stage *stage = context;

	stage->result = machine_run(stage->machine);
	return NULL;
}

static void
start_machine(struct stage *stage, const char *command_line)
{
	char problem[MACHINE_PROBLEM_BYTES];

	assert_int_equal(
		machine_stage_describe(open(GUEST, O_RDONLY | O_CLOEXEC), &stage->description), 0);
	stage->description.display_fd = display_peer_listen();
	stage->description.scanouts = 1;
	stage->description.width = 640;
	stage->description.height = 480;
	stage->description.serial = true;
	stage->description.sound = true;
	snprintf(stage->description.command_line, sizeof(stage->description.command_line), "%s",
		 command_line);
	if (machine_new(&stage->description, &stage->machine, problem) < 0)
		fail_msg("%s", problem);
	assert_int_equal(loop_timer_new(machine_get_platform(stage->machine)->loop, "test",
					look_for_end, stage, &stage->timer),
			 0);
	loop_timer_set(stage->timer, loop_now_ns() + LOOK_NS);
	assert_int_equal(pthread_create(&stage->thread, NULL, run_machine, stage), 0);
}

static void
end_machine(struct stage *stage)
{
	stage->over = true;
	pthread_join(stage->thread, NULL);
	assert_int_equal(stage->result, 0);
	loop_timer_free(stage->timer);
	machine_free(stage->machine);
	machine_stage_close(&stage->description);
}

/* Between source and sink. */

static void
pass_spoken(void *context, const void *frames, uint32_t n_frames)
{
	struct stage *stage = context;

	stage->source->ops->speak(stage->source, frames, n_frames);
}

static void
handle_ready(void *context, const char *device_address, uint32_t n_heads)
{
	struct stage *stage = context;

	(void)device_address;
	(void)n_heads;
	stage->source->ops->listen(stage->source, true, true);
}

static void
pass_sound(void *context, bool plays, bool records)
{
	struct stage *stage = context;

	stage->server.sink->ops->set_sound(stage->server.sink, plays, records);
}

static void
pass_played(void *context, const void *frames, uint32_t n_frames)
{
	struct stage *stage = context;

	stage->server.sink->ops->play(stage->server.sink, frames, n_frames);
}

static void
handle_lost(void *context, const char *why)
{
	(void)context;
	fail_msg("lost: %s", why);
}

static const struct source_events source_events = { handle_ready, pass_sound, pass_played,
						    handle_lost };

static int
dial(int listen_fd)
{
	struct sockaddr_un address;
	socklen_t size = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(getsockname(listen_fd, (struct sockaddr *)&address, &size), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, size), 0);
	return fd;
}

static int
set_up(void **state)
{
	struct stage *stage = test_calloc(1, sizeof(*stage));

	sound_server_open(&stage->server, pass_spoken, stage);
	stage->deadline_us = g_get_monotonic_time() + PATIENCE_S * G_USEC_PER_SEC;
	*state = stage;
	return 0;
}

static int
tear_down(void **state)
{
	struct stage *stage = *state;

	sound_client_disconnect(&stage->client);
	stage->source->ops->free(stage->source);
	end_machine(stage);
	sound_server_close(&stage->server);
	test_free(stage);
	return 0;
}

static void
start(struct stage *stage, const char *command_line)
{
	start_machine(stage, command_line);
	stage->source = source_vmm_new(dial(stage->description.display_fd), stage->server.surfaces,
				       &source_events, stage);
	sound_client_connect(&stage->client, stage->server.sink);
}

static void
wait_more(struct stage *stage)
{
	assert_true(g_get_monotonic_time() < stage->deadline_us);
	if (!g_main_context_iteration(NULL, FALSE))
		g_usleep(1000);
}

static void
expect_tone(const struct ear *ear, uint32_t hz)
{
	print_message("heard %u Hz and %u Hz\n", ear_get_hz(ear, 0), ear_get_hz(ear, 1));
	for (size_t side = 0; side < 2; side++)
		assert_in_range(ear_get_hz(ear, side), hz - TOLERANCE_HZ, hz + TOLERANCE_HZ);
}

static void
test_sound_path__a_client_hears_the_guest(void **state)
{
	struct stage *stage = *state;
	struct ear *ear = &stage->client.ear;
	gint64 begin_us, elapsed_ms;

	start(stage, "");
	while (ear->n_frames == 0)
		wait_more(stage);
	begin_us = g_get_monotonic_time();
	while (ear->n_frames < ENOUGH)
		wait_more(stage);
	elapsed_ms = (g_get_monotonic_time() - begin_us) / 1000;
	expect_tone(ear, GUEST_HZ);
	/* In the card's time, not as fast as it can: a second less would be half of it. */
	print_message("%u frames in %d ms\n", ear->n_frames, (int)elapsed_ms);
	assert_in_range(elapsed_ms, 1700, 5000);
}

static void
test_sound_path__the_guest_hears_the_client(void **state)
{
	struct stage *stage = *state;
	struct ear *ear = &stage->client.ear;
	int16_t samples[2 * SOUND_CLIENT_PIECE];
	gint64 begin_us = 0;
	uint32_t position = 0;

	start(stage, "echo");
	while (!stage->client.record)
		wait_more(stage);
	begin_us = g_get_monotonic_time();
	while (ear->n_crossings[0] == 0 || ear->n_frames < ENOUGH) {
		while (position <
		       (g_get_monotonic_time() - begin_us) * SOURCE_SOUND_RATE / G_USEC_PER_SEC) {
			sound_client_make_tone(position, VOICE_HZ, VOICE_HZ, samples);
			sound_client_speak(&stage->client, samples,
					   position / (SOURCE_SOUND_RATE / 1000));
			position += SOUND_CLIENT_PIECE;
		}
		wait_more(stage);
		if (ear->n_crossings[0] == 0)
			memset(ear, 0, sizeof(*ear)); /* the silence before */
	}
	expect_tone(ear, VOICE_HZ);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_sound_path__##name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_client_hears_the_guest),
		TEST(the_guest_hears_the_client),
	};

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		printf("no /dev/kvm here\n");
		return EXIT_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
