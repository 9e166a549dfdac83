/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * machine_memory.c - which memory a machine's state goes with, and a fork's own pages (carrel-vmm,
 * the loop's thread)
 *
 * How it works: a seal gives a machine whose memory is its own file a random name, which is written
 * into that memory, where the guest has no business (vmm/memory_map.h), and into the state. A fork's
 * memory has two parts: the file that it shares with others, its template's, under that name, and
 * the pages that it changed. These go into a file of their own (vmm/pages_file.h), relative to the
 * template, however often the machine was suspended. The pair of state and pages has a random name,
 * too. So nothing is ever loaded over memory that it was not saved with.
 *
 * The template's name is read from its file, not from the memory that the fork's guest may have
 * written to.
 */
#include "vmm/machine.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#include "base/io.h"
#include "vmm/description.h"
#include "vmm/guest_memory.h"
#include "vmm/machine_parts.h"
#include "vmm/memory_map.h"
#include "vmm/own_pages.h"
#include "vmm/pages_file.h"
#include "vmm/platform.h"
#include "vmm/state_file.h"

#define STATE_VERSION 1

static const uint8_t no_id[PAGES_FILE_ID_BYTES];

static bool
machine_has_id(const uint8_t id[PAGES_FILE_ID_BYTES])
{
	return memcmp(id, no_id, PAGES_FILE_ID_BYTES) != 0;
}

/* As few bytes as that come at once. */
static int
machine_make_id(uint8_t id[PAGES_FILE_ID_BYTES])
{
	return getrandom(id, PAGES_FILE_ID_BYTES, 0) == PAGES_FILE_ID_BYTES ? 0 : -EIO;
}

/* Below GUEST_MEMORY_HOLE a guest's address is the file's offset. */
static int
machine_read_template_id(const struct machine *machine, uint8_t id[PAGES_FILE_ID_BYTES])
{
	return io_read_full_at(machine->description->memory_fd, id, PAGES_FILE_ID_BYTES,
			       MEMORY_MAP_TEMPLATE_ID);
}

int
machine_name_memory(const struct machine *machine, struct pages_file_ids *ret_ids,
		    const char **ret_problem)
{
	struct pages_file_ids ids = { 0 };
	int error;

	if (!machine->description->memory_private) {
		error = machine_make_id(ids.template);
		if (error == 0)
			error = guest_memory_write(machine->platform.memory, MEMORY_MAP_TEMPLATE_ID,
						   ids.template, sizeof(ids.template));
	} else {
		error = machine_read_template_id(machine, ids.template);
		if (error == 0 && !machine_has_id(ids.template)) {
			*ret_problem = "its memory's file is not of a sealed machine";
			return -EBUSY;
		}
		if (error == 0)
			error = machine_make_id(ids.state);
	}
	if (error == 0)
		*ret_ids = ids;
	return error;
}

void
machine_save_memory(const struct pages_file_ids *ids, struct state_writer *writer)
{
	state_writer_begin(writer, STATE_VERSION, "memory");
	state_put_bytes(writer, ids->template, sizeof(ids->template));
	state_put_bytes(writer, ids->state, sizeof(ids->state));
	state_writer_end(writer);
}

void *
machine_get_ram(const struct machine *machine)
{
	return guest_memory_find(machine->platform.memory, 0, 1);
}

static int
machine_take_page(void *context, uint64_t number, const void *page)
{
	return pages_writer_add(context, number, page);
}

int
machine_save_pages(const struct machine *machine, const struct pages_file_ids *ids, int fd)
{
	const struct description *description = machine->description;
	struct pages_writer *writer;
	int error =
		pages_writer_new(fd, description->ram_bytes / PAGES_FILE_PAGE_BYTES, ids, &writer);

	if (error < 0)
		return error;
	error = own_pages_list(description->pagemap_fd, machine_get_ram(machine),
			       description->ram_bytes, description->memory_fd, machine_take_page,
			       writer);
	if (error == 0)
		error = pages_writer_finish(writer);
	pages_writer_free(writer);
	return error;
}

static int
machine_load_pages(struct machine *machine, struct state_reader *reader,
		   const struct pages_file_ids *ids)
{
	const struct description *description = machine->description;
	char problem[PAGES_FILE_PROBLEM_BYTES];
	int error = pages_file_load(description->pages_fd, ids, machine_get_ram(machine),
				    description->ram_bytes, problem);

	if (error == -ENOTSUP)
		return state_reader_refuse_foreign(reader, "its pages: %s", problem);
	if (error < 0)
		return state_reader_refuse(reader, "its pages: %s", problem);
	return 0;
}

int
machine_load_memory(struct machine *machine, struct state_reader *reader)
{
	bool has_pages = machine->description->pages_fd >= 0;
	uint8_t template[PAGES_FILE_ID_BYTES];
	struct pages_file_ids ids;
	int error;

	state_reader_open(reader, STATE_VERSION, "memory");
	state_take_bytes(reader, ids.template, sizeof(ids.template));
	state_take_bytes(reader, ids.state, sizeof(ids.state));
	error = state_reader_close(reader);
	if (error < 0)
		return error;
	if (machine_read_template_id(machine, template) < 0 ||
	    memcmp(template, ids.template, sizeof(template)) != 0)
		return state_reader_refuse(reader, "it was saved with another memory");
	if (machine_has_id(ids.state) != has_pages)
		return state_reader_refuse(reader,
					   has_pages ? "it was saved without pages of its own"
						     : "it was saved with pages of its own, which "
						       "are missing");
	return has_pages ? machine_load_pages(machine, reader, &ids) : 0;
}
