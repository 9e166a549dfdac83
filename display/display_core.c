/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * display_core.c - one desktop's display (carrel-display)
 *
 * How it works: the source writes into the surfaces, one a head, from its own threads, and every change wakes the sink's
 * refresh(). Clients' sockets become links (tls_link.c); attachment.c decides which of them the sink gets to see.
 * An attachment begins with display_core_add_client(first), lives from display_core_handle_main_linked() to
 * display_core_handle_main_ended(), and display_core_end_attachment() is the one place where its links are closed
 * and, if it is the newest, its password is taken back.
 */
#include "display/display_core.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/seq.h"
#include "display/attachment.h"
#include "display/heads.h"
#include "display/sink.h"
#include "display/source.h"
#include "display/surface.h"
#include "display/tls_link.h"

#define MAX_LINKS		32
#define MAX_SOUND_BACKLOG_BYTES (8 * 1024)
#define LINKING_DEADLINE_MS	20000 /* from an attachment's first socket to its linked main channel */
#define REPORT_INTERVAL_S	10
#define INPUT_INTERVAL_MS	1000
#define VNC_CONNECTION_ID	0   /* libspice-server's are not */
#define RESIZE_DELAY_MS		150 /* a window being dragged sends dozens of sizes */

struct display_core {
	char desktop[ID_SIZE];
	display_core_tell tell;
	void *context;
	const struct display_core_makers *makers;
	struct surface *surfaces[HEADS_MAX];
	struct source *source;
	guint source_lost;
	struct sink *
		sink; /* SPICE's, which has the sound and the vdagent whoever is shown the picture */
	struct sink *vnc;		     /* may be NULL */
	char vnc_password[ID_PASSWORD_SIZE]; /* empty: nobody gets in */
	bool has_vdagent;
	GTlsCertificate *certificate;
	struct attachment_table attachments;
	GPtrArray *links; /* struct tls_link, owned */
	guint linking_deadline;
	guint report_timer;
	bool frame_told;
	uint64_t input_told_ms;
	uint64_t closed_bytes; /* of the live attachment's links that have ended */
	guint resize_timer;
	uint32_t n_heads; /* that the source has; a client's further monitors stay dark */
	struct heads wanted;
	/* sound: what the guest does, and what a client is linked for */
	bool plays;
	bool records;
	bool hears;
	bool speaks;
	struct log_limit refusals;
};

static void
display_core_tell_fact(struct display_core *core, enum display_fact_kind kind, uint64_t attachment,
		       uint64_t value, const char *text)
{
	core->tell(core->context, kind, attachment, value, text ? text : "");
}

/*
 * Sound. A client hears and speaks as long as it has the channels for that, whatever the guest does; nothing is played or
 * recorded for one that has not.
 */

static void
display_core_update_sink_sound(struct display_core *core)
{
	core->sink->ops->set_sound(core->sink, core->plays, core->records && core->speaks);
}

static bool
display_core_has_channel(const struct display_core *core, uint8_t channel_type)
{
	for (guint i = 0; i < core->links->len; i++) {
		struct tls_link *link = g_ptr_array_index(core->links, i);
		const struct link_message *message = tls_link_get_message(link);

		if (message && message->channel_type == channel_type)
			return true;
	}
	return false;
}

/* Of the channels of this type the most that is on its way. */
static uint32_t
display_core_find_backlog(const struct display_core *core, uint8_t channel_type)
{
	uint32_t most = 0;

	for (guint i = 0; i < core->links->len; i++) {
		struct tls_link *link = g_ptr_array_index(core->links, i);
		const struct link_message *message = tls_link_get_message(link);

		if (message && message->channel_type == channel_type)
			most = MAX(most, tls_link_get_backlog(link));
	}
	return most;
}

static void
display_core_tell_listening(struct display_core *core)
{
	if (core->source && core->source->ops->listen)
		core->source->ops->listen(core->source, core->hears, core->speaks);
}

/* Links have come or gone. */
static void
display_core_update_listening(struct display_core *core)
{
	bool hears = display_core_has_channel(core, LINK_CHANNEL_PLAYBACK);
	bool speaks = display_core_has_channel(core, LINK_CHANNEL_RECORD);

	if (hears == core->hears && speaks == core->speaks)
		return;
	core->hears = hears;
	core->speaks = speaks;
	display_core_tell_listening(core);
	display_core_update_sink_sound(core);
}

static void
display_core_set_sound(struct display_core *core, bool plays, bool records)
{
	core->plays = plays;
	core->records = records;
	display_core_update_sink_sound(core);
}

/* Links and attachments. */

static void
display_core_close_links(struct display_core *core, uint64_t attachment)
{
	for (guint i = core->links->len; i > 0; i--) {
		struct tls_link *link = g_ptr_array_index(core->links, i - 1);

		if (tls_link_get_attachment(link) == attachment)
			g_ptr_array_remove_index_fast(core->links, i - 1);
	}
	display_core_update_listening(core);
}

/* The one who gets in next: over this protocol, with this password; NULL: nobody does. */
static void
display_core_set_password(struct display_core *core, enum display_sink_kind sink,
			  const char *password)
{
	bool vnc = sink == DISPLAY_SINK_VNC && password;

	explicit_bzero(core->vnc_password, sizeof(core->vnc_password));
	if (vnc)
		g_strlcpy(core->vnc_password, password, sizeof(core->vnc_password));
	core->sink->ops->set_password(core->sink, vnc ? NULL : password);
}

static void
display_core_end_attachment(struct display_core *core, uint64_t attachment, bool was_live)
{
	display_core_close_links(core, attachment);
	if (attachment == core->attachments.newest.number) {
		g_clear_handle_id(&core->linking_deadline, g_source_remove);
		display_core_set_password(core, DISPLAY_SINK_SPICE, NULL);
	}
	if (was_live) {
		g_clear_handle_id(&core->report_timer, g_source_remove);
		display_core_tell_fact(core, DISPLAY_FACT_DISCONNECTED, attachment, 0, NULL);
	}
}

static gboolean
display_core_handle_linking_deadline(gpointer user_data)
{
	struct display_core *core = user_data;
	uint64_t attachment = core->attachments.newest.number;

	core->linking_deadline = 0;
	log_info("attachment=%llu of desktop=%s did not link in time; its password is void",
		 (unsigned long long)attachment, core->desktop);
	attachment_drop(&core->attachments, attachment);
	display_core_end_attachment(core, attachment, false);
	return G_SOURCE_REMOVE;
}

static void
display_core_report_links(struct display_core *core, uint64_t attachment)
{
	uint64_t bytes = core->closed_bytes;
	uint32_t round_trip_us = 0;

	for (guint i = 0; i < core->links->len; i++) {
		struct tls_link *link = g_ptr_array_index(core->links, i);

		if (tls_link_get_attachment(link) != attachment)
			continue;
		bytes += tls_link_get_sent_bytes(link);
		if (round_trip_us == 0)
			round_trip_us = tls_link_get_round_trip_us(link);
	}
	display_core_tell_fact(core, DISPLAY_FACT_BYTES, attachment, bytes, NULL);
	if (round_trip_us > 0)
		display_core_tell_fact(core, DISPLAY_FACT_ROUND_TRIP, attachment, round_trip_us,
				       NULL);
}

static gboolean
display_core_handle_report(gpointer user_data)
{
	struct display_core *core = user_data;

	display_core_report_links(core, attachment_live(&core->attachments));
	return G_SOURCE_CONTINUE;
}

static void
display_core_drop_one(struct display_core *core, struct attachment *attachment)
{
	bool was_live = attachment->state == ATTACHMENT_STATE_LIVE;

	if (attachment->state == ATTACHMENT_STATE_OVER)
		return;
	attachment_drop(&core->attachments, attachment->number);
	display_core_end_attachment(core, attachment->number, was_live);
}

static void
display_core_handle_main_linked(void *context, uint32_t connection_id)
{
	struct display_core *core = context;
	uint64_t attachment = attachment_main_linked(&core->attachments, connection_id);

	if (attachment == 0)
		return;
	/* libspice-server ends the one before by itself when both are its own. */
	if (core->attachments.older.connection_id == VNC_CONNECTION_ID ||
	    connection_id == VNC_CONNECTION_ID)
		display_core_drop_one(core, &core->attachments.older);
	g_clear_handle_id(&core->linking_deadline, g_source_remove);
	core->frame_told = false;
	core->closed_bytes = 0;
	if (core->report_timer == 0)
		core->report_timer =
			g_timeout_add_seconds(REPORT_INTERVAL_S, display_core_handle_report, core);
	display_core_tell_fact(core, DISPLAY_FACT_CONNECTED, attachment, 0, NULL);
}

/* RFB has one stream: what the link is for is said by its ticket, and its first words are the password. */
static const char *
display_core_judge_vnc(struct display_core *core, struct tls_link *link)
{
	uint64_t attachment = tls_link_get_attachment(link);

	if (attachment != core->attachments.newest.number || !core->vnc_password[0])
		return "its attachment is over";
	if (!tls_link_take_password(link, core->vnc_password))
		return "a VNC client without the password";
	explicit_bzero(core->vnc_password, sizeof(core->vnc_password));
	return attachment_link(&core->attachments, attachment, LINK_CHANNEL_MAIN, 0);
}

static const char *
display_core_judge_link(void *context, struct tls_link *link)
{
	struct display_core *core = context;
	const struct link_message *message = tls_link_get_message(link);

	if (tls_link_get_sink(link) == DISPLAY_SINK_VNC)
		return display_core_judge_vnc(core, link);
	if (!message)
		return "a link for no channel";
	return attachment_link(&core->attachments, tls_link_get_attachment(link),
			       message->channel_type, message->connection_id);
}

static int
display_core_hand_on_link(void *context, struct tls_link *link, int fd)
{
	struct display_core *core = context;
	int error;

	display_core_update_listening(core);
	if (tls_link_get_sink(link) != DISPLAY_SINK_VNC)
		return core->sink->ops->add_client(core->sink, fd);
	error = core->vnc->ops->add_client(core->vnc, fd);
	if (error == 0)
		display_core_handle_main_linked(core, VNC_CONNECTION_ID);
	return error;
}

static void
display_core_note_frame(struct display_core *core, uint64_t attachment)
{
	if (core->frame_told || attachment != attachment_live(&core->attachments) ||
	    surface_get_info(core->surfaces[0]).width == 0)
		return;
	core->frame_told = true;
	display_core_tell_fact(core, DISPLAY_FACT_FIRST_FRAME, attachment, 0, NULL);
}

static void
display_core_handle_drawn(void *context, struct tls_link *link)
{
	display_core_note_frame(context, tls_link_get_attachment(link));
}

static void
display_core_refuse(struct display_core *core, uint64_t attachment, const char *why)
{
	if (log_limit_allow(&core->refusals, io_boottime_ms()))
		log_warning("a link to desktop=%s, attachment=%llu, was refused: %s", core->desktop,
			    (unsigned long long)attachment, why);
	display_core_tell_fact(core, DISPLAY_FACT_LINK_REFUSED, attachment, 0, why);
}

static void
display_core_handle_link_ended(void *context, struct tls_link *link, const char *why)
{
	struct display_core *core = context;
	const struct link_message *message = tls_link_get_message(link);
	uint64_t attachment = tls_link_get_attachment(link);
	bool linking = message && message->channel_type == LINK_CHANNEL_MAIN &&
		       core->attachments.newest.number == attachment &&
		       core->attachments.newest.state == ATTACHMENT_STATE_LINKING;

	/* The sink ended it before it was linked: the password was wrong. */
	if (linking && !why)
		why = "a main channel without the password";
	if (linking)
		attachment_main_failed(&core->attachments, attachment);
	if (why)
		display_core_refuse(core, attachment, why);
	if (attachment == attachment_live(&core->attachments))
		core->closed_bytes += tls_link_get_sent_bytes(link);
	/* RFB has no other link: its end is the attachment's. */
	if (tls_link_get_sink(link) == DISPLAY_SINK_VNC &&
	    attachment == attachment_live(&core->attachments)) {
		display_core_drop(core, attachment);
		return;
	}
	g_ptr_array_remove_fast(core->links, link);
	display_core_update_listening(core);
}

static const struct tls_link_events link_events = {
	.judge = display_core_judge_link,
	.hand_on = display_core_hand_on_link,
	.drawn = display_core_handle_drawn,
	.ended = display_core_handle_link_ended,
};

static void
display_core_free_link(gpointer link)
{
	tls_link_free(link);
}

/* The sink's events. */

static void
display_core_handle_main_ended(void *context, uint32_t connection_id)
{
	struct display_core *core = context;
	uint64_t attachment = attachment_main_ended(&core->attachments, connection_id);

	if (attachment != 0)
		display_core_end_attachment(core, attachment, true);
}

static gboolean
display_core_handle_resize(gpointer user_data)
{
	struct display_core *core = user_data;

	core->resize_timer = 0;
	heads_place(&core->wanted);
	for (uint32_t i = 0; core->source && i < core->n_heads; i++)
		core->source->ops->set_size(core->source, i, core->wanted.list[i].width,
					    core->wanted.list[i].height);
	core->sink->ops->ask_vdagent_sizes(core->sink, &core->wanted);
	return G_SOURCE_REMOVE;
}

static void
display_core_handle_size_wanted(void *context, uint32_t head, uint32_t width, uint32_t height)
{
	struct display_core *core = context;

	if (head >= core->n_heads)
		return;
	/* Guests round widths down to a multiple of 8: asking for one keeps what is asked and shown the same. */
	core->wanted.list[head].width = MIN(width, DISPLAY_MAX_WIDTH) & ~UINT32_C(7);
	core->wanted.list[head].height = MIN(height, DISPLAY_MAX_HEIGHT);
	/* without the first there is nothing to arrange */
	if (core->wanted.list[0].width == 0)
		return;
	g_clear_handle_id(&core->resize_timer, g_source_remove);
	core->resize_timer = g_timeout_add(RESIZE_DELAY_MS, display_core_handle_resize, core);
}

static void
display_core_handle_size_shown(void *context, uint32_t width, uint32_t height)
{
	struct display_core *core = context;

	display_core_tell_fact(core, DISPLAY_FACT_RESIZED, attachment_live(&core->attachments),
			       (uint64_t)width << 32 | height, NULL);
}

static void
display_core_note_input(struct display_core *core)
{
	uint64_t now_ms = io_boottime_ms();

	if (now_ms - core->input_told_ms < INPUT_INTERVAL_MS)
		return;
	core->input_told_ms = now_ms;
	display_core_tell_fact(core, DISPLAY_FACT_INPUT, attachment_live(&core->attachments), 0,
			       NULL);
}

static void
display_core_handle_key(void *context, uint32_t qnum, bool down)
{
	struct display_core *core = context;

	if (core->source)
		core->source->ops->send_key(core->source, qnum, down);
	display_core_note_input(core);
}

static void
display_core_handle_position(void *context, uint32_t head, uint32_t x, uint32_t y)
{
	struct display_core *core = context;

	if (core->source)
		core->source->ops->send_position(core->source, head, x, y);
	display_core_note_input(core);
}

static void
display_core_handle_button(void *context, enum source_button button, bool down)
{
	struct display_core *core = context;

	if (core->source)
		core->source->ops->send_button(core->source, button, down);
	display_core_note_input(core);
}

static void
display_core_handle_spoken(void *context, const void *frames, uint32_t n_frames)
{
	struct display_core *core = context;

	if (core->source && core->source->ops->speak)
		core->source->ops->speak(core->source, frames, n_frames);
}

static void
display_core_handle_frame(void *context)
{
	struct display_core *core = context;

	display_core_note_frame(core, attachment_live(&core->attachments));
}

static uint32_t
display_core_get_backlog(void *context)
{
	return display_core_find_backlog(context, LINK_CHANNEL_DISPLAY);
}

static const struct sink_events sink_events = {
	.main_linked = display_core_handle_main_linked,
	.main_ended = display_core_handle_main_ended,
	.size_wanted = display_core_handle_size_wanted,
	.size_shown = display_core_handle_size_shown,
	.key = display_core_handle_key,
	.position = display_core_handle_position,
	.button = display_core_handle_button,
	.spoken = display_core_handle_spoken,
	.drawn = display_core_handle_frame,
	.backlog = display_core_get_backlog,
};

/* The source's events. */

static void
display_core_handle_source_ready(void *context, const char *device_address, uint32_t n_heads)
{
	struct display_core *core = context;

	core->n_heads = MIN(n_heads, HEADS_MAX);
	for (uint32_t i = core->n_heads; i < HEADS_MAX; i++)
		core->wanted.list[i].width = 0;
	core->sink->ops->set_device(core->sink, device_address, core->n_heads);
	display_core_tell_listening(core);
}

static void
display_core_handle_sound(void *context, bool plays, bool records)
{
	display_core_set_sound(context, plays, records);
}

static void
display_core_handle_played(void *context, const void *frames, uint32_t n_frames)
{
	struct display_core *core = context;

	/* What is queued is heard late, and all that follows with it: rather a gap. */
	if (display_core_find_backlog(core, LINK_CHANNEL_PLAYBACK) < MAX_SOUND_BACKLOG_BYTES)
		core->sink->ops->play(core->sink, frames, n_frames);
}

static gboolean
display_core_handle_source_gone(gpointer user_data)
{
	struct display_core *core = user_data;

	core->source_lost = 0;
	core->source->ops->free(g_steal_pointer(&core->source));
	return G_SOURCE_REMOVE;
}

static void
display_core_handle_source_lost(void *context, const char *why)
{
	struct display_core *core = context;

	log_warning("the picture of desktop=%s has stopped: %s; waiting for another source",
		    core->desktop, why);
	display_core_tell_fact(core, DISPLAY_FACT_SOURCE_LOST, 0, 0, why);
	display_core_set_sound(core, false, false);
	core->source_lost = g_idle_add(display_core_handle_source_gone, core);
}

static const struct source_events source_events = {
	.ready = display_core_handle_source_ready,
	.sound = display_core_handle_sound,
	.played = display_core_handle_played,
	.lost = display_core_handle_source_lost,
};

static void
display_core_close_source(struct display_core *core)
{
	g_clear_handle_id(&core->source_lost, g_source_remove);
	if (core->source)
		core->source->ops->free(g_steal_pointer(&core->source));
	display_core_set_sound(core, false, false);
}

static void
display_core_handle_changed(void *context)
{
	struct display_core *core = context;

	core->sink->ops->refresh(core->sink);
	if (core->vnc)
		core->vnc->ops->refresh(core->vnc);
}

/* What hostd asks. */

void
display_core_describe(const struct display_core *core, struct display_hello *ret_hello)
{
	memset(ret_hello, 0, sizeof(*ret_hello));
	ret_hello->version = DISPLAY_PROTOCOL_VERSION;
	ret_hello->has_setup = core->certificate != NULL;
	ret_hello->has_source = core->source != NULL && core->source_lost == 0;
	ret_hello->has_vdagent = core->has_vdagent;
	ret_hello->attachment = attachment_live(&core->attachments);
	memcpy(ret_hello->desktop, core->desktop, sizeof(ret_hello->desktop));
}

int
display_core_set_certificate(struct display_core *core, const char *pem, size_t size)
{
	g_autoptr(GError) error = NULL;
	GTlsCertificate *certificate = tls_link_load_certificate(pem, size, &error);

	if (!certificate) {
		log_error("the certificate for desktop=%s is unusable: %s", core->desktop,
			  error->message);
		return -EINVAL;
	}
	g_clear_object(&core->certificate);
	core->certificate = certificate;
	return 0;
}

int
display_core_set_source(struct display_core *core, enum display_source_kind kind, int fd)
{
	if (kind >= DISPLAY_SOURCE_COUNT || !core->makers->new_source[kind]) {
		close(fd);
		return -ENOTSUP;
	}
	display_core_close_source(core);
	core->source = core->makers->new_source[kind](fd, core->surfaces, &source_events, core);
	return 0;
}

void
display_core_set_vdagent(struct display_core *core, int fd)
{
	core->has_vdagent = fd >= 0;
	core->sink->ops->set_vdagent(core->sink, fd);
}

static int
display_core_begin_attachment(struct display_core *core, const struct display_client *client)
{
	/* The one before can no longer link: there is one password. A live one goes when the new one is linked. */
	uint64_t before = core->attachments.newest.number;
	bool unlinked = core->attachments.newest.state != ATTACHMENT_STATE_LIVE;

	if (!seq_text_ok(client->password, sizeof(client->password)) || !client->password[0])
		return -EINVAL;
	if (!attachment_offer(&core->attachments, client->attachment, true))
		return -ESTALE;
	if (unlinked)
		display_core_close_links(core, before);
	display_core_set_password(core, client->sink, client->password);
	g_clear_handle_id(&core->linking_deadline, g_source_remove);
	core->linking_deadline =
		g_timeout_add(LINKING_DEADLINE_MS, display_core_handle_linking_deadline, core);
	return 0;
}

static int
display_core_check_client(struct display_core *core, const struct display_client *client)
{
	if (!core->certificate)
		return -ENOKEY;
	if (client->sink != DISPLAY_SINK_SPICE && (client->sink != DISPLAY_SINK_VNC || !core->vnc))
		return -ENOTSUP;
	if (core->links->len >= MAX_LINKS)
		return -EBUSY;
	if (client->first)
		return display_core_begin_attachment(core, client);
	return attachment_offer(&core->attachments, client->attachment, false) ? 0 : -ESTALE;
}

int
display_core_add_client(struct display_core *core, const struct display_client *client, int fd)
{
	g_autoptr(GError) error = NULL;
	struct tls_link *link;
	int result = display_core_check_client(core, client);

	if (result < 0) {
		close(fd);
		display_core_refuse(core, client->attachment, g_strerror(-result));
		return result;
	}
	link = tls_link_new(fd, core->certificate, (enum display_sink_kind)client->sink,
			    client->attachment, &link_events, core, &error);
	if (!link) {
		display_core_refuse(core, client->attachment, error->message);
		return -ENOTSOCK;
	}
	g_ptr_array_add(core->links, link);
	return 0;
}

void
display_core_drop(struct display_core *core, uint64_t attachment)
{
	if (attachment == 0 || attachment == core->attachments.older.number)
		display_core_drop_one(core, &core->attachments.older);
	if (attachment == 0 || attachment == core->attachments.newest.number)
		display_core_drop_one(core, &core->attachments.newest);
}

struct display_core *
display_core_new(const char *desktop, const struct display_core_makers *makers,
		 display_core_tell tell, void *context)
{
	struct display_core *core = g_new0(struct display_core, 1);

	core->makers = makers;
	g_strlcpy(core->desktop, desktop, sizeof(core->desktop));
	core->tell = tell;
	core->context = context;
	core->refusals = (struct log_limit){ .burst = 10, .every_ms = 1000 };
	core->links = g_ptr_array_new_with_free_func(display_core_free_link);
	core->n_heads = 1;
	for (uint32_t i = 0; i < HEADS_MAX; i++)
		core->surfaces[i] = surface_new(display_core_handle_changed, core);
	core->sink = makers->new_sink(desktop, core->surfaces, &sink_events, core);
	if (core->sink && makers->new_vnc)
		core->vnc = makers->new_vnc(desktop, core->surfaces, &sink_events, core);
	if (!core->sink || (makers->new_vnc && !core->vnc)) {
		display_core_free(core);
		return NULL;
	}
	return core;
}

void
display_core_free(struct display_core *core)
{
	if (!core)
		return;
	if (core->sink)
		display_core_close_source(core);
	g_clear_handle_id(&core->linking_deadline, g_source_remove);
	g_clear_handle_id(&core->report_timer, g_source_remove);
	g_clear_handle_id(&core->resize_timer, g_source_remove);
	g_ptr_array_unref(core->links);
	if (core->vnc)
		core->vnc->ops->free(core->vnc);
	if (core->sink)
		core->sink->ops->free(core->sink);
	explicit_bzero(core->vnc_password, sizeof(core->vnc_password));
	for (uint32_t i = 0; i < HEADS_MAX; i++)
		surface_free(core->surfaces[i]);
	g_clear_object(&core->certificate);
	g_free(core);
}
