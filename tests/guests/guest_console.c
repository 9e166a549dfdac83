/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guest_console.c - ports with names: opened and closed on both sides, data each way (virtio 1.2 section 5.3)
 *
 * The first port gets a line and sends it back in capital letters.
 */
#include <linux/virtio_console.h>

#include "tests/guests/bare.h"
#include "tests/guests/bare_hostile.h"
#include "tests/guests/bare_irq.h"
#include "tests/guests/bare_virtio.h"

#define SLOT	    5
#define CONTROL_IN  2 /* queues */
#define CONTROL_OUT 3
#define PORT_IN	    4 /* of port 1 */
#define PORT_OUT    5
#define N_QUEUES    8
#define N_MESSAGES  12
#define LINE_BYTES  16
#define WANTED	    (UINT64_C(1) << VIRTIO_CONSOLE_F_MULTIPORT)

static struct bare_virtio console;
static struct message {
	struct virtio_console_control control;
	char name[56];
} messages[N_MESSAGES];
static uint16_t n_read;
static char line[LINE_BYTES];

static bool
start(void)
{
	if (!bare_virtio_start(&console, WANTED, N_QUEUES))
		return false;
	n_read = 0;
	for (uint16_t i = 0; i < N_MESSAGES; i++)
		bare_virtio_offer(&console, CONTROL_IN, i,
				  &(struct bare_buffer){ &messages[i], sizeof(messages[i]), true },
				  1);
	return true;
}

static bool
tell(uint32_t port, uint16_t event, uint16_t value)
{
	struct virtio_console_control control = { port, event, value };
	const struct bare_buffer buffer = { &control, sizeof(control), false };

	return bare_virtio_transfer(&console, CONTROL_OUT, &buffer, 1) == 0;
}

/* The next message is this one; its name too, when one is given. */
static bool
hears(uint32_t port, uint16_t event, uint16_t value, const char *name)
{
	const struct message *message = &messages[n_read++];
	uint32_t bytes = bare_virtio_wait(&console, CONTROL_IN);
	uint32_t i = 0;

	for (; name && name[i] && message->name[i] == name[i];)
		i++;
	return bytes == sizeof(message->control) + i && message->control.id == port &&
	       message->control.event == event && message->control.value == value &&
	       (!name || !name[i]);
}

static bool
works_still(struct bare_virtio *device)
{
	(void)device;
	return tell(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
}

static bool
works(struct bare_virtio *device)
{
	return start() && works_still(device) && hears(1, VIRTIO_CONSOLE_PORT_ADD, 1, NULL) &&
	       hears(2, VIRTIO_CONSOLE_PORT_ADD, 1, NULL);
}

static bool
offer_many(struct bare_virtio *device)
{
	if (!works(device) || !tell(1, VIRTIO_CONSOLE_PORT_READY, 1) ||
	    !tell(1, VIRTIO_CONSOLE_PORT_OPEN, 1))
		return false;
	for (uint16_t i = 0; i < 8; i++)
		bare_virtio_offer(device, i % 2 ? PORT_OUT : PORT_IN, i,
				  &(struct bare_buffer){ line, sizeof(line), i % 2 == 0 }, 1);
	return true;
}

static void
test_names(void)
{
	bare_check_equal(bare_virtio_get_config(&console, 4, 4), 3, "there are three ports");
	bare_check(works(&console), "two are added");
	bare_check(tell(1, VIRTIO_CONSOLE_PORT_READY, 1) &&
			   hears(1, VIRTIO_CONSOLE_PORT_NAME, 1, "org.carrel.agent.0"),
		   "the first one has its name");
	bare_check(tell(2, VIRTIO_CONSOLE_PORT_READY, 1) &&
			   hears(2, VIRTIO_CONSOLE_PORT_NAME, 1, "com.redhat.spice.0"),
		   "so has the second");
}

static void
test_data(void)
{
	uint32_t interrupts = bare_irq_get_count(BARE_IRQ_FIRST + 1 + PORT_IN);
	const struct bare_buffer in = { line, sizeof(line), true };
	uint32_t bytes;

	bare_check(tell(1, VIRTIO_CONSOLE_PORT_OPEN, 1), "the guest opens the first port");
	bare_check(hears(1, VIRTIO_CONSOLE_PORT_OPEN, 1, NULL), "the host does too");
	bytes = bare_virtio_transfer(&console, PORT_IN, &in, 1);
	if (!bare_check(bytes > 0 && bytes <= sizeof(line), "a line comes"))
		return;
	bare_check(BARE_WAIT(bare_irq_get_count(BARE_IRQ_FIRST + 1 + PORT_IN) > interrupts),
		   "by an interrupt");
	for (uint32_t i = 0; i < bytes; i++)
		if (line[i] >= 'a' && line[i] <= 'z')
			line[i] = (char)(line[i] - 'a' + 'A');
	bare_check_equal(bare_virtio_transfer(&console, PORT_OUT,
					      &(struct bare_buffer){ line, bytes, false }, 1),
			 0, "it is sent back");
}

static void
test_closing(void)
{
	const struct bare_buffer out = { line, sizeof(line), false };
	static char rest[LINE_BYTES];

	/* what the host has sent before it closes needs a place */
	bare_virtio_offer(&console, PORT_IN, 1, &(struct bare_buffer){ rest, sizeof(rest), true },
			  1);
	bare_check(hears(1, VIRTIO_CONSOLE_PORT_OPEN, 0, NULL), "the host closes the port");
	bare_check_equal(bare_virtio_transfer(&console, PORT_OUT, &out, 1), 0,
			 "what is sent to nobody is taken");
	bare_check(tell(1, VIRTIO_CONSOLE_PORT_OPEN, 0), "the guest closes the port");
}

static void
test_nonsense(void)
{
	static const struct virtio_console_control table[] = {
		{ 0, VIRTIO_CONSOLE_PORT_OPEN, 1 },	      { 3, VIRTIO_CONSOLE_PORT_OPEN, 1 },
		{ UINT32_MAX, VIRTIO_CONSOLE_PORT_READY, 1 }, { 1, 0x7777, 1 },
		{ 1, VIRTIO_CONSOLE_PORT_NAME, 1 },	      { 0, VIRTIO_CONSOLE_DEVICE_READY, 1 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		bare_check(tell(table[i].id, table[i].event, table[i].value),
			   "a control message without meaning is taken");
	bare_check_equal(console.queues[CONTROL_IN].used->idx, n_read, "and not answered");
	bare_virtio_offer(&console, CONTROL_OUT, 0, &(struct bare_buffer){ line, 4, false }, 1);
	bare_check(BARE_WAIT(bare_hostile_needs_reset(&console)), "half of one is refused");
}

void
guest_main(void)
{
	bare_irq_set_up();
	if (!bare_virtio_open(&console, SLOT))
		return;
	test_names();
	test_data();
	test_closing();
	test_nonsense();
	bare_hostile_negotiate(&console, works);
	bare_hostile_write_late(&console, CONTROL_OUT, works, works_still);
	bare_hostile_reset(&console, offer_many, works);
	bare_hostile_break_queue(&console, CONTROL_OUT, works);
	bare_hostile_break_queue(&console, PORT_OUT, works);
}
