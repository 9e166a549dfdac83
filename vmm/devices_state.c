/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * devices_state.c - the devices of a machine are saved and loaded together (carrel-vmm, the loop's
 * thread)
 *
 * How it works: the section "devices" comes first and says what devices there were: fact_names has what
 * can be counted of them, then come the names of the ports. devices_load() refuses another machine's
 * before it changes anything. Then state_list is all devices in their order; those on PCI are the
 * root's.
 *
 * Not saved, because the guest cannot see them: what is on its way to people. A line of the serial
 * port that has begun, sound that was not sent yet and what the display's connection was told are
 * the old process's; the new one has no connection, and tells all of it to the first that comes.
 * The panic device has nothing but its place on the bus. The VM generation id is saved to be compared
 * with the new machine's own (devices_change_identity()).
 */
#include "vmm/devices.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/acpi_pm.h"
#include "vmm/description.h"
#include "vmm/devices_parts.h"
#include "vmm/pci.h"
#include "vmm/rtc.h"
#include "vmm/serial.h"
#include "vmm/state_file.h"
#include "vmm/virtio_blk.h"
#include "vmm/vmgenid.h"

#define STATE_VERSION 1

/* What devices there are. They stand in the file in this order, so more of them is another version. */
enum devices_fact {
	FACT_SERIAL,
	FACT_GENID,
	FACT_DISK,
	FACT_DISK_BYTES,
	FACT_HOME,
	FACT_HOME_BYTES,
	FACT_NET,
	FACT_SCANOUTS,
	FACT_SOUND,
	FACT_PORTS,
	FACT_COUNT,
};

/* As the description calls them, where it does. */
static const char *const fact_names[] = {
	[FACT_SERIAL] = "serial", [FACT_GENID] = "genid",
	[FACT_DISK] = "disk",	  [FACT_DISK_BYTES] = "disk_bytes",
	[FACT_HOME] = "home",	  [FACT_HOME_BYTES] = "home_bytes",
	[FACT_NET] = "net",	  [FACT_SCANOUTS] = "scanouts",
	[FACT_SOUND] = "sound",	  [FACT_PORTS] = "ports",
};

static_assert(sizeof(fact_names) / sizeof(fact_names[0]) == FACT_COUNT, "a name a fact");

/* A name is saved with all of its bytes, zeros behind it. */
#define NAME_BYTES (DESCRIPTION_MAX_NAME + 1)

static void
devices_get_facts(const struct devices *devices, uint64_t facts[FACT_COUNT])
{
	const struct description *description = devices->description;
	const struct virtio_device *disk = devices->disks[DESCRIPTION_SLOT_DISK].device;
	const struct virtio_device *home = devices->disks[DESCRIPTION_SLOT_HOME].device;

	facts[FACT_SERIAL] = devices->serial != NULL;
	facts[FACT_GENID] = devices->vmgenid != NULL;
	facts[FACT_DISK] = disk != NULL;
	facts[FACT_DISK_BYTES] = disk ? virtio_blk_get_bytes(disk) : 0;
	facts[FACT_HOME] = home != NULL;
	facts[FACT_HOME_BYTES] = home ? virtio_blk_get_bytes(home) : 0;
	facts[FACT_NET] = devices->net != NULL;
	facts[FACT_SCANOUTS] = devices->seat ? description->scanouts : 0;
	facts[FACT_SOUND] = devices->hda != NULL;
	facts[FACT_PORTS] = description->n_ports;
}

static void
devices_save_name(struct state_writer *writer, const char *name)
{
	char padded[NAME_BYTES] = { 0 };

	memcpy(padded, name, strnlen(name, sizeof(padded) - 1));
	state_put_bytes(writer, padded, sizeof(padded));
}

static void
devices_check_port(struct state_reader *reader, const char *name)
{
	char saved[NAME_BYTES];

	state_take_bytes(reader, saved, sizeof(saved));
	saved[sizeof(saved) - 1] = '\0';
	if (strcmp(saved, name) != 0)
		state_reader_refuse_foreign(
			reader, "it was saved with port '%s', this machine has '%s'", saved, name);
}

static void
devices_save_facts(const struct devices *devices, struct state_writer *writer)
{
	const struct description *description = devices->description;
	uint64_t facts[FACT_COUNT];

	devices_get_facts(devices, facts);
	state_writer_begin(writer, STATE_VERSION, "devices");
	for (size_t i = 0; i < FACT_COUNT; i++)
		state_put_u64(writer, facts[i]);
	for (size_t i = 0; i < description->n_ports; i++)
		devices_save_name(writer, description->ports[i].name);
	state_writer_end(writer);
}

static int
devices_check_facts(const struct devices *devices, struct state_reader *reader)
{
	const struct description *description = devices->description;
	uint64_t facts[FACT_COUNT];

	devices_get_facts(devices, facts);
	state_reader_open(reader, STATE_VERSION, "devices");
	for (size_t i = 0; i < FACT_COUNT; i++) {
		uint64_t saved = state_take_u64(reader);

		if (saved != facts[i])
			state_reader_refuse_foreign(reader,
						    "it was saved with %s=%" PRIu64
						    ", this machine has %s=%" PRIu64,
						    fact_names[i], saved, fact_names[i], facts[i]);
	}
	for (size_t i = 0; i < description->n_ports; i++)
		devices_check_port(reader, description->ports[i].name);
	return state_reader_close(reader);
}

static void
devices_save_power(struct devices *devices, struct state_writer *writer)
{
	acpi_pm_save(devices->pm, writer);
}

static int
devices_load_power(struct devices *devices, struct state_reader *reader)
{
	return acpi_pm_load(devices->pm, reader);
}

static void
devices_save_clock(struct devices *devices, struct state_writer *writer)
{
	rtc_save(devices->rtc, writer);
}

static int
devices_load_clock(struct devices *devices, struct state_reader *reader)
{
	return rtc_load(devices->rtc, reader);
}

static void
devices_save_serial(struct devices *devices, struct state_writer *writer)
{
	if (devices->serial)
		serial_save(devices->serial, writer);
}

static int
devices_load_serial(struct devices *devices, struct state_reader *reader)
{
	return devices->serial ? serial_load(devices->serial, reader) : 0;
}

static void
devices_save_generation(struct devices *devices, struct state_writer *writer)
{
	if (devices->vmgenid)
		vmgenid_save(devices->vmgenid, writer);
}

static int
devices_load_generation(struct devices *devices, struct state_reader *reader)
{
	return devices->vmgenid ? vmgenid_load(devices->vmgenid, reader) : 0;
}

static void
devices_save_root(struct devices *devices, struct state_writer *writer)
{
	pci_root_save(devices->root, writer);
}

static int
devices_load_root(struct devices *devices, struct state_reader *reader)
{
	return pci_root_load(devices->root, reader);
}

static const struct {
	void (*save)(struct devices *devices, struct state_writer *writer);
	int (*load)(struct devices *devices, struct state_reader *reader);
} state_list[] = {
	{ devices_save_power, devices_load_power },
	{ devices_save_clock, devices_load_clock },
	{ devices_save_serial, devices_load_serial },
	{ devices_save_generation, devices_load_generation },
	{ devices_save_root, devices_load_root },
};

#define STATE_COUNT (sizeof(state_list) / sizeof(state_list[0]))

/* What the guest was told is written must be there for whoever goes on with the state. */
static int
devices_sync(const struct devices *devices)
{
	int error = 0;

	for (size_t i = 0; error == 0 && i < DESCRIPTION_MAX_DISKS; i++)
		if (devices->disks[i].device)
			error = virtio_blk_sync(devices->disks[i].device);
	return error;
}

void
devices_save(struct devices *devices, struct state_writer *writer)
{
	int error = devices_sync(devices);

	if (error < 0)
		state_writer_fail(writer, error);
	devices_save_facts(devices, writer);
	for (size_t i = 0; i < STATE_COUNT; i++)
		state_list[i].save(devices, writer);
}

int
devices_load(struct devices *devices, struct state_reader *reader)
{
	int error = devices_check_facts(devices, reader);

	if (error < 0)
		return error;
	devices_pause(devices);
	devices_reset(devices);
	for (size_t i = 0; error == 0 && i < STATE_COUNT; i++)
		error = state_list[i].load(devices, reader);
	return error;
}

void
devices_change_identity(struct devices *devices)
{
	if (devices->vmgenid)
		vmgenid_change(devices->vmgenid, devices->description->genid);
}
