/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_machine_space.c - a whole machine on /dev/kvm and what its disk is to keep: on a host without room for it, and at the end
 *
 * The guest only counts. Its disk's driver is the test, which writes to it from the machine's own loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <linux/virtio_blk.h>

#include "base/proto_vmm.h"
#include "tests/unit/disk_stage.h"
#include "tests/unit/fake_platform.h"
#include "tests/unit/guest_kernel.h"
#include "tests/unit/machine_stage.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/description.h"
#include "vmm/loop.h"
#include "vmm/machine.h"
#include "vmm/overlay_file.h"
#include "vmm/slots.h"

#define EXIT_SKIP   77
#define FREE_GPA    (UINT64_C(8) << 20)
#define DISK_BYTES  (UINT64_C(4) << 20)
#define ROOM_BYTES  (4 << 20)
#define LEFT_BYTES  (64 << 10)
#define WRITE_BYTES (512 << 10)
#define TICK_NS	    UINT64_C(20000000)
#define SHORT	    15	/* ticks: less than the disks wait before they try again */
#define LATE	    500 /* more than that */

GUEST(count, "mov $0x300000, %ebx\n1: incl (%ebx)\njmp 1b\n");

struct act;

struct stage {
	struct description description;
	struct machine *machine;
	struct loop_timer *timer;
	struct fake_platform guest; /* the machine's platform, for the driver */
	struct virtio_driver driver;
	uint64_t gpa; /* of the request */
	uint64_t next_sector;
	int filler;
	const struct act *acts;
	size_t n_acts; /* that were done */
	int steady;    /* ticks in the state that the next one waits for */
	int ticks;     /* since the last one */
};

/* What there is to do */

static void
stage_write(struct stage *stage)
{
	const struct virtio_blk_outhdr header = { .type = htole32(VIRTIO_BLK_T_OUT),
						  .sector = htole64(stage->next_sector) };
	const struct driver_buffer buffers[] = {
		{ stage->gpa, sizeof(header), false },
		{ stage->gpa + 4096, WRITE_BYTES, false },
		{ stage->gpa + 512, 1, true },
	};

	memcpy(fake_platform_map(&stage->guest, stage->gpa, sizeof(header)), &header,
	       sizeof(header));
	assert_true(driver_ring_add(stage->driver.rings[0], buffers, 3) >= 0);
	fake_platform_write(&stage->guest, stage->driver.doorbells[0], 2, 0);
	stage->next_sector += WRITE_BYTES / 512;
}

static void
stage_make_room(struct stage *stage)
{
	assert_int_equal(ftruncate(stage->filler, 0), 0);
}

static void
stage_fill_up(struct stage *stage)
{
	off_t bytes = ROOM_BYTES;

	while (bytes > 0 && fallocate(stage->filler, 0, 0, bytes) < 0)
		bytes -= LEFT_BYTES;
}

static void
stage_resume(struct stage *stage)
{
	machine_ask_resume(stage->machine);
}

static void
stage_make_room_and_resume(struct stage *stage)
{
	stage_make_room(stage);
	machine_ask_resume(stage->machine);
}

static void
stage_write_in_vain_and_pause(struct stage *stage)
{
	stage_fill_up(stage);
	stage_write(stage);
	machine_ask_pause(stage->machine);
}

static void
stage_quit(struct stage *stage)
{
	machine_ask_quit(stage->machine);
}

static void
stage_switch_off(struct stage *stage)
{
	const struct platform *platform = &stage->guest.platform;

	platform->ops->report(platform->context, PLATFORM_EVENT_SHUTDOWN);
}

/* From now on no file can be written. */
static void
stage_fail_and_quit(struct stage *stage)
{
	const struct rlimit none = { 0, RLIM_INFINITY };

	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	machine_ask_quit(stage->machine);
}

/* They are done one after the other, each as soon as the machine was in this state for so many ticks. */
struct act {
	enum vmm_state state;
	enum vmm_pause_reason reason;
	int steady;
	void (*act)(struct stage *stage); /* NULL: that was the last */
};

static const struct act space_acts[] = {
	{ VMM_STATE_RUNNING, VMM_PAUSE_NONE, 1, stage_write },
	{ VMM_STATE_PAUSED, VMM_PAUSE_NO_SPACE, SHORT, stage_resume },
	{ VMM_STATE_PAUSED, VMM_PAUSE_NO_SPACE, SHORT, stage_make_room_and_resume },
	{ VMM_STATE_RUNNING, VMM_PAUSE_NONE, SHORT, stage_write_in_vain_and_pause },
	{ VMM_STATE_PAUSED, VMM_PAUSE_ASKED, SHORT, stage_resume },
	{ VMM_STATE_PAUSED, VMM_PAUSE_NO_SPACE, SHORT, stage_make_room },
	{ VMM_STATE_RUNNING, VMM_PAUSE_NONE, SHORT, stage_quit },
	{ 0 },
};

static const struct act quit_acts[] = {
	{ VMM_STATE_RUNNING, VMM_PAUSE_NONE, 1, stage_write },
	{ VMM_STATE_RUNNING, VMM_PAUSE_NONE, SHORT, stage_quit },
	{ 0 },
};

static const struct act off_acts[] = {
	{ VMM_STATE_RUNNING, VMM_PAUSE_NONE, 1, stage_write },
	{ VMM_STATE_RUNNING, VMM_PAUSE_NONE, SHORT, stage_switch_off },
	{ 0 },
};

static const struct act failing_acts[] = {
	{ VMM_STATE_RUNNING, VMM_PAUSE_NONE, 1, stage_write },
	{ VMM_STATE_RUNNING, VMM_PAUSE_NONE, SHORT, stage_fail_and_quit },
	{ 0 },
};

static void
stage_handle_timer(void *context)
{
	struct stage *stage = context;
	const struct act *next = &stage->acts[stage->n_acts];

	loop_timer_set(stage->timer, loop_now_ns() + TICK_NS);
	if (machine_get_state(stage->machine) != next->state ||
	    machine_get_pause_reason(stage->machine) != next->reason)
		stage->steady = 0;
	else if (++stage->steady == next->steady) {
		next->act(stage);
		stage->n_acts++;
		stage->steady = 0;
		stage->ticks = 0;
		if (!next[1].act)
			loop_timer_set(stage->timer, 0);
	}
	if (++stage->ticks == LATE)
		machine_ask_quit(stage->machine);
}

static void
stage_open(struct stage *stage, int base_fd, int overlay_fd)
{
	char problem[MACHINE_PROBLEM_BYTES];

	assert_int_equal(machine_stage_describe(guest_kernel_make(guest_count, guest_count_end),
						&stage->description),
			 0);
	stage->description.n_disks = 1;
	stage->description.disks[0] = (struct description_disk){ .serial = "root",
								 .base_fd = base_fd,
								 .overlay_fd = overlay_fd };
	if (machine_new(&stage->description, &stage->machine, problem) < 0)
		fail_msg("%s", problem);
	stage->guest.platform = *machine_get_platform(stage->machine);
	stage->guest.next_gpa = FREE_GPA;
	assert_int_equal(virtio_driver_open(&stage->driver, &stage->guest, SLOT_DISK), 0);
	assert_int_equal(virtio_driver_start(&stage->driver, VIRTIO_DRIVER_ALL_FEATURES), 0);
	stage->gpa = fake_platform_alloc(&stage->guest, 4096 + WRITE_BYTES, 4096);
	assert_int_equal(loop_timer_new(stage->guest.platform.loop, "test", stage_handle_timer,
					stage, &stage->timer),
			 0);
	loop_timer_set(stage->timer, loop_now_ns() + TICK_NS);
}

static void
stage_close(struct stage *stage)
{
	virtio_driver_close(&stage->driver);
	loop_timer_free(stage->timer);
	machine_free(stage->machine);
	machine_stage_close(&stage->description);
}

#define STATES_MAX 16

/* The states that the machine was in, one after the other. */
struct course {
	uint32_t states[STATES_MAX];
	uint32_t reasons[STATES_MAX];
	size_t n;
};

static void
note_state(void *context, const struct vmm_event *event)
{
	struct course *course = context;

	if (event->kind != VMM_EVENT_STATE || course->n == STATES_MAX)
		return;
	course->states[course->n] = event->value;
	course->reasons[course->n++] = event->detail;
}

/* As space_acts bring it about: who resumes while there is room finds the machine running. */
static void
assert_course(const struct course *course)
{
	static const struct {
		enum vmm_state state;
		enum vmm_pause_reason reason;
	} wanted[] = {
		{ VMM_STATE_RUNNING, VMM_PAUSE_NONE },	  { VMM_STATE_PAUSED, VMM_PAUSE_NO_SPACE },
		{ VMM_STATE_PAUSED, VMM_PAUSE_NO_SPACE }, { VMM_STATE_RUNNING, VMM_PAUSE_NONE },
		{ VMM_STATE_PAUSED, VMM_PAUSE_ASKED },	  { VMM_STATE_PAUSED, VMM_PAUSE_NO_SPACE },
		{ VMM_STATE_RUNNING, VMM_PAUSE_NONE },
	};

	assert_int_equal(course->n, sizeof(wanted) / sizeof(wanted[0]));
	for (size_t i = 0; i < course->n; i++) {
		assert_int_equal(course->states[i], wanted[i].state);
		assert_int_equal(course->reasons[i], wanted[i].reason);
	}
}

static void
test_machine_space__it_runs_only_while_no_disk_lacks_room(void **state)
{
	struct stage stage = { .acts = space_acts };
	struct course course = { 0 };
	int base_fd = disk_stage_make_file(DISK_BYTES, 1);
	int overlay_fd;

	(void)state;
	assert_true(base_fd >= 0);
	assert_int_equal(disk_stage_make_tight(ROOM_BYTES, LEFT_BYTES, &overlay_fd, &stage.filler),
			 0);
	stage_open(&stage, disk_stage_reopen_read_only(base_fd), overlay_fd);
	machine_set_watcher(stage.machine, note_state, &course);
	assert_int_equal(machine_run(stage.machine), 0);
	assert_null(stage.acts[stage.n_acts].act);
	assert_course(&course);
	machine_set_watcher(stage.machine, NULL, NULL);
	stage_close(&stage);
	close(stage.description.disks[0].base_fd);
	close(overlay_fd);
	close(stage.filler);
	close(base_fd);
}

static void
note_failure(void *context, const struct vmm_event *event)
{
	if (event->kind == VMM_EVENT_STATE && event->value == VMM_STATE_FAILED)
		(*(int *)context)++;
}

/* A life with one write and no flush. The overlay's descriptor; the state in which it ended. */
static int
live_without_flush(const struct act *acts, enum vmm_state *ret_state, int *ret_failures)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct stage stage = { .acts = acts };
	int base_fd = disk_stage_make_file(DISK_BYTES, 1);
	int overlay_fd = memfd_create("overlay", MFD_CLOEXEC);
	int failures = 0;
	int result;

	stage_open(&stage, disk_stage_reopen_read_only(base_fd), overlay_fd);
	machine_set_watcher(stage.machine, note_failure, &failures);
	result = machine_run(stage.machine);
	setrlimit(RLIMIT_FSIZE, &all);
	assert_int_equal(result, 0);
	assert_null(stage.acts[stage.n_acts].act);
	*ret_state = machine_get_state(stage.machine);
	*ret_failures = failures;
	machine_set_watcher(stage.machine, NULL, NULL);
	stage_close(&stage);
	close(stage.description.disks[0].base_fd);
	close(base_fd);
	return overlay_fd;
}

/* The first bits of the table: the clusters that were written. */
static uint8_t
read_table(int overlay_fd)
{
	uint8_t table = 0;

	assert_int_equal(pread(overlay_fd, &table, 1, OVERLAY_BLOCK_BYTES), 1);
	close(overlay_fd);
	return table;
}

static void
test_machine_space__what_was_not_flushed_is_kept(void **state)
{
	enum vmm_state end;
	int failures;

	(void)state;
	assert_int_equal(read_table(live_without_flush(quit_acts, &end, &failures)), 0xff);
	assert_int_equal(end, VMM_STATE_RUNNING);
	assert_int_equal(read_table(live_without_flush(off_acts, &end, &failures)), 0xff);
	assert_int_equal(end, VMM_STATE_OFF);
	assert_int_equal(failures, 0);
}

static void
test_machine_space__what_cannot_be_kept_is_told(void **state)
{
	enum vmm_state end;
	int failures;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(read_table(live_without_flush(failing_acts, &end, &failures)), 0);
	assert_int_equal(end, VMM_STATE_FAILED);
	assert_int_equal(failures, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machine_space__it_runs_only_while_no_disk_lacks_room),
		cmocka_unit_test(test_machine_space__what_was_not_flushed_is_kept),
		cmocka_unit_test(test_machine_space__what_cannot_be_kept_is_told),
	};

	if (access("/dev/kvm", R_OK | W_OK) < 0) {
		printf("/dev/kvm cannot be opened: %s\n", strerror(errno));
		return EXIT_SKIP;
	}
	if (geteuid() != 0) {
		printf("only root can mount a file system without room\n");
		return EXIT_SKIP;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
