/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * attachment.c - which of a display's links belong to whom (carrel-display)
 *
 * How it works: libspice-server lets any main channel that knows the password throw out the one before, so the choice
 * is made here, before it sees the link. attachment_change() is the only place where a state changes.
 */
#include "display/attachment.h"

#include <assert.h>
#include <stddef.h>

#include "base/log.h"
#include "display/link_message.h"

static const char *const state_names[] = {
	[ATTACHMENT_STATE_OVER] = "over",
	[ATTACHMENT_STATE_WAITING] = "waiting",
	[ATTACHMENT_STATE_LINKING] = "linking",
	[ATTACHMENT_STATE_LIVE] = "live",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == ATTACHMENT_STATE_COUNT,
	      "a name a state");

#define TO(state) (1U << ATTACHMENT_STATE_##state)

static const unsigned int state_follows[ATTACHMENT_STATE_COUNT] = {
	[ATTACHMENT_STATE_OVER] = TO(WAITING),
	[ATTACHMENT_STATE_WAITING] = TO(LINKING) | TO(OVER),
	[ATTACHMENT_STATE_LINKING] = TO(WAITING) | TO(LIVE) | TO(OVER),
	[ATTACHMENT_STATE_LIVE] = TO(OVER),
};

static bool
attachment_change(struct attachment *attachment, enum attachment_state state)
{
	if (!(state_follows[attachment->state] & (1U << state)))
		return false;
	log_debug("attachment=%llu %s -> %s", (unsigned long long)attachment->number,
		  state_names[attachment->state], state_names[state]);
	attachment->state = state;
	return true;
}

static struct attachment *
attachment_find(struct attachment_table *table, uint64_t number)
{
	if (number == 0)
		return NULL;
	if (table->newest.number == number && table->newest.state != ATTACHMENT_STATE_OVER)
		return &table->newest;
	if (table->older.number == number && table->older.state != ATTACHMENT_STATE_OVER)
		return &table->older;
	return NULL;
}

bool
attachment_offer(struct attachment_table *table, uint64_t number, bool first)
{
	if (!first)
		return attachment_find(table, number) != NULL;
	if (number <= table->newest.number)
		return false;
	if (table->newest.state == ATTACHMENT_STATE_LIVE)
		table->older = table->newest;
	attachment_change(&table->newest, ATTACHMENT_STATE_OVER);
	table->newest = (struct attachment){ .number = number };
	return attachment_change(&table->newest, ATTACHMENT_STATE_WAITING);
}

const char *
attachment_link(struct attachment_table *table, uint64_t number, uint8_t channel_type,
		uint32_t connection_id)
{
	struct attachment *attachment = attachment_find(table, number);

	if (!attachment)
		return "its attachment is over";
	if (channel_type == LINK_CHANNEL_MAIN) {
		if (connection_id != 0)
			return "a main channel that names a session";
		if (!attachment_change(attachment, ATTACHMENT_STATE_LINKING))
			return "a second main channel";
		return NULL;
	}
	if (attachment->state != ATTACHMENT_STATE_LIVE)
		return "a channel before its main channel";
	if (connection_id != attachment->connection_id)
		return "a channel of another session";
	return NULL;
}

uint64_t
attachment_main_linked(struct attachment_table *table, uint32_t connection_id)
{
	if (!attachment_change(&table->newest, ATTACHMENT_STATE_LIVE))
		return 0;
	table->newest.connection_id = connection_id;
	return table->newest.number;
}

void
attachment_main_failed(struct attachment_table *table, uint64_t number)
{
	struct attachment *attachment = attachment_find(table, number);

	if (attachment && attachment->state == ATTACHMENT_STATE_LINKING)
		attachment_change(attachment, ATTACHMENT_STATE_WAITING);
}

uint64_t
attachment_main_ended(struct attachment_table *table, uint32_t connection_id)
{
	struct attachment *both[] = { &table->older, &table->newest };

	for (size_t i = 0; i < 2; i++) {
		if (both[i]->state != ATTACHMENT_STATE_LIVE ||
		    both[i]->connection_id != connection_id)
			continue;
		attachment_change(both[i], ATTACHMENT_STATE_OVER);
		return both[i]->number;
	}
	return 0;
}

void
attachment_drop(struct attachment_table *table, uint64_t number)
{
	if (number == 0 || table->newest.number == number)
		attachment_change(&table->newest, ATTACHMENT_STATE_OVER);
	if (number == 0 || table->older.number == number)
		attachment_change(&table->older, ATTACHMENT_STATE_OVER);
}

uint64_t
attachment_live(const struct attachment_table *table)
{
	if (table->newest.state == ATTACHMENT_STATE_LIVE)
		return table->newest.number;
	return table->older.state == ATTACHMENT_STATE_LIVE ? table->older.number : 0;
}
