/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_links.c - the links of a display's clients (carrel-display)
 *
 * How it works: clients' sockets become links (tls_link.c); attachment.c decides which of them a sink gets to see.
 * An attachment begins with display_links_add(first), lives from display_links_handle_main_linked() to
 * display_links_handle_main_ended(), and display_links_end_attachment() is the one place where its links are closed
 * and, if it is the newest, its password is taken back.
 */
#include "display/display_links.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/seq.h"
#include "display/attachment.h"
#include "display/sink.h"
#include "display/surface.h"
#include "display/tls_link.h"

#define MAX_LINKS	    32
#define LINKING_DEADLINE_MS 20000 /* from an attachment's first socket to its linked main channel */
#define REPORT_INTERVAL_S   10
#define VNC_CONNECTION_ID   0 /* libspice-server's are not */

struct display_links {
	char desktop[ID_SIZE];
	struct surface *first;
	const struct display_links_events *events;
	void *context;
	struct sink *sinks[DISPLAY_SINK_COUNT];
	char vnc_password[ID_PASSWORD_SIZE]; /* empty: nobody gets in */
	GTlsCertificate *certificate;
	struct attachment_table attachments;
	GPtrArray *list; /* struct tls_link, owned */
	guint linking_deadline;
	guint report_timer;
	bool frame_told;
	uint64_t closed_bytes; /* of the live attachment's links that have ended */
	struct log_limit refusals;
};

static void
display_links_tell(struct display_links *links, enum display_fact_kind kind, uint64_t attachment,
		   uint64_t value, const char *text)
{
	links->events->tell(links->context, kind, attachment, value, text);
}

bool
display_links_has_channel(const struct display_links *links, uint8_t channel_type)
{
	for (guint i = 0; i < links->list->len; i++) {
		struct tls_link *link = g_ptr_array_index(links->list, i);
		const struct link_message *message = tls_link_get_message(link);

		if (message && message->channel_type == channel_type)
			return true;
	}
	return false;
}

uint32_t
display_links_find_backlog(const struct display_links *links, uint8_t channel_type)
{
	uint32_t most = 0;

	for (guint i = 0; i < links->list->len; i++) {
		struct tls_link *link = g_ptr_array_index(links->list, i);
		const struct link_message *message = tls_link_get_message(link);

		if (message && message->channel_type == channel_type)
			most = MAX(most, tls_link_get_backlog(link));
	}
	return most;
}

static void
display_links_close_links(struct display_links *links, uint64_t attachment)
{
	for (guint i = links->list->len; i > 0; i--) {
		struct tls_link *link = g_ptr_array_index(links->list, i - 1);

		if (tls_link_get_attachment(link) == attachment)
			g_ptr_array_remove_index_fast(links->list, i - 1);
	}
	links->events->changed(links->context);
}

/* The one who gets in next: over this protocol, with this password; NULL: nobody does. */
static void
display_links_set_password(struct display_links *links, enum display_sink_kind sink,
			   const char *password)
{
	struct sink *spice = links->sinks[DISPLAY_SINK_SPICE];
	bool vnc = sink == DISPLAY_SINK_VNC && password;

	explicit_bzero(links->vnc_password, sizeof(links->vnc_password));
	if (vnc)
		g_strlcpy(links->vnc_password, password, sizeof(links->vnc_password));
	spice->ops->set_password(spice, vnc ? NULL : password);
}

static void
display_links_end_attachment(struct display_links *links, uint64_t attachment, bool was_live)
{
	display_links_close_links(links, attachment);
	if (attachment == links->attachments.newest.number) {
		g_clear_handle_id(&links->linking_deadline, g_source_remove);
		display_links_set_password(links, DISPLAY_SINK_SPICE, NULL);
	}
	if (was_live) {
		g_clear_handle_id(&links->report_timer, g_source_remove);
		display_links_tell(links, DISPLAY_FACT_DISCONNECTED, attachment, 0, NULL);
	}
}

static gboolean
display_links_handle_linking_deadline(gpointer user_data)
{
	struct display_links *links = user_data;
	uint64_t attachment = links->attachments.newest.number;

	links->linking_deadline = 0;
	log_info("attachment=%llu of desktop=%s did not link in time; its password is void",
		 (unsigned long long)attachment, links->desktop);
	attachment_drop(&links->attachments, attachment);
	display_links_end_attachment(links, attachment, false);
	return G_SOURCE_REMOVE;
}

static void
display_links_report_links(struct display_links *links, uint64_t attachment)
{
	uint64_t bytes = links->closed_bytes;
	uint32_t round_trip_us = 0;

	for (guint i = 0; i < links->list->len; i++) {
		struct tls_link *link = g_ptr_array_index(links->list, i);

		if (tls_link_get_attachment(link) != attachment)
			continue;
		bytes += tls_link_get_sent_bytes(link);
		if (round_trip_us == 0)
			round_trip_us = tls_link_get_round_trip_us(link);
	}
	display_links_tell(links, DISPLAY_FACT_BYTES, attachment, bytes, NULL);
	if (round_trip_us > 0)
		display_links_tell(links, DISPLAY_FACT_ROUND_TRIP, attachment, round_trip_us, NULL);
}

static gboolean
display_links_handle_report(gpointer user_data)
{
	struct display_links *links = user_data;

	display_links_report_links(links, attachment_live(&links->attachments));
	return G_SOURCE_CONTINUE;
}

static void
display_links_drop_one(struct display_links *links, struct attachment *attachment)
{
	bool was_live = attachment->state == ATTACHMENT_STATE_LIVE;

	if (attachment->state == ATTACHMENT_STATE_OVER)
		return;
	attachment_drop(&links->attachments, attachment->number);
	display_links_end_attachment(links, attachment->number, was_live);
}

void
display_links_handle_main_linked(struct display_links *links, uint32_t connection_id)
{
	uint64_t attachment = attachment_main_linked(&links->attachments, connection_id);

	if (attachment == 0)
		return;
	/* libspice-server ends the one before by itself when both are its own. */
	if (links->attachments.older.connection_id == VNC_CONNECTION_ID ||
	    connection_id == VNC_CONNECTION_ID)
		display_links_drop_one(links, &links->attachments.older);
	g_clear_handle_id(&links->linking_deadline, g_source_remove);
	links->frame_told = false;
	links->closed_bytes = 0;
	if (links->report_timer == 0)
		links->report_timer = g_timeout_add_seconds(REPORT_INTERVAL_S,
							    display_links_handle_report, links);
	display_links_tell(links, DISPLAY_FACT_CONNECTED, attachment, 0, NULL);
	links->events->changed(links->context);
}

void
display_links_handle_main_ended(struct display_links *links, uint32_t connection_id)
{
	uint64_t attachment = attachment_main_ended(&links->attachments, connection_id);

	if (attachment != 0)
		display_links_end_attachment(links, attachment, true);
}

/* RFB has one stream: what the link is for is said by its ticket, and its first words are the password. */
static const char *
display_links_judge_vnc(struct display_links *links, struct tls_link *link)
{
	uint64_t attachment = tls_link_get_attachment(link);

	if (attachment != links->attachments.newest.number || !links->vnc_password[0])
		return "its attachment is over";
	if (!tls_link_take_password(link, links->vnc_password))
		return "a VNC client without the password";
	explicit_bzero(links->vnc_password, sizeof(links->vnc_password));
	return attachment_link(&links->attachments, attachment, LINK_CHANNEL_MAIN, 0);
}

static const char *
display_links_judge_link(void *context, struct tls_link *link)
{
	struct display_links *links = context;
	const struct link_message *message = tls_link_get_message(link);

	if (tls_link_get_sink(link) == DISPLAY_SINK_VNC)
		return display_links_judge_vnc(links, link);
	if (!message)
		return "a link for no channel";
	return attachment_link(&links->attachments, tls_link_get_attachment(link),
			       message->channel_type, message->connection_id);
}

static int
display_links_hand_on_link(void *context, struct tls_link *link, int fd)
{
	struct display_links *links = context;
	enum display_sink_kind kind = tls_link_get_sink(link);
	int error;

	links->events->changed(links->context);
	error = links->sinks[kind]->ops->add_client(links->sinks[kind], fd);
	if (error == 0 && kind == DISPLAY_SINK_VNC)
		display_links_handle_main_linked(links, VNC_CONNECTION_ID);
	return error;
}

static void
display_links_note_frame(struct display_links *links, uint64_t attachment)
{
	if (links->frame_told || attachment != attachment_live(&links->attachments) ||
	    surface_get_info(links->first).width == 0)
		return;
	links->frame_told = true;
	display_links_tell(links, DISPLAY_FACT_FIRST_FRAME, attachment, 0, NULL);
}

static void
display_links_handle_drawn(void *context, struct tls_link *link)
{
	display_links_note_frame(context, tls_link_get_attachment(link));
}

static void
display_links_refuse(struct display_links *links, uint64_t attachment, const char *why)
{
	if (log_limit_allow(&links->refusals, io_boottime_ms()))
		log_warning("a link to desktop=%s, attachment=%llu, was refused: %s",
			    links->desktop, (unsigned long long)attachment, why);
	display_links_tell(links, DISPLAY_FACT_LINK_REFUSED, attachment, 0, why);
}

static void
display_links_handle_link_ended(void *context, struct tls_link *link, const char *why)
{
	struct display_links *links = context;
	const struct link_message *message = tls_link_get_message(link);
	uint64_t attachment = tls_link_get_attachment(link);
	bool linking = message && message->channel_type == LINK_CHANNEL_MAIN &&
		       links->attachments.newest.number == attachment &&
		       links->attachments.newest.state == ATTACHMENT_STATE_LINKING;

	/* The sink ended it before it was linked: the password was wrong. */
	if (linking && !why)
		why = "a main channel without the password";
	if (linking)
		attachment_main_failed(&links->attachments, attachment);
	if (why)
		display_links_refuse(links, attachment, why);
	if (attachment == attachment_live(&links->attachments))
		links->closed_bytes += tls_link_get_sent_bytes(link);
	/* RFB has no other link: its end is the attachment's. */
	if (tls_link_get_sink(link) == DISPLAY_SINK_VNC &&
	    attachment == attachment_live(&links->attachments)) {
		display_links_drop(links, attachment);
		return;
	}
	g_ptr_array_remove_fast(links->list, link);
	links->events->changed(links->context);
}

static const struct tls_link_events link_events = {
	.judge = display_links_judge_link,
	.hand_on = display_links_hand_on_link,
	.drawn = display_links_handle_drawn,
	.ended = display_links_handle_link_ended,
};

int
display_links_set_certificate(struct display_links *links, const char *pem, size_t size)
{
	g_autoptr(GError) error = NULL;
	GTlsCertificate *certificate = tls_link_load_certificate(pem, size, &error);

	if (!certificate) {
		log_error("the certificate for desktop=%s is unusable: %s", links->desktop,
			  error->message);
		return -EINVAL;
	}
	g_clear_object(&links->certificate);
	links->certificate = certificate;
	return 0;
}

static int
display_links_begin_attachment(struct display_links *links, const struct display_client *client)
{
	/* The one before can no longer link: there is one password. A live one goes when the new one is linked. */
	uint64_t before = links->attachments.newest.number;
	bool unlinked = links->attachments.newest.state != ATTACHMENT_STATE_LIVE;

	if (!seq_text_ok(client->password, sizeof(client->password)) || !client->password[0])
		return -EINVAL;
	if (!attachment_offer(&links->attachments, client->attachment, true))
		return -ESTALE;
	if (unlinked)
		display_links_close_links(links, before);
	display_links_set_password(links, client->sink, client->password);
	g_clear_handle_id(&links->linking_deadline, g_source_remove);
	links->linking_deadline =
		g_timeout_add(LINKING_DEADLINE_MS, display_links_handle_linking_deadline, links);
	return 0;
}

static int
display_links_check_client(struct display_links *links, const struct display_client *client)
{
	if (!links->certificate)
		return -ENOKEY;
	if (client->sink >= DISPLAY_SINK_COUNT || !links->sinks[client->sink])
		return -ENOTSUP;
	if (links->list->len >= MAX_LINKS)
		return -EBUSY;
	if (client->first)
		return display_links_begin_attachment(links, client);
	return attachment_offer(&links->attachments, client->attachment, false) ? 0 : -ESTALE;
}

int
display_links_add(struct display_links *links, const struct display_client *client, int fd)
{
	g_autoptr(GError) error = NULL;
	struct tls_link *link;
	int result = display_links_check_client(links, client);

	if (result < 0) {
		close(fd);
		display_links_refuse(links, client->attachment, g_strerror(-result));
		return result;
	}
	link = tls_link_new(fd, links->certificate, (enum display_sink_kind)client->sink,
			    client->attachment, &link_events, links, &error);
	if (!link) {
		display_links_refuse(links, client->attachment, error->message);
		return -ENOTSOCK;
	}
	g_ptr_array_add(links->list, link);
	return 0;
}

void
display_links_drop(struct display_links *links, uint64_t attachment)
{
	if (attachment == 0 || attachment == links->attachments.older.number)
		display_links_drop_one(links, &links->attachments.older);
	if (attachment == 0 || attachment == links->attachments.newest.number)
		display_links_drop_one(links, &links->attachments.newest);
}

void
display_links_handle_frame(struct display_links *links)
{
	display_links_note_frame(links, attachment_live(&links->attachments));
}

uint64_t
display_links_get_live(const struct display_links *links)
{
	return attachment_live(&links->attachments);
}

enum display_sink_kind
display_links_get_live_sink(const struct display_links *links)
{
	const struct attachment_table *table = &links->attachments;
	const struct attachment *live =
		table->newest.state == ATTACHMENT_STATE_LIVE ? &table->newest : &table->older;

	return live->state == ATTACHMENT_STATE_LIVE && live->connection_id == VNC_CONNECTION_ID
		       ? DISPLAY_SINK_VNC
		       : DISPLAY_SINK_SPICE;
}

bool
display_links_has_certificate(const struct display_links *links)
{
	return links->certificate != NULL;
}

void
display_links_set_sinks(struct display_links *links, struct sink *const sinks[DISPLAY_SINK_COUNT])
{
	memcpy(links->sinks, sinks, sizeof(links->sinks));
}

static void
display_links_free_link(gpointer link)
{
	tls_link_free(link);
}

struct display_links *
display_links_new(const char *desktop, struct surface *first,
		  const struct display_links_events *events, void *context)
{
	struct display_links *links = g_new0(struct display_links, 1);

	g_strlcpy(links->desktop, desktop, sizeof(links->desktop));
	links->first = first;
	links->events = events;
	links->context = context;
	links->refusals = (struct log_limit){ .burst = 10, .every_ms = 1000 };
	links->list = g_ptr_array_new_with_free_func(display_links_free_link);
	return links;
}

void
display_links_free(struct display_links *links)
{
	g_clear_handle_id(&links->linking_deadline, g_source_remove);
	g_clear_handle_id(&links->report_timer, g_source_remove);
	g_ptr_array_unref(links->list);
	explicit_bzero(links->vnc_password, sizeof(links->vnc_password));
	g_clear_object(&links->certificate);
	g_free(links);
}
