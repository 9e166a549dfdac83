/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * qemu_machine.c - the whole command line of one QEMU process (carrel-hostd, carrel-worker)
 *
 * How it works: device_table is the machine; sealing and forking read the same table, and the manifest records it,
 * so a state can only be loaded into the machine that saved it. What differs between the two modes is behind the
 * devices: the RAM backend's "share", the disk's nodes, and "-incoming defer". Everything that touches a file is an
 * inherited descriptor from FIRST_TARGET up: the process runs as a uid that owns no file.
 */
#include "host/qemu_machine.h"

#include <stdarg.h>
#include <string.h>

#include "base/proto_launch.h"

/* Below are standard streams and what launch may use. */
#define FIRST_TARGET 10

struct machine_device {
	const char *id;
	const char *driver;
	const char *address; /* slot on pcie.0, or "" */
	const char *options; /* with a leading comma, or "" */
};

static const struct machine_device device_table[] = {
	{ "video", "virtio-vga", "0x2", ",edid=on,xres=1280,yres=800" },
	{ "keyboard", "virtio-keyboard-pci", "0x3", "" },
	{ "tablet", "virtio-tablet-pci", "0x4", "" },
	{ "rng", "virtio-rng-pci", "0x5", ",rng=entropy" },
	{ "serial", "virtio-serial-pci", "0x6", "" },
	{ QEMU_ID_VDAGENT_PORT, "virtserialport", "",
	  ",bus=serial.0,nr=1,chardev=vdagent,name=com.redhat.spice.0" },
	{ QEMU_ID_AGENT_PORT, "virtserialport", "",
	  ",bus=serial.0,nr=2,chardev=agent,name=org.carrel.agent.0" },
	{ "disk", "virtio-blk-pci", "0x7", ",drive=disk" },
	{ QEMU_ID_NET, "virtio-net-pci", "0x8",
	  ",netdev=hub,mac=52:54:00:ca:44:e1,romfile=,host_mtu=" LAUNCH_NET_MTU },
	{ QEMU_ID_HOME_PORT, "pcie-root-port", "0x9", ",chassis=1" },
	{ QEMU_ID_GENERATION, "vmgenid", "", "" },
};

/*
 * A guest under tcg does without the kernel's mitigations: they guard against what its instructions do ahead of time in a
 * processor, and there they run in none. Page-table isolation alone doubles the time of a log-in, for each change of
 * address space empties tcg's TLB.
 */
static const struct accelerator {
	const char *name;
	const char *cpu;
	const char *argument;
	const char *kernel_options; /* with a leading space, or "" */
} accelerator_table[] = {
	{ "tcg", "Nehalem", "tcg,thread=multi,tb-size=128", " mitigations=off" },
	{ "kvm", "Nehalem", "kvm", "" },
};

static void G_GNUC_PRINTF(2, 3) command_add(struct qemu_command *command, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	g_ptr_array_add(command->argv, g_strdup_vprintf(format, arguments));
	va_end(arguments);
}

static void G_GNUC_PRINTF(3, 4) command_add_option(struct qemu_command *command, const char *option,
						   const char *format, ...)
{
	va_list arguments;

	g_ptr_array_add(command->argv, g_strdup(option));
	va_start(arguments, format);
	g_ptr_array_add(command->argv, g_strdup_vprintf(format, arguments));
	va_end(arguments);
}

static int
command_add_fd(struct qemu_command *command, int fd)
{
	gsize at = command->n_fds++;

	g_assert(fd >= 0 && at < QEMU_MACHINE_MAX_FDS);
	command->fds[at] = fd;
	command->targets[at] = FIRST_TARGET + (int)at;
	return command->targets[at];
}

static const struct accelerator *
accelerator_find(const char *name)
{
	for (gsize i = 0; i < G_N_ELEMENTS(accelerator_table); i++)
		if (strcmp(accelerator_table[i].name, name) == 0)
			return &accelerator_table[i];
	return &accelerator_table[0];
}

const char *
qemu_machine_default_cpu(const char *accelerator)
{
	return accelerator_find(accelerator)->cpu;
}

json_t *
qemu_machine_describe_devices(void)
{
	json_t *devices = json_array();

	for (gsize i = 0; i < G_N_ELEMENTS(device_table); i++)
		json_array_append_new(devices,
				      json_pack("{s:s, s:s, s:s}", "id", device_table[i].id,
						"driver", device_table[i].driver, "address",
						device_table[i].address));
	return devices;
}

static void
qemu_machine_add_core(const struct qemu_machine *machine, struct qemu_command *command)
{
	const struct accelerator *accelerator = accelerator_find(machine->accelerator);

	command_add(command, "-nodefaults");
	command_add(command, "-no-user-config");
	command_add_option(
		command, "-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
	command_add_option(command, "-name", "%s", machine->id);
	/*
	 * mem-merge: else QEMU lets the kernel merge equal pages of all machines, RAM and video memory, and how long a write
	 * takes tells one tenant what another's machine holds.
	 */
	command_add_option(command, "-machine",
			   QEMU_MACHINE_TYPE ",memory-backend=ram,mem-merge=off,vmport=off");
	command_add_option(command, "-accel", "%s", accelerator->argument);
	command_add_option(command, "-cpu", "%s", machine->cpu);
	command_add_option(command, "-smp", "%u", machine->cpus);
	command_add_option(command, "-m", "%u", machine->ram_mib);
	command_add_option(command, "-object",
			   "memory-backend-file,id=ram,size=%uM,mem-path=/proc/self/fd/%d,share=%s",
			   machine->ram_mib, command_add_fd(command, machine->memory),
			   machine->mode == QEMU_MACHINE_SEAL ? "on" : "off");
	command_add_option(command, "-kernel", "/proc/self/fd/%d",
			   command_add_fd(command, machine->kernel));
	command_add_option(command, "-initrd", "/proc/self/fd/%d",
			   command_add_fd(command, machine->initrd));
	command_add_option(command, "-append", "%s%s", machine->command_line,
			   accelerator->kernel_options);
}

static void
qemu_machine_add_sockets(const struct qemu_machine *machine, struct qemu_command *command)
{
	static const char *const names[] = { "control", "agent", "vdagent" };

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
		command_add_option(command, "-chardev", "socket,id=%s,fd=%d,server=on,wait=off",
				   names[i], command_add_fd(command, machine->sockets[i]));
	command_add_option(command, "-mon", "chardev=control,mode=control");
	command_add_option(command, "-display", "dbus,p2p=yes");
	command_add_option(command, "-object", "rng-builtin,id=entropy");
	/* passt is plugged into the hub when the desktop's link goes up: a device cannot get its first peer later. */
	command_add_option(command, "-netdev", "hubport,id=hub,hubid=%d", QEMU_ID_HUB);
	command_add_option(command, "-netdev", "hubport,id=%s,hubid=%d", QEMU_ID_OPEN_PORT,
			   QEMU_ID_HUB);
}

/* The descriptor's access mode must be the node's: QEMU picks the one of the set that matches exactly. */
static void
qemu_machine_add_disk(const struct qemu_machine *machine, struct qemu_command *command)
{
	gboolean fork = machine->mode == QEMU_MACHINE_FORK;

	command_add_option(command, "-add-fd", "fd=%d,set=1",
			   command_add_fd(command, machine->disk));
	command_add_option(
		command, "-blockdev",
		"driver=file,node-name=%s-file,filename=/dev/fdset/1,read-only=%s,locking=off%s",
		fork ? "base" : "disk", fork ? "on" : "off", fork ? "" : ",discard=unmap");
	command_add_option(command, "-blockdev",
			   "driver=raw,node-name=%s,file=%s-file,read-only=%s%s",
			   fork ? "base" : "disk", fork ? "base" : "disk", fork ? "on" : "off",
			   fork ? "" : ",discard=unmap");
	if (!fork)
		return;
	/* The overlay ends with its desktop, at the latest when the host does: to flush it would protect nothing. */
	command_add_option(command, "-add-fd", "fd=%d,set=2",
			   command_add_fd(command, machine->overlay));
	command_add_option(
		command, "-blockdev",
		"driver=file,node-name=disk-file,filename=/dev/fdset/2,locking=off,discard=unmap,cache.no-flush=on");
	command_add_option(
		command, "-blockdev",
		"driver=qcow2,node-name=disk,file=disk-file,backing=base,discard=unmap,cache.no-flush=on,l2-cache-size=1048576");
}

/* The option of the device that tells a guest of its VM generation: a UUID, whose hyphens the id has not. */
static char *
qemu_machine_make_guid(const char *genid)
{
	return genid ? g_strdup_printf(",guid=%.8s-%.4s-%.4s-%.4s-%.12s", genid, genid + 8,
				       genid + 12, genid + 16, genid + 20)
		     : g_strdup(",guid=auto");
}

static void
qemu_machine_add_devices(const struct qemu_machine *machine, struct qemu_command *command)
{
	g_autofree char *guid = qemu_machine_make_guid(machine->genid);

	for (gsize i = 0; i < G_N_ELEMENTS(device_table); i++) {
		const struct machine_device *device = &device_table[i];
		gboolean generation = strcmp(device->id, QEMU_ID_GENERATION) == 0;

		command_add_option(command, "-device", "%s,id=%s%s%s%s", device->driver, device->id,
				   device->address[0] ? ",bus=pcie.0,addr=" : "", device->address,
				   generation ? guid : device->options);
	}
}

void
qemu_machine_build(const struct qemu_machine *machine, struct qemu_command *ret_command)
{
	memset(ret_command, 0, sizeof(*ret_command));
	ret_command->argv = g_ptr_array_new_with_free_func(g_free);
	qemu_machine_add_core(machine, ret_command);
	qemu_machine_add_sockets(machine, ret_command);
	qemu_machine_add_disk(machine, ret_command);
	qemu_machine_add_devices(machine, ret_command);
	if (machine->mode == QEMU_MACHINE_FORK)
		command_add_option(ret_command, "-incoming", "defer");
	else
		command_add(ret_command, "-S");
	g_ptr_array_add(ret_command->argv, NULL);
}

void
qemu_command_done(struct qemu_command *command)
{
	g_clear_pointer(&command->argv, g_ptr_array_unref);
}
