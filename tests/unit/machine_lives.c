/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine_lives.c - whole lives of machines, for tests of what contains them
 *
 * How it works: the machine has one of each device. Its loop runs in the calling thread. Who plays the outside is a thread that was there
 * before the filters, and is therefore under none; it ends the process when something does not come in time. What the guests
 * complain of is not looked at here: tests/integration/test-vmm-*.sh do that.
 */
#include "tests/unit/machine_lives.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/proto_source.h"
#include "base/proto_vmm.h"
#include "base/seq.h"
#include "tests/unit/display_peer.h"
#include "tests/unit/guest_kernel.h"
#include "tests/unit/machine_stage.h"
#include "vmm/control.h"
#include "vmm/description.h"
#include "vmm/machine.h"
#include "vmm/machine_control.h"

#define WAIT_MS	      20000
#define STEP_US	      20000
#define DISK_SECTORS  2048
#define SECTOR	      512
#define BUSY_GUEST    "busy" /* no file: the code below */
#define FRAME_BYTES   1200
#define BALLOON_BYTES (1 << 20)
#define BALLOON_WORD \
	0xaff000     /* the last one that guest_balloon.c touches before it wants to be asked */
#define PICTURE	   7 /* guest_seat.c's first pixel is a thousand times that */
#define KEY_A	   30
#define LINE	   "line"
#define TAP_DEVICE "/dev/net/tun"

/* Says a line on COM1, has the clock interrupt, and counts what it reads of it. */
GUEST(busy, "mov $0x3f8, %dx\nmov $'h', %al\nout %al, %dx\nmov $'\\n', %al\nout %al, %dx\n"
	    "mov $0x3f9, %dx\nmov $2, %al\nout %al, %dx\n" /* interrupts of the serial port */
	    "mov $0x0a, %al\nout %al, $0x70\nmov $0x26, %al\nout %al, $0x71\n"
	    "mov $0x0b, %al\nout %al, $0x70\nmov $0x42, %al\nout %al, $0x71\n" /* periodic */
	    "1: mov $0x0c, %al\nout %al, $0x70\nin $0x71, %al\njmp 1b\n");

struct life_stage {
	const struct machine_life *life;
	struct description description;
	struct machine *machine;
	int cable; /* the other end of the network's */
	int second_tap;
	struct display_peer *control;
	struct seq_message answer;
};

static void __attribute__((noreturn)) life_fail(const struct life_stage *stage, const char *what)
{
	fprintf(stderr, "the life with '%s': %s\n", stage->life->guest, what);
	_exit(10);
}

static void
life_check(const struct life_stage *stage, bool good, const char *what)
{
	if (!good)
		life_fail(stage, what);
}

/* The condition comes true within WAIT_MS. */
#define LIFE_WAIT(stage, condition, what)                                  \
	do {                                                               \
		int life_waited = 0;                                       \
		while (!(condition) && life_waited++ < WAIT_MS)            \
			usleep(1000);                                      \
		life_check(stage, life_waited < WAIT_MS, what " in vain"); \
	} while (0)

/* Anything but the answer is an event. */
static bool
life_has_answer(struct life_stage *stage, uint32_t type)
{
	int error = seq_receive(stage->control->fd, &stage->answer);

	life_check(stage, error == 0 || error == -EAGAIN, "the control connection is lost");
	return error == 0 && stage->answer.head.type == type;
}

/* 0 or what the answer says. */
static int
life_ask(struct life_stage *stage, uint32_t type, const void *payload, size_t bytes, const int *fds,
	 size_t n_fds)
{
	const struct seq_header head = { .type = type, .id = type, .size = (uint32_t)bytes };

	life_check(stage, seq_send(stage->control->fd, &head, payload, fds, n_fds) == 0, "asks");
	LIFE_WAIT(stage, life_has_answer(stage, type), "waits for an answer");
	return stage->answer.head.status;
}

static void
life_order(struct life_stage *stage, uint32_t type)
{
	life_check(stage, life_ask(stage, type, NULL, 0, NULL, 0) == 0, "an order is refused");
}

static const struct vmm_statistics *
life_count(struct life_stage *stage)
{
	life_order(stage, VMM_STATISTICS);
	return (const struct vmm_statistics *)stage->answer.payload;
}

static const struct vmm_status *
life_look(struct life_stage *stage)
{
	life_order(stage, VMM_STATUS);
	return (const struct vmm_status *)stage->answer.payload;
}

static int
life_change_home(struct life_stage *stage, uint32_t medium, const int *fds, size_t n_fds)
{
	const struct vmm_home home = { medium };

	return life_ask(stage, VMM_HOME, &home, sizeof(home), fds, n_fds);
}

/* A home with an overlay that is made, then one that is an image, and none. */
static void
life_change_homes(struct life_stage *stage)
{
	const int home[] = { stage->description.disks[0].base_fd,
			     memfd_create("overlay", MFD_CLOEXEC) };
	const int image = memfd_create("image", MFD_CLOEXEC);

	if (ftruncate(image, DISK_SECTORS * SECTOR) < 0 ||
	    life_change_home(stage, VMM_MEDIUM_OVERLAY, home, 2) < 0 ||
	    life_change_home(stage, VMM_MEDIUM_RAW, &image, 1) != -EBUSY ||
	    life_change_home(stage, VMM_MEDIUM_NONE, NULL, 0) < 0 ||
	    life_change_home(stage, VMM_MEDIUM_RAW, &image, 1) < 0 ||
	    life_change_home(stage, VMM_MEDIUM_NONE, NULL, 0) < 0)
		life_fail(stage, "its home does not change");
	close(home[1]);
	close(image);
}

static struct display_peer *
life_connect_display(struct life_stage *stage)
{
	struct display_peer *display = NULL;

	life_check(stage, display_peer_open(stage->description.display_fd, true, &display) == 0,
		   "the display cannot connect");
	return display;
}

static void
life_seal(struct life_stage *stage)
{
	const struct vmm_link down = { 0 };
	const int state = memfd_create("state", MFD_CLOEXEC);

	life_order(stage, VMM_PAUSE);
	life_check(stage, life_ask(stage, VMM_SEAL, NULL, 0, &state, 1) == -EBUSY,
		   "it is sealed with its link up");
	if (life_ask(stage, VMM_LINK, &down, sizeof(down), NULL, 0) < 0 ||
	    life_ask(stage, VMM_SEAL, NULL, 0, &state, 1) < 0)
		life_fail(stage, "it cannot be sealed");
	life_order(stage, VMM_RESUME);
	close(state);
}

static void
life_play_orders(struct life_stage *stage)
{
	static const uint32_t orders[] = { VMM_PAUSE, VMM_RESUME, VMM_RESET, VMM_POWERDOWN };
	struct display_peer *display = life_connect_display(stage);

	usleep(STEP_US);
	display_peer_read(display);
	display_peer_close(display);
	life_look(stage);
	life_change_homes(stage);
	life_seal(stage);
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		life_order(stage, orders[i]);
		usleep(STEP_US);
	}
	life_order(stage, VMM_QUIT);
}

static void
life_play_failure(struct life_stage *stage)
{
	LIFE_WAIT(stage, life_look(stage)->state == VMM_STATE_FAILED, "waits for the failure");
	life_order(stage, VMM_QUIT);
}

static bool
life_shows(struct display_peer *display, uint32_t pixel)
{
	display_peer_read(display);
	return display_peer_pixel(display, 0, 0, 0) == pixel;
}

/* A key, again and again: nobody says when the guest begins to listen. */
static bool
life_has_gone_dark(struct display_peer *display)
{
	struct source_key key = { KEY_A, 1 };

	display_peer_send(display, SOURCE_KEY, &key, sizeof(key));
	key.down = 0;
	display_peer_send(display, SOURCE_KEY, &key, sizeof(key));
	display_peer_read(display);
	return display->scanouts[0].offer.width == 0;
}

static void
life_play_display(struct life_stage *stage)
{
	struct display_peer *display = life_connect_display(stage);
	const int picture = memfd_create("picture", MFD_CLOEXEC);

	LIFE_WAIT(stage, life_shows(display, PICTURE * 1000), "waits for the picture");
	life_check(stage, life_ask(stage, VMM_SCREENSHOT, NULL, 0, &picture, 1) == 0,
		   "a screenshot is refused");
	LIFE_WAIT(stage, life_has_gone_dark(display), "waits for the picture to go");
	display_peer_close(display);
	close(picture);
}

static void
life_receive(struct life_stage *stage, void *bytes, size_t size)
{
	life_check(stage, recv(stage->cable, bytes, size, MSG_WAITALL) == (ssize_t)size,
		   "no frame comes");
}

/* A frame comes, one is answered, and a new peer is plugged in. */
static void
life_play_network(struct life_stage *stage)
{
	struct vmm_link link = { 0 };
	uint8_t frame[sizeof(uint32_t) + FRAME_BYTES] = { 0 };
	uint32_t size;
	int cable[2];

	life_receive(stage, &size, sizeof(size));
	life_check(stage, ntohl(size) <= FRAME_BYTES, "a frame is too large");
	life_receive(stage, frame, ntohl(size));
	size = htonl(FRAME_BYTES);
	memcpy(frame, &size, sizeof(size));
	life_check(stage, send(stage->cable, frame, sizeof(frame), 0) == (ssize_t)sizeof(frame),
		   "no frame goes");
	LIFE_WAIT(stage, life_count(stage)->net_received_bytes > 0, "waits for the guest");
	usleep(STEP_US);
	life_check(stage, life_ask(stage, VMM_LINK, &link, sizeof(link), NULL, 0) == 0,
		   "the link does not go");
	life_check(stage, socketpair(AF_UNIX, SOCK_STREAM, 0, cable) == 0, "no new cable");
	link.up = 1;
	life_check(stage, life_ask(stage, VMM_LINK, &link, sizeof(link), &cable[0], 1) == 0,
		   "the link does not come");
	life_receive(&(struct life_stage){ .life = stage->life, .cable = cable[1] }, &size,
		     sizeof(size));
	life_order(stage, VMM_QUIT);
	close(cable[0]);
	close(cable[1]);
}

/* In a network namespace of the process's own, whose child a life is. */
static int
life_open_tap(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open(TAP_DEVICE, O_RDWR | O_CLOEXEC);
	int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	error = ioctl(fd, TUNSETIFF, &request);
	request.ifr_flags = IFF_UP;
	if (error == 0)
		error = ioctl(socket_fd, SIOCSIFFLAGS, &request);
	close(socket_fd);
	return error == 0 ? fd : -1;
}

bool
machine_life_may_have_tap(void)
{
	return geteuid() == 0 && access(TAP_DEVICE, R_OK | W_OK) == 0;
}

static void
life_play_tap(struct life_stage *stage)
{
	const struct vmm_link link = { 1 };

	LIFE_WAIT(stage, life_count(stage)->net_sent_bytes > 0, "waits for a frame");
	life_check(stage,
		   life_ask(stage, VMM_LINK, &link, sizeof(link), &stage->second_tap, 1) == 0,
		   "another tap device is refused");
	life_order(stage, VMM_QUIT);
}

/* A line to the guest and back, in capital letters. */
static void
life_play_port(struct life_stage *stage)
{
	struct sockaddr_un address;
	socklen_t address_bytes = sizeof(address);
	char line[sizeof(LINE)] = "";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	LIFE_WAIT(stage, life_look(stage)->agent_open, "waits for the guest to open its port");
	life_check(stage,
		   getsockname(stage->description.ports[0].listen_fd, (struct sockaddr *)&address,
			       &address_bytes) == 0 &&
			   connect(fd, (struct sockaddr *)&address, address_bytes) == 0 &&
			   send(fd, LINE, strlen(LINE), 0) == (ssize_t)strlen(LINE),
		   "the port takes no line");
	life_check(stage, recv(fd, line, strlen(LINE), MSG_WAITALL) == (ssize_t)strlen(LINE),
		   "no line comes back");
	close(fd);
	life_order(stage, VMM_QUIT);
}

static bool
life_has_touched(const struct life_stage *stage)
{
	uint64_t word = 0;

	return pread(stage->description.memory_fd, &word, sizeof(word), BALLOON_WORD) ==
		       sizeof(word) &&
	       word != 0;
}

static void
life_play_balloon(struct life_stage *stage)
{
	const struct vmm_balloon balloon = { BALLOON_BYTES };

	LIFE_WAIT(stage, life_has_touched(stage), "waits for the guest to touch its memory");
	life_check(stage, life_ask(stage, VMM_BALLOON, &balloon, sizeof(balloon), NULL, 0) == 0,
		   "the balloon is refused");
	LIFE_WAIT(stage, life_count(stage)->balloon_bytes == BALLOON_BYTES,
		  "waits for the guest's memory");
	life_order(stage, VMM_QUIT);
}

const struct machine_life machine_lives[] = {
	{ BUSY_GUEST, "", life_play_orders, false },
	{ "blk", "hostile", NULL, false },
	{ "lost", "", life_play_failure, false },
	{ "rng", "", NULL, false },
	{ "seat", "7 alone", life_play_display, false },
	{ "net", "", life_play_network, false },
	{ "net", "", life_play_tap, true },
	{ "console", "", life_play_port, false },
	{ "balloon", "", life_play_balloon, false },
};
const size_t machine_n_lives = sizeof(machine_lives) / sizeof(machine_lives[0]);

static int
life_open_again(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int
life_open_kernel(const struct machine_life *life)
{
	char path[64];

	if (strcmp(life->guest, BUSY_GUEST) == 0)
		return guest_kernel_make(guest_busy, guest_busy_end);
	snprintf(path, sizeof(path), "../guests/guest_%s.guest", life->guest);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* As guest_blk.c wants it: each sector begins with its number. */
static int
life_make_disk(struct life_stage *stage)
{
	int base = memfd_create("disk", MFD_CLOEXEC);
	int fd;

	for (uint64_t sector = 0; sector < DISK_SECTORS; sector++)
		life_check(stage,
			   pwrite(base, &sector, sizeof(sector), (off_t)(sector * SECTOR)) > 0,
			   "no disk");
	life_check(stage, ftruncate(base, DISK_SECTORS * SECTOR) == 0, "no disk");
	fd = life_open_again(base);
	close(base);
	return fd;
}

/* The kernel finds a name (unix(7), autobind). */
static int
life_listen_for_stream(void)
{
	const struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return bind(fd, (const struct sockaddr *)&address,
		    offsetof(struct sockaddr_un, sun_path)) == 0 &&
			       listen(fd, 1) == 0
		       ? fd
		       : -1;
}

static void
life_use_taps(struct life_stage *stage)
{
	life_check(stage, unshare(CLONE_NEWNET) == 0, "no network of its own");
	stage->description.net = DESCRIPTION_NET_TAP;
	stage->description.net_fd = life_open_tap("tap0");
	stage->second_tap = life_open_tap("tap1");
	life_check(stage, stage->description.net_fd >= 0 && stage->second_tap >= 0,
		   "no tap device");
}

static void
life_describe(struct life_stage *stage)
{
	struct description *description = &stage->description;
	int cable[2];

	if (machine_stage_describe(life_open_kernel(stage->life), description) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, cable) < 0)
		life_fail(stage, "it cannot be described");
	snprintf(description->command_line, sizeof(description->command_line), "%s",
		 stage->life->command_line);
	description->net = DESCRIPTION_NET_STREAM;
	description->net_fd = cable[0];
	description->net_link = true;
	stage->cable = cable[1];
	if (stage->life->tap) /* before the sockets, whose names are a network's */
		life_use_taps(stage);
	description->control_fd = display_peer_listen();
	description->display_fd = display_peer_listen();
	description->scanouts = 2;
	description->width = 1024;
	description->height = 768;
	description->serial = true;
	description->sandbox = true;
	description->n_disks = 2;
	description->disks[0] = (struct description_disk){
		DESCRIPTION_SLOT_DISK,
		"root",
		life_make_disk(stage),
		memfd_create("overlay", MFD_CLOEXEC),
	};
	description->disks[1] = (struct description_disk){ DESCRIPTION_SLOT_HOME, "home", -1, -1 };
	description->n_ports = 2;
	description->ports[0] =
		(struct description_port){ "org.carrel.agent.0", life_listen_for_stream() };
	description->ports[1] =
		(struct description_port){ "com.redhat.spice.0", life_listen_for_stream() };
}

static void *
life_play(void *context)
{
	struct life_stage *stage = context;

	life_check(stage,
		   display_peer_open(stage->description.control_fd, false, &stage->control) == 0,
		   "hostd cannot connect");
	stage->life->play(stage);
	display_peer_close(stage->control);
	return NULL;
}

int
machine_life_live(const struct machine_life *life)
{
	struct life_stage *stage = calloc(1, sizeof(*stage));
	char problem[MACHINE_PROBLEM_BYTES];
	struct control *control;
	pthread_t outside;
	int error;

	stage->life = life;
	life_describe(stage);
	if (machine_new(&stage->description, &stage->machine, problem) < 0)
		life_fail(stage, problem);
	if (machine_control_new(stage->machine, &stage->description, &control) < 0 ||
	    (life->play && pthread_create(&outside, NULL, life_play, stage) != 0))
		life_fail(stage, "it cannot be controlled");
	error = machine_run(stage->machine);
	control_free(control);
	if (life->play)
		pthread_join(outside, NULL);
	machine_free(stage->machine);
	free(stage);
	return error < 0 ? 11 : 0;
}
