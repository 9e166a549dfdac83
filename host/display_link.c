/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_link.c - hostd's end of the connection to one desktop's carrel-display (carrel-hostd)
 *
 * How it works: display_link_open() connects to the "watch" socket; what comes goes through link_rules. After the hello
 * display_link_handle_beat_due() asks for a beat each beat_ms. It counts silence only while our own loop is on time: by its
 * own lateness it sees that hostd, not the display, was asleep. After a message that breaks the protocol the
 * display is to be killed: it may have been taken.
 */
#include "host/display_link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "common/seq_source.h"
#include "host/cert.h"

/* greeting (HELLO is awaited) -> open -> ending (it is being killed); greeting -> ending. */
enum display_link_state {
	DISPLAY_LINK_GREETING,
	DISPLAY_LINK_OPEN,
	DISPLAY_LINK_ENDING,
};

struct display_link {
	char desktop[ID_SIZE];
	char *folder;
	guint beat_ms;
	guint silence_ms;
	const struct display_link_events *events;
	void *context;
	enum display_link_state state;
	struct seq_source *source;
	guint beat_timer;
	guint64 last_tick_ms; /* boottime, as all of these */
	guint64 last_beat_ms;
};

#define IN(state) (1U << DISPLAY_LINK_##state)

static int
display_link_send(struct display_link *link, enum display_type type, const void *payload,
		  gsize size, int fd)
{
	struct seq_header head = { .type = type, .size = (guint32)size };

	return seq_source_send(link->source, &head, payload, &fd, fd >= 0 ? 1 : 0);
}

void
display_link_send_setup(struct display_link *link, guint64 generation, const struct cert *cert)
{
	gsize certificate_bytes = strlen(cert->certificate);
	gsize key_bytes = strlen(cert->key);
	struct display_setup setup = {
		.generation = generation,
		.certificate_bytes = (guint32)certificate_bytes,
		.key_bytes = (guint32)key_bytes,
	};
	gsize size = sizeof(setup) + certificate_bytes + key_bytes;
	g_autofree char *payload = g_malloc(size);

	memcpy(payload, &setup, sizeof(setup));
	memcpy(payload + sizeof(setup), cert->certificate, certificate_bytes);
	memcpy(payload + sizeof(setup) + certificate_bytes, cert->key, key_bytes);
	display_link_send(link, DISPLAY_SETUP, payload, size, -1);
	explicit_bzero(payload, size);
}

/* Nonblocking: QEMU decides when it accepts, and is not trusted to. */
void
display_link_send_vdagent(struct display_link *link, gboolean open)
{
	g_autofree char *path = g_build_filename(link->folder, "vdagent", NULL);
	CLEANUP_CLOSE int fd = -1;
	int error = 0;

	if (open)
		error = io_unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK, &fd);
	if (error < 0)
		log_warning("desktop=%s: no clipboard and resize: cannot connect to '%s': %s",
			    link->desktop, path, strerror(-error));
	else
		display_link_send(link, DISPLAY_VDAGENT, NULL, 0, fd);
}

int
display_link_send_source(struct display_link *link, enum display_source_kind kind, int fd)
{
	struct display_source_offer offer = { .kind = kind };

	return display_link_send(link, DISPLAY_SOURCE, &offer, sizeof(offer), fd);
}

int
display_link_send_client(struct display_link *link, const struct display_client *client, int fd)
{
	return display_link_send(link, DISPLAY_CLIENT, client, sizeof(*client), fd);
}

void
display_link_send_drop(struct display_link *link, guint64 attachment)
{
	struct display_drop drop = { .attachment = attachment };

	display_link_send(link, DISPLAY_DROP, &drop, sizeof(drop), -1);
}

int
display_link_send_quit(struct display_link *link)
{
	return display_link_send(link, DISPLAY_QUIT, NULL, 0, -1);
}

static gboolean
display_link_handle_beat_due(gpointer data)
{
	struct display_link *link = data;
	guint64 now = io_boottime_ms();

	if (now - link->last_tick_ms > 2 * (guint64)link->beat_ms)
		link->last_beat_ms = now;
	link->last_tick_ms = now;
	if (now - link->last_beat_ms > link->silence_ms) {
		link->beat_timer = 0;
		link->events->failed(link->context, "its heart does not beat");
		return G_SOURCE_REMOVE;
	}
	display_link_send(link, DISPLAY_BEAT, NULL, 0, -1);
	return G_SOURCE_CONTINUE;
}

static int
display_link_handle_hello(void *context, struct seq_message *message)
{
	struct display_link *link = context;
	struct display_hello hello;

	memcpy(&hello, message->payload, sizeof(hello));
	if (hello.version != DISPLAY_PROTOCOL_VERSION ||
	    !seq_text_ok(hello.desktop, sizeof(hello.desktop)) ||
	    strcmp(hello.desktop, link->desktop) != 0)
		return -EPROTO;
	link->state = DISPLAY_LINK_OPEN;
	link->last_tick_ms = link->last_beat_ms = io_boottime_ms();
	link->beat_timer = g_timeout_add(link->beat_ms, display_link_handle_beat_due, link);
	link->events->hello(link->context, &hello);
	return 0;
}

static int
display_link_handle_beat(void *context, G_GNUC_UNUSED struct seq_message *message)
{
	struct display_link *link = context;

	link->last_beat_ms = io_boottime_ms();
	return 0;
}

static int
display_link_handle_fact(void *context, struct seq_message *message)
{
	struct display_link *link = context;
	struct display_fact fact;

	memcpy(&fact, message->payload, sizeof(fact));
	if (fact.kind >= DISPLAY_FACT_COUNT || !seq_text_ok(fact.text, sizeof(fact.text)))
		return -EPROTO;
	link->events->fact(link->context, &fact);
	return 0;
}

static const struct seq_rule link_rules[] = {
	{ DISPLAY_HELLO, sizeof(struct display_hello), sizeof(struct display_hello), 0, 0,
	  IN(GREETING), display_link_handle_hello },
	{ DISPLAY_BEAT, 0, 0, 0, 0, IN(OPEN) | IN(ENDING), display_link_handle_beat },
	{ DISPLAY_FACT, sizeof(struct display_fact), sizeof(struct display_fact), 0, 0,
	  IN(OPEN) | IN(ENDING), display_link_handle_fact },
};

static void
display_link_handle_message(void *context, struct seq_message *message)
{
	struct display_link *link = context;
	guint32 type = message ? message->head.type : 0;
	int error;

	if (!message) {
		link->events->closed(link->context);
		return;
	}
	error = seq_dispatch(link_rules, G_N_ELEMENTS(link_rules), link->state, link, message);
	if (error == 0)
		return;
	log_warning("desktop=%s: the display sent a wrong message type=%u (%s)", link->desktop,
		    type, strerror(-error));
	link->events->failed(link->context, "it broke the protocol");
}

struct display_link *
display_link_open(const struct display_link_options *options,
		  const struct display_link_events *events, void *context)
{
	g_autofree char *path = g_build_filename(options->folder, "watch", NULL);
	struct display_link *link;
	int fd = -1;
	int error = io_unix_connect(path, SOCK_SEQPACKET | SOCK_NONBLOCK, &fd);

	if (error < 0) {
		log_warning("desktop=%s: cannot connect to '%s': %s", options->desktop, path,
			    strerror(-error));
		return NULL;
	}
	link = g_new0(struct display_link, 1);
	g_strlcpy(link->desktop, options->desktop, sizeof(link->desktop));
	link->folder = g_strdup(options->folder);
	link->beat_ms = options->beat_ms;
	link->silence_ms = options->silence_ms;
	link->events = events;
	link->context = context;
	link->source = seq_source_new(fd, "display", display_link_handle_message, link);
	return link;
}

void
display_link_free(struct display_link *link)
{
	if (!link)
		return;
	g_clear_handle_id(&link->beat_timer, g_source_remove);
	seq_source_free(link->source);
	g_free(link->folder);
	g_free(link);
}

void
display_link_expect_end(struct display_link *link)
{
	link->state = DISPLAY_LINK_ENDING;
	g_clear_handle_id(&link->beat_timer, g_source_remove);
}
