/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vmgenid.c - VM generation id (carrel-vmm, under the machine's lock)
 */
#include "vmm/vmgenid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/acpi_pm.h"
#include "vmm/guest_memory.h"
#include "vmm/memory_map.h"
#include "vmm/platform.h"
#include "vmm/state_file.h"

#define STATE_VERSION 1

struct vmgenid_state {
	uint8_t id[VMGENID_BYTES];
};

struct vmgenid {
	struct platform *platform;
	struct acpi_pm *pm;
	struct vmgenid_state state;
};

static int
vmgenid_write(struct vmgenid *vmgenid)
{
	return guest_memory_write(vmgenid->platform->memory, MEMORY_MAP_GENID, vmgenid->state.id,
				  sizeof(vmgenid->state.id));
}

int
vmgenid_new(struct platform *platform, struct acpi_pm *pm, const uint8_t id[VMGENID_BYTES],
	    struct vmgenid **ret_vmgenid)
{
	struct vmgenid *vmgenid = calloc(1, sizeof(*vmgenid));
	int error;

	if (!vmgenid)
		return -ENOMEM;
	vmgenid->platform = platform;
	vmgenid->pm = pm;
	memcpy(vmgenid->state.id, id, sizeof(vmgenid->state.id));
	error = vmgenid_write(vmgenid);
	if (error) {
		free(vmgenid);
		return error;
	}
	*ret_vmgenid = vmgenid;
	return 0;
}

void
vmgenid_free(struct vmgenid *vmgenid)
{
	free(vmgenid);
}

/* It cannot fail here: it has succeeded in vmgenid_new(), and RAM does not go away. */
void
vmgenid_reset(struct vmgenid *vmgenid)
{
	vmgenid_write(vmgenid);
}

void
vmgenid_save(const struct vmgenid *vmgenid, struct state_writer *writer)
{
	state_writer_begin(writer, STATE_VERSION, "genid");
	state_put_bytes(writer, vmgenid->state.id, sizeof(vmgenid->state.id));
	state_writer_end(writer);
}

int
vmgenid_load(struct vmgenid *vmgenid, struct state_reader *reader)
{
	struct vmgenid_state state;
	int error;

	state_reader_open(reader, STATE_VERSION, "genid");
	state_take_bytes(reader, state.id, sizeof(state.id));
	error = state_reader_close(reader);
	if (error == 0)
		vmgenid->state = state;
	return error;
}

void
vmgenid_change(struct vmgenid *vmgenid, const uint8_t id[VMGENID_BYTES])
{
	if (memcmp(vmgenid->state.id, id, sizeof(vmgenid->state.id)) == 0)
		return;
	memcpy(vmgenid->state.id, id, sizeof(vmgenid->state.id));
	vmgenid_write(vmgenid);
	acpi_pm_raise_gpe(vmgenid->pm, ACPI_PM_GPE_GENID);
}
