/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vmm_machine.c - one carrel-vmm process: its description and the descriptors that it gets (carrel-hostd, carrel-worker)
 *
 * How it works: vmm_machine_describe() writes the JSON whose keys vmm/description.h documents; each descriptor that it
 * names is noted in the command by vmm_machine_add_fd(). The JSON itself goes in a memfd.
 */
#include "host/vmm_machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/io.h"
#include "base/proto_source.h"
#include "base/proto_vmm.h"

/* Below are standard streams and what launch may use. */
#define FIRST_TARGET 10
#define WIDTH	     1280
#define HEIGHT	     800
#define GENID_BYTES  16
#define FIRST_MAC \
	"52:54:00:ca:44:e1" /* until the agent gives the guest its own; the link is down until then */

/* Of VMM_MACHINE_TYPE, which never changes (vmm/slots.h). */
static const struct {
	const char *id;
	const char *driver;
	const char *address;
} device_table[] = {
	{ "video", "virtio-gpu-pci", "0x1" },	    { "net", "virtio-net-pci", "0x2" },
	{ "disk", "virtio-blk-pci", "0x3" },	    { "home", "virtio-blk-pci", "0x4" },
	{ "serial", "virtio-serial-pci", "0x5" },   { "keyboard", "virtio-keyboard-pci", "0x6" },
	{ "tablet", "virtio-tablet-pci", "0x7" },   { "rng", "virtio-rng-pci", "0x8" },
	{ "balloon", "virtio-balloon-pci", "0x9" }, { "pvpanic", "pvpanic-pci", "0xa" },
	{ "sound", "intel-hda", "0x1b" },
};

json_t *
vmm_machine_list_devices(void)
{
	json_t *devices = json_array();

	for (gsize i = 0; i < G_N_ELEMENTS(device_table); i++)
		json_array_append_new(devices,
				      json_pack("{s:s, s:s, s:s}", "id", device_table[i].id,
						"driver", device_table[i].driver, "address",
						device_table[i].address));
	return devices;
}

gboolean
vmm_machine_check_size(guint cpus, guint ram_mib, GError **error)
{
	if (cpus <= VMM_MAX_CPUS && ram_mib <= VMM_MAX_RAM_MIB)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    "engine kvm gives a machine up to %d CPUs and %d MiB of RAM, not %u and %u: "
		    "publish the template with less",
		    VMM_MAX_CPUS, VMM_MAX_RAM_MIB, cpus, ram_mib);
	return FALSE;
}

static int
vmm_machine_add_fd(struct vmm_command *command, int fd)
{
	gsize at = command->n_fds++;

	g_assert(fd >= 0 && at < LAUNCH_MAX_FDS);
	command->fds[at] = fd;
	command->targets[at] = FIRST_TARGET + (int)at;
	return command->targets[at];
}

/* Each start of a guest is one that no other has had: its random numbers begin with this. */
static char *
vmm_machine_make_genid(void)
{
	guint8 bytes[GENID_BYTES];
	GString *text = g_string_new(NULL);

	if (getrandom(bytes, sizeof(bytes), 0) == sizeof(bytes))
		for (gsize i = 0; i < sizeof(bytes); i++)
			g_string_append_printf(text, "%02x", bytes[i]);
	return g_string_free(text, FALSE);
}

static json_t *
vmm_machine_describe_disk(const struct vmm_machine *machine, struct vmm_command *command)
{
	json_t *disk = json_pack("{s:s, s:s}", "slot", "disk", "serial", "root");
	const char *key = machine->overlay >= 0 ? "base_fd" : "image_fd";

	json_object_set_new(disk, key, json_integer(vmm_machine_add_fd(command, machine->disk)));
	if (machine->overlay >= 0)
		json_object_set_new(disk, "overlay_fd",
				    json_integer(vmm_machine_add_fd(command, machine->overlay)));
	return disk;
}

static json_t *
vmm_machine_describe_devices(const struct vmm_machine *machine, struct vmm_command *command)
{
	const int *sockets = machine->sockets;

	return json_pack(
		"{s:i, s:i, s:i, s:i, s:[o, {s:s, s:s}], s:{s:s, s:s, s:b}, s:[{s:s, s:i}, {s:s, s:i}]}",
		"display_fd", vmm_machine_add_fd(command, sockets[LAUNCH_SOCKET_DISPLAY]),
		"scanouts", SOURCE_MAX_SCANOUTS, "width", WIDTH, "height", HEIGHT, "disks",
		vmm_machine_describe_disk(machine, command), "slot", "home", "serial", "home",
		"net", "mac", FIRST_MAC, "kind", "stream", "link", 0, "ports", "name",
		"org.carrel.agent.0", "listen_fd",
		vmm_machine_add_fd(command, sockets[LAUNCH_SOCKET_AGENT]), "name",
		"com.redhat.spice.0", "listen_fd",
		vmm_machine_add_fd(command, sockets[LAUNCH_SOCKET_VDAGENT]));
}

static json_t *
vmm_machine_describe(const struct vmm_machine *machine, struct vmm_command *command)
{
	g_autofree char *genid =
		machine->genid ? g_strdup(machine->genid) : vmm_machine_make_genid();
	json_t *devices = vmm_machine_describe_devices(machine, command);
	json_t *description = json_pack(
		"{s:i, s:s, s:s, s:i, s:i, s:s, s:i, s:i, s:{s:i, s:i, s:s}, s:s, s:i, s:I, s:b, s:b, s:b}",
		"version", 1, "name", machine->id, "machine", VMM_MACHINE_TYPE, "cpus",
		(int)machine->cpus, "ram_mib", (int)machine->ram_mib, "cpu", VMM_MACHINE_CPU,
		"kvm_fd", vmm_machine_add_fd(command, machine->kvm), "memory_fd",
		vmm_machine_add_fd(command, machine->memory), "boot", "kernel_fd",
		vmm_machine_add_fd(command, machine->kernel), "initrd_fd",
		vmm_machine_add_fd(command, machine->initrd), "command_line", machine->command_line,
		"genid", genid, "control_fd",
		vmm_machine_add_fd(command, machine->sockets[LAUNCH_SOCKET_VMM]), "control_uid",
		(json_int_t)getuid(), "serial", 1, "sound", 1, "sandbox", 1);

	if (machine->state >= 0) {
		json_object_set_new(description, "state_fd",
				    json_integer(vmm_machine_add_fd(command, machine->state)));
		json_object_set_new(description, "memory_private", json_true());
		json_object_set_new(description, "memory_random",
				    json_boolean(machine->memory_random));
	}
	if (machine->pages >= 0)
		json_object_set_new(description, "pages_fd",
				    json_integer(vmm_machine_add_fd(command, machine->pages)));
	json_object_update(description, devices);
	json_decref(devices);
	return description;
}

static int
vmm_machine_write(const json_t *description)
{
	char *text = json_dumps(description, JSON_COMPACT);
	int fd = memfd_create("description", MFD_CLOEXEC);
	int error = !text ? -ENOMEM : fd < 0 ? -errno : io_write_full(fd, text, strlen(text));

	free(text);
	if (error == 0 && lseek(fd, 0, SEEK_SET) < 0)
		error = -errno;
	if (error == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return error;
}

int
vmm_machine_build(const struct vmm_machine *machine, struct vmm_command *ret_command)
{
	struct vmm_command command = { 0 };
	json_t *description = vmm_machine_describe(machine, &command);

	command.description = vmm_machine_write(description);
	json_decref(description);
	if (command.description < 0)
		return command.description;
	command.argv[0] = g_strdup("--description");
	command.argv[1] = g_strdup_printf("%d", vmm_machine_add_fd(&command, command.description));
	*ret_command = command;
	return 0;
}

void
vmm_command_done(struct vmm_command *command)
{
	g_free(command->argv[0]);
	g_free(command->argv[1]);
	close(command->description);
}
