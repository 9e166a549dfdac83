/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * description.c - the JSON by which carrel-vmm is told what machine to be (carrel-vmm, at its
 * start)
 *
 * How it works: description_parse() checks keys, kinds and ranges of each object against its table,
 * reads it into the struct, then refuses what contradicts itself (description_check_sense) and
 * descriptors that are not what they should be (description_check_fds). The first problem ends it.
 */
#include "vmm/description.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "base/proto_source.h"
#include "base/proto_vmm.h"
#include "vmm/description_fds.h"
#include "vmm/guest_memory.h"

#define MACHINE	       "carrel-1"
#define FIRST_FD       3 /* the first three are for people */
#define MAX_FD	       65535
#define MIB_BITS       20
#define MIN_PIXELS     64
#define MAC_TEXT_BYTES 17
#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))

/* hostd refuses more than these, so it need not be told here. */
static_assert(DESCRIPTION_MAX_CPUS == VMM_MAX_CPUS, "CPUs");
static_assert(GUEST_MEMORY_MAX_BYTES >> MIB_BITS == VMM_MAX_RAM_MIB, "RAM");

#define PROBLEM(problem, ...) snprintf((problem)->text, sizeof((problem)->text), __VA_ARGS__)

/* name, kind, optional, least, most */
static const struct json_field description_fields[] = {
	{ "version", JSON_KIND_INTEGER, 0, 1, 1 },
	{ "name", JSON_KIND_STRING, 0, 1, DESCRIPTION_MAX_NAME },
	{ "machine", JSON_KIND_STRING, 0, 1, DESCRIPTION_MAX_NAME },
	{ "cpus", JSON_KIND_INTEGER, 0, 1, DESCRIPTION_MAX_CPUS },
	{ "ram_mib", JSON_KIND_INTEGER, 0, GUEST_MEMORY_MIN_BYTES >> MIB_BITS,
	  GUEST_MEMORY_MAX_BYTES >> MIB_BITS },
	{ "cpu", JSON_KIND_STRING, 0, 1, DESCRIPTION_MAX_NAME },
	{ "kvm_fd", JSON_KIND_INTEGER, 0, FIRST_FD, MAX_FD },
	{ "memory_fd", JSON_KIND_INTEGER, 0, FIRST_FD, MAX_FD },
	{ "memory_private", JSON_KIND_BOOLEAN, 1, 0, 0 },
	{ "memory_random", JSON_KIND_BOOLEAN, 1, 0, 0 },
	{ "state_fd", JSON_KIND_INTEGER, 1, FIRST_FD, MAX_FD },
	{ "pages_fd", JSON_KIND_INTEGER, 1, FIRST_FD, MAX_FD },
	{ "boot", JSON_KIND_OBJECT, 0, 0, 0 },
	{ "genid", JSON_KIND_STRING, 1, 32, 32 },
	{ "control_fd", JSON_KIND_INTEGER, 0, FIRST_FD, MAX_FD },
	{ "control_uid", JSON_KIND_INTEGER, 0, 0, UINT32_MAX - 1 },
	{ "display_fd", JSON_KIND_INTEGER, 1, FIRST_FD, MAX_FD },
	{ "scanouts", JSON_KIND_INTEGER, 1, 1, SOURCE_MAX_SCANOUTS },
	{ "width", JSON_KIND_INTEGER, 1, MIN_PIXELS, SOURCE_MAX_WIDTH },
	{ "height", JSON_KIND_INTEGER, 1, MIN_PIXELS, SOURCE_MAX_HEIGHT },
	{ "serial", JSON_KIND_BOOLEAN, 1, 0, 0 },
	{ "disks", JSON_KIND_ARRAY, 1, 0, DESCRIPTION_MAX_DISKS },
	{ "net", JSON_KIND_OBJECT, 1, 0, 0 },
	{ "ports", JSON_KIND_ARRAY, 1, 0, DESCRIPTION_MAX_PORTS },
	{ "sound", JSON_KIND_BOOLEAN, 1, 0, 0 },
	{ "sandbox", JSON_KIND_BOOLEAN, 0, 0, 0 },
};

static const struct json_field boot_fields[] = {
	{ "kernel_fd", JSON_KIND_INTEGER, 0, FIRST_FD, MAX_FD },
	{ "initrd_fd", JSON_KIND_INTEGER, 1, FIRST_FD, MAX_FD },
	{ "command_line", JSON_KIND_STRING, 0, 0, DESCRIPTION_MAX_COMMAND_LINE },
};

static const struct json_field disk_fields[] = {
	{ "slot", JSON_KIND_STRING, 0, 1, DESCRIPTION_MAX_NAME },
	{ "serial", JSON_KIND_STRING, 0, 1, DESCRIPTION_MAX_SERIAL },
	{ "base_fd", JSON_KIND_INTEGER, 1, FIRST_FD, MAX_FD },
	{ "overlay_fd", JSON_KIND_INTEGER, 1, FIRST_FD, MAX_FD },
	{ "image_fd", JSON_KIND_INTEGER, 1, FIRST_FD, MAX_FD },
};

static const struct json_field net_fields[] = {
	{ "mac", JSON_KIND_STRING, 0, MAC_TEXT_BYTES, MAC_TEXT_BYTES },
	{ "kind", JSON_KIND_STRING, 0, 1, DESCRIPTION_MAX_NAME },
	{ "fd", JSON_KIND_INTEGER, 1, FIRST_FD, MAX_FD },
	{ "link", JSON_KIND_BOOLEAN, 1, 0, 0 },
};

static const struct json_field port_fields[] = {
	{ "name", JSON_KIND_STRING, 0, 1, DESCRIPTION_MAX_NAME },
	{ "listen_fd", JSON_KIND_INTEGER, 0, FIRST_FD, MAX_FD },
};

static const char *const slot_names[] = {
	[DESCRIPTION_SLOT_DISK] = "disk",
	[DESCRIPTION_SLOT_HOME] = "home",
};

static const char *const net_names[] = {
	[DESCRIPTION_NET_STREAM] = "stream",
	[DESCRIPTION_NET_TAP] = "tap",
};

static int
description_refuse(struct json_problem *ret_problem, const char *text)
{
	PROBLEM(ret_problem, "%s", text);
	return -EINVAL;
}

static int
description_get_fd(const json_t *object, const char *name)
{
	return (int)json_get_integer(object, name, -1);
}

/* The table has checked that it fits. */
static void
description_copy_text(const json_t *object, const char *name, char *target, size_t size)
{
	snprintf(target, size, "%s", json_get_text(object, name, ""));
}

/* No control characters, which would be strange in a log too. */
static bool
description_text_is_plain(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

/* The index of a name in a table, or -1; tables may have holes. */
static int
description_find_name(const char *const names[], size_t n_names, const char *name)
{
	for (size_t i = 0; i < n_names; i++)
		if (names[i] && strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

static int
description_get_digit(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = digit ? strchr(digits, digit) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* "step": characters from one byte's digits to the next one's. */
static bool
description_parse_hex(const char *text, size_t step, uint8_t *target, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		int high = description_get_digit(text[step * i]);
		int low = description_get_digit(text[step * i + 1]);

		if (high < 0 || low < 0)
			return false;
		target[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool
description_parse_mac(const char *text, uint8_t mac[6])
{
	static const uint8_t none[6];

	for (size_t i = 2; i < MAC_TEXT_BYTES; i += 3)
		if (text[i] != ':')
			return false;
	/* bit 0 of the first byte: a group's address */
	return description_parse_hex(text, 3, mac, 6) && !(mac[0] & 1) && memcmp(mac, none, 6) != 0;
}

static void
description_read_numbers(const json_t *object, struct description *description)
{
	description->cpus = (uint32_t)json_get_integer(object, "cpus", 0);
	description->ram_bytes = (uint64_t)json_get_integer(object, "ram_mib", 0) << MIB_BITS;
	description->kvm_fd = description_get_fd(object, "kvm_fd");
	description->memory_fd = description_get_fd(object, "memory_fd");
	description->memory_private = json_get_flag(object, "memory_private", false);
	description->memory_random = json_get_flag(object, "memory_random", false);
	description->state_fd = description_get_fd(object, "state_fd");
	description->pages_fd = description_get_fd(object, "pages_fd");
	description->pagemap_fd = -1;
	description->control_fd = description_get_fd(object, "control_fd");
	description->control_uid = (uint32_t)json_get_integer(object, "control_uid", 0);
	description->display_fd = description_get_fd(object, "display_fd");
	description->scanouts = (uint32_t)json_get_integer(object, "scanouts", 0);
	description->width = (uint32_t)json_get_integer(object, "width", 0);
	description->height = (uint32_t)json_get_integer(object, "height", 0);
	description->serial = json_get_flag(object, "serial", false);
	description->sound = json_get_flag(object, "sound", false);
	description->sandbox = json_get_flag(object, "sandbox", true);
}

static int
description_read_texts(const json_t *object, struct description *description,
		       struct json_problem *ret_problem)
{
	const char *genid = json_get_text(object, "genid", NULL);

	description_copy_text(object, "name", description->name, sizeof(description->name));
	description_copy_text(object, "cpu", description->cpu, sizeof(description->cpu));
	description_copy_text(object, "machine", description->machine,
			      sizeof(description->machine));
	if (!name_valid(description->name))
		return description_refuse(ret_problem,
					  "'name' may have small letters, digits and inner '-'");
	if (!name_valid(description->cpu))
		return description_refuse(ret_problem,
					  "'cpu' may have small letters, digits and inner '-'");
	if (strcmp(description->machine, MACHINE) != 0)
		return description_refuse(ret_problem,
					  "'machine' must be '" MACHINE "', the only one known");
	if (genid && !description_parse_hex(genid, 2, description->genid, 16))
		return description_refuse(ret_problem,
					  "'genid' must be 32 of the digits 0 to 9 and a to f");
	description->has_genid = genid != NULL;
	return 0;
}

static int
description_read_boot(const json_t *boot, struct description *description,
		      struct json_problem *ret_problem)
{
	int error = json_check_object(boot, "boot", boot_fields, COUNT(boot_fields), ret_problem);

	if (error)
		return error;
	description->kernel_fd = description_get_fd(boot, "kernel_fd");
	description->initrd_fd = description_get_fd(boot, "initrd_fd");
	description_copy_text(boot, "command_line", description->command_line,
			      sizeof(description->command_line));
	if (!description_text_is_plain(description->command_line))
		return description_refuse(ret_problem,
					  "'command_line' in boot has a control character");
	return 0;
}

static int
description_read_medium(const json_t *object, struct description_disk *disk,
			struct json_problem *ret_problem)
{
	int image = description_get_fd(object, "image_fd");

	disk->base_fd = description_get_fd(object, "base_fd");
	disk->overlay_fd = description_get_fd(object, "overlay_fd");
	if (image >= 0 && (disk->base_fd >= 0 || disk->overlay_fd >= 0))
		return description_refuse(ret_problem, "a disk with 'image_fd' has neither "
						       "'base_fd' nor 'overlay_fd'");
	if (disk->overlay_fd >= 0 && disk->base_fd < 0)
		return description_refuse(ret_problem,
					  "a disk with 'overlay_fd' needs 'base_fd' too");
	if (image >= 0)
		disk->overlay_fd = image;
	return 0;
}

static int
description_read_disk(const json_t *object, struct description_disk *disk,
		      struct json_problem *ret_problem)
{
	int error =
		json_check_object(object, "a disk", disk_fields, COUNT(disk_fields), ret_problem);
	int slot;

	if (error)
		return error;
	slot = description_find_name(slot_names, COUNT(slot_names),
				     json_get_text(object, "slot", ""));
	if (slot < 0)
		return description_refuse(ret_problem, "a disk's 'slot' must be 'disk' or 'home'");
	disk->slot = (enum description_slot)slot;
	description_copy_text(object, "serial", disk->serial, sizeof(disk->serial));
	if (!description_text_is_plain(disk->serial))
		return description_refuse(ret_problem, "a disk's 'serial' has a control character");
	return description_read_medium(object, disk, ret_problem);
}

static int
description_read_port(const json_t *object, struct description_port *port,
		      struct json_problem *ret_problem)
{
	int error =
		json_check_object(object, "a port", port_fields, COUNT(port_fields), ret_problem);

	if (error)
		return error;
	description_copy_text(object, "name", port->name, sizeof(port->name));
	if (!description_text_is_plain(port->name))
		return description_refuse(ret_problem, "a port's 'name' has a control character");
	port->listen_fd = description_get_fd(object, "listen_fd");
	return 0;
}

static int
description_read_lists(const json_t *object, struct description *description,
		       struct json_problem *ret_problem)
{
	const json_t *disks = json_object_get(object, "disks");
	const json_t *ports = json_object_get(object, "ports");
	int error = 0;

	description->n_disks = json_array_size(disks);
	for (size_t i = 0; i < description->n_disks && !error; i++)
		error = description_read_disk(json_array_get(disks, i), &description->disks[i],
					      ret_problem);
	description->n_ports = error ? 0 : json_array_size(ports);
	for (size_t i = 0; i < description->n_ports && !error; i++)
		error = description_read_port(json_array_get(ports, i), &description->ports[i],
					      ret_problem);
	return error;
}

static int
description_read_net(const json_t *net, struct description *description,
		     struct json_problem *ret_problem)
{
	int error, kind;

	description->net_fd = -1;
	if (!net)
		return 0;
	error = json_check_object(net, "net", net_fields, COUNT(net_fields), ret_problem);
	if (error)
		return error;
	kind = description_find_name(net_names, COUNT(net_names), json_get_text(net, "kind", ""));
	if (kind < 0)
		return description_refuse(ret_problem, "'kind' in net must be 'stream' or 'tap'");
	description->net = (enum description_net)kind;
	if (!description_parse_mac(json_get_text(net, "mac", ""), description->mac))
		return description_refuse(ret_problem, "'mac' in net must be one station's, as in "
						       "52:54:00:12:ab:cd");
	description->net_fd = description_get_fd(net, "fd");
	description->net_link = json_get_flag(net, "link", false);
	return 0;
}

static int
description_check_lists(const struct description *description, struct json_problem *ret_problem)
{
	for (size_t i = 0; i < description->n_disks; i++) {
		const struct description_disk *disk = &description->disks[i];

		for (size_t j = 0; j < i; j++) {
			if (disk->slot == description->disks[j].slot)
				return description_refuse(ret_problem, "two disks in one slot");
			if (strcmp(disk->serial, description->disks[j].serial) == 0)
				return description_refuse(ret_problem, "two disks of one 'serial'");
		}
	}
	for (size_t i = 0; i < description->n_ports; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(description->ports[i].name, description->ports[j].name) == 0)
				return description_refuse(ret_problem, "two ports of one 'name'");
	return 0;
}

static int
description_check_sense(const struct description *description, struct json_problem *ret_problem)
{
	bool display = description->display_fd >= 0;
	bool size = description->scanouts && description->width && description->height;

	if (!display && (description->scanouts || description->width || description->height))
		return description_refuse(ret_problem, "'scanouts', 'width' and 'height' need "
						       "'display_fd'");
	if (display && !size)
		return description_refuse(ret_problem,
					  "'display_fd' needs 'scanouts', 'width' and 'height'");
	if (description->net_fd < 0 && description->net == DESCRIPTION_NET_TAP)
		return description_refuse(ret_problem, "net of kind 'tap' needs 'fd'");
	if (description->net_fd < 0 && description->net_link)
		return description_refuse(ret_problem, "net with 'link' true needs 'fd'");
	if (description->state_fd >= 0 && !description->memory_private)
		return description_refuse(ret_problem,
					  "'state_fd' needs 'memory_private': others go on from "
					  "there too");
	if (description->state_fd >= 0 && description->net_link)
		return description_refuse(ret_problem, "'state_fd' goes on with net's link down");
	if (description->pages_fd >= 0 && description->state_fd < 0)
		return description_refuse(ret_problem, "'pages_fd' needs 'state_fd'");
	return description_check_lists(description, ret_problem);
}

static int
description_read(const json_t *object, struct description *description,
		 struct json_problem *ret_problem)
{
	int error = json_check_object(object, "the description", description_fields,
				      COUNT(description_fields), ret_problem);

	if (error)
		return error;
	description_read_numbers(object, description);
	error = description_read_texts(object, description, ret_problem);
	if (!error)
		error = description_read_boot(json_object_get(object, "boot"), description,
					      ret_problem);
	if (!error)
		error = description_read_lists(object, description, ret_problem);
	if (!error)
		error = description_read_net(json_object_get(object, "net"), description,
					     ret_problem);
	if (!error)
		error = description_check_sense(description, ret_problem);
	if (!error)
		error = description_check_fds(description, ret_problem);
	return error;
}

int
description_parse(const char *text, size_t size, struct description *ret_description,
		  struct json_problem *ret_problem)
{
	struct description description = { 0 };
	json_t *object = json_parse_strict(text, size, DESCRIPTION_MAX_BYTES, ret_problem);
	int error;

	if (!object)
		return -EINVAL;
	error = description_read(object, &description, ret_problem);
	json_decref(object);
	if (error)
		return error;
	*ret_description = description;
	return 0;
}
