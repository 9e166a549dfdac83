/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watch.c - carrel-display's conversation with carrel-hostd (carrel-display)
 *
 * How it works: each connection is greeted with HELLO, the newest one is the one that counts. Requests go through
 * rule_table; one that is wrong ends the connection, because its sender is not the hostd we know, and streams go on.
 * Facts are dropped while nobody is connected: HELLO says how things are.
 */
#include "display/watch.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "common/seq_source.h"
#include "display/display_core.h"

enum watch_state {
	WATCH_STATE_FRESH,
	WATCH_STATE_READY
};

#define IN_FRESH (1U << WATCH_STATE_FRESH)
#define IN_READY (1U << WATCH_STATE_READY)

struct watch {
	struct display_core *core;
	enum watch_state state; /* READY once there is a certificate */
	guint listener;
	struct seq_source *hostd;
	void (*quit)(void *context);
	void *context;
};

static int
watch_send(struct watch *watch, enum display_type type, uint32_t id, const void *payload,
	   size_t size)
{
	struct seq_header head = { .type = type, .id = id, .size = (uint32_t)size };

	if (!watch->hostd)
		return -ENOTCONN;
	return seq_source_send(watch->hostd, &head, payload, NULL, 0);
}

static void
watch_tell(void *context, enum display_fact_kind kind, uint64_t attachment, uint64_t value,
	   const char *text)
{
	struct display_fact fact = {
		.attachment = attachment,
		.boottime_ms = io_boottime_ms(),
		.value = value,
		.kind = kind,
	};

	g_strlcpy(fact.text, text, sizeof(fact.text));
	watch_send(context, DISPLAY_FACT, 0, &fact, sizeof(fact));
}

static int
watch_handle_setup(void *context, struct seq_message *message)
{
	struct watch *watch = context;
	struct display_setup setup;
	const char *pem = (const char *)message->payload + sizeof(setup);
	int error;

	memcpy(&setup, message->payload, sizeof(setup));
	if (setup.certificate_bytes > DISPLAY_MAX_PEM_BYTES ||
	    setup.key_bytes > DISPLAY_MAX_PEM_BYTES ||
	    message->head.size != sizeof(setup) + setup.certificate_bytes + setup.key_bytes)
		return -EBADMSG;
	error = display_core_set_certificate(watch->core, pem,
					     setup.certificate_bytes + setup.key_bytes);
	explicit_bzero(message->payload, message->head.size);
	if (error == 0)
		watch->state = WATCH_STATE_READY;
	return error;
}

static int
watch_handle_source(void *context, struct seq_message *message)
{
	struct watch *watch = context;
	struct display_source_offer offer;

	memcpy(&offer, message->payload, sizeof(offer));
	return display_core_set_source(watch->core, offer.kind, seq_take_fd(message, 0));
}

static int
watch_handle_vdagent(void *context, struct seq_message *message)
{
	struct watch *watch = context;

	display_core_set_vdagent(watch->core, seq_take_fd(message, 0));
	return 0;
}

/* A refused client is its own affair, and told as a fact. */
static int
watch_handle_client(void *context, struct seq_message *message)
{
	struct watch *watch = context;
	struct display_client client;

	memcpy(&client, message->payload, sizeof(client));
	display_core_add_client(watch->core, &client, seq_take_fd(message, 0));
	explicit_bzero(&client, sizeof(client));
	explicit_bzero(message->payload, message->head.size);
	return 0;
}

static int
watch_handle_drop(void *context, struct seq_message *message)
{
	struct watch *watch = context;
	struct display_drop drop;

	memcpy(&drop, message->payload, sizeof(drop));
	display_core_drop(watch->core, drop.attachment);
	return 0;
}

static int
watch_handle_beat(void *context, struct seq_message *message)
{
	watch_send(context, DISPLAY_BEAT, message->head.id, NULL, 0);
	return 0;
}

static int
watch_handle_quit(void *context, G_GNUC_UNUSED struct seq_message *message)
{
	struct watch *watch = context;

	watch->quit(watch->context);
	return 0;
}

static const struct seq_rule rule_table[] = {
	{ DISPLAY_SETUP, sizeof(struct display_setup) + 2,
	  sizeof(struct display_setup) + 2 * DISPLAY_MAX_PEM_BYTES, 0, 0, IN_FRESH | IN_READY,
	  watch_handle_setup },
	{ DISPLAY_SOURCE, sizeof(struct display_source_offer), sizeof(struct display_source_offer),
	  1, 1, IN_FRESH | IN_READY, watch_handle_source },
	{ DISPLAY_VDAGENT, 0, 0, 0, 1, IN_FRESH | IN_READY, watch_handle_vdagent },
	{ DISPLAY_CLIENT, sizeof(struct display_client), sizeof(struct display_client), 1, 1,
	  IN_READY, watch_handle_client },
	{ DISPLAY_DROP, sizeof(struct display_drop), sizeof(struct display_drop), 0, 0,
	  IN_FRESH | IN_READY, watch_handle_drop },
	{ DISPLAY_BEAT, 0, 0, 0, 0, IN_FRESH | IN_READY, watch_handle_beat },
	{ DISPLAY_QUIT, 0, 0, 0, 0, IN_FRESH | IN_READY, watch_handle_quit },
};

static void
watch_handle_message(void *context, struct seq_message *message)
{
	struct watch *watch = context;
	uint32_t type = message ? message->head.type : 0;
	int error = -EPIPE;

	if (message)
		error = seq_dispatch(rule_table, G_N_ELEMENTS(rule_table), watch->state, watch,
				     message);
	if (error >= 0)
		return;
	if (error != -EPIPE)
		log_warning("hostd's message of type %u was refused (%s); its connection is closed",
			    type, g_strerror(-error));
	seq_source_free(g_steal_pointer(&watch->hostd));
}

static void
watch_handle_accept(void *context, int fd)
{
	struct watch *watch = context;
	struct display_hello hello;

	if (watch->hostd)
		seq_source_free(g_steal_pointer(&watch->hostd));
	watch->hostd = seq_source_new(fd, "hostd", watch_handle_message, watch);
	display_core_describe(watch->core, &hello);
	watch_send(watch, DISPLAY_HELLO, 0, &hello, sizeof(hello));
}

struct watch *
watch_new(int listen_fd, const char *desktop, const struct display_core_makers *makers,
	  void (*quit)(void *context), void *context)
{
	struct watch *watch = g_new0(struct watch, 1);

	watch->quit = quit;
	watch->context = context;
	watch->core = display_core_new(desktop, makers, watch_tell, watch);
	if (!watch->core) {
		g_free(watch);
		return NULL;
	}
	watch->listener = seq_source_listen(listen_fd, "watch", watch_handle_accept, watch);
	return watch;
}

void
watch_free(struct watch *watch)
{
	if (!watch)
		return;
	g_source_remove(watch->listener);
	display_core_free(watch->core);
	if (watch->hostd)
		seq_source_free(watch->hostd);
	g_free(watch);
}
