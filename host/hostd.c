/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hostd.c - carrel-hostd as a whole: its parts, wired together (carrel-hostd)
 *
 * How it works: hostd_new() is the start order. Nothing is said to the broker before carrel-launch has told what runs
 * (hostd_handle_listed): a report without a desktop means that it is lost, and ends its user's session. Afterwards
 * sync carries hostd_describe() to the broker and its answers to hostd_apply(); a client that the gateway brings
 * goes through the table of tickets to its desktop's display (hostd_handle_admit); what displays tell goes to the tickets, to the
 * numbered events and so to the broker (hostd_handle_fact).
 */
#include "host/hostd.h"

#include <errno.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "common/settings.h"
#include "host/desktops.h"
#include "host/event_ring.h"
#include "host/gateway_port.h"
#include "host/host_doctor.h"
#include "host/hostd_settings.h"
#include "host/image_list.h"
#include "host/job_arguments.h"
#include "host/jobs.h"
#include "host/reseal.h"
#include "host/screenshots.h"
#include "host/sync.h"
#include "host/ticket_offers.h"

#define HOSTD_EXPIRE_S		5
#define HOSTD_LIST_AGAIN_MS	1000
#define HOSTD_MAX_EVENTS	256 /* in one report */
#define HOSTD_ATTACHMENT_SHIFT	16
#define HOSTD_REFUSALS_BURST	10
#define HOSTD_REFUSALS_EVERY_MS 6000

struct hostd {
	const struct hostd_options *options;
	char *proxy;
	const char *exchange; /* the settings'; NULL: none */
	struct launch_client *launch;
	struct desktops *desktops;
	struct ticket_table *tickets;
	struct ticket_offers *offers;
	struct gateway_port *gateway;
	struct jobs *jobs;
	struct reseal *reseal;
	struct screenshots *screenshots;
	struct event_ring *events;
	struct sync *sync;
	struct host_doctor *doctor;
	gint64 last_request; /* of the broker's "requests" that was done */
	guint list_again;
	guint expire_timer;
	struct log_limit refusals;
};

/* --- what is told to the broker --- */

static json_t *
hostd_describe_capacity(struct hostd *hostd)
{
	json_t *capacity = desktops_get_capacity(hostd->desktops);
	json_t *doctor = host_doctor_get(hostd->doctor);

	/* Programs, devices and routes are looked at when the doctor comes, not for each report. */
	json_object_set(capacity, "engines", json_object_get(doctor, "engines"));
	json_object_set(capacity, "doctor", doctor);
	return capacity;
}

static json_t *
hostd_describe(void *context)
{
	struct hostd *hostd = context;

	return json_pack("{s:o, s:{s:s}, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "capacity",
			 hostd_describe_capacity(hostd), "gateway", "proxy", hostd->proxy,
			 "templates", desktops_list_templates(hostd->desktops), "images",
			 image_list_read(hostd->options->lib), "desktops",
			 desktops_list(hostd->desktops), "jobs", jobs_describe(hostd->jobs),
			 "tickets", ticket_offers_describe(hostd->offers), "answers",
			 screenshots_describe(hostd->screenshots), "events",
			 event_ring_list(hostd->events, HOSTD_MAX_EVENTS));
}

static void
hostd_tell(struct hostd *hostd)
{
	sync_tell(hostd->sync);
}

/* --- what the broker wants --- */

static void
hostd_apply_requests(struct hostd *hostd, const json_t *requests)
{
	for (gsize i = 0; i < json_array_size(requests); i++) {
		const json_t *request = json_array_get(requests, i);
		const char *desktop = json_get_text(request, "desktop", "");
		gint64 id = json_get_integer(request, "id", 0);

		if (strcmp(json_get_text(request, "verb", ""), "screenshot") == 0) {
			screenshots_take(hostd->screenshots, id,
					 desktops_find(hostd->desktops, desktop));
			continue;
		}
		/* One stands in every answer until the broker knows that it was seen. */
		if (id <= hostd->last_request)
			continue;
		hostd->last_request = id;
		desktops_request(hostd->desktops, json_get_text(request, "verb", ""), desktop);
	}
	screenshots_keep(hostd->screenshots, requests);
}

static void
hostd_apply_tickets(struct hostd *hostd, const json_t *tickets)
{
	for (gsize i = 0; i < json_array_size(tickets); i++) {
		const json_t *ticket = json_array_get(tickets, i);

		ticket_offers_add(
			hostd->offers, ticket,
			desktops_find(hostd->desktops, json_get_text(ticket, "desktop", "")));
	}
}

static void
hostd_drop_attachment(void *context, const struct ticket_view *ticket)
{
	struct hostd *hostd = context;
	struct desktop *desktop = desktops_find(hostd->desktops, ticket->desktop);

	if (ticket->attachment && desktop && desktop_get_display(desktop))
		display_control_drop(desktop_get_display(desktop), ticket->attachment);
}

static void
hostd_apply(void *context, const json_t *answer)
{
	struct hostd *hostd = context;
	const json_t *revoked = json_object_get(answer, "revoked");

	event_ring_acknowledge(hostd->events, json_get_integer(answer, "acknowledged", 0));
	for (gsize i = 0; i < json_array_size(revoked); i++)
		tickets_void(hostd->tickets, json_string_value(json_array_get(revoked, i)), NULL,
			     hostd_drop_attachment, hostd);
	desktops_note_left(hostd->desktops, json_object_get(answer, "left"));
	desktops_want(hostd->desktops, json_object_get(answer, "desktops"));
	hostd_apply_requests(hostd, json_object_get(answer, "requests"));
	hostd_apply_tickets(hostd, json_object_get(answer, "tickets"));
	jobs_apply(hostd->jobs, json_object_get(answer, "jobs"));
}

static const struct sync_events sync_event_table = { hostd_describe, hostd_apply };

/* --- desktops --- */

static void
hostd_note(struct hostd *hostd, const struct desktop *desktop, const struct event *about)
{
	struct event event = *about;

	event.desktop = desktop_get_id(desktop);
	event.generation = desktop_get_generation(desktop);
	if (!event.session)
		event.session = desktop_get_session(desktop);
	event_ring_add(hostd->events, &event);
	hostd_tell(hostd);
}

static void
hostd_handle_event(void *context, const struct desktop *desktop, const char *kind, gint64 value,
		   const char *text)
{
	struct event event = { .kind = kind, .value = value, .text = text };

	hostd_note(context, desktop, &event);
}

/* A desktop that can show nothing any more has no good tickets. */
static void
hostd_find_orphan(void *context, const struct ticket_view *ticket)
{
	struct hostd *hostd = ((gpointer *)context)[0];
	GPtrArray *orphans = ((gpointer *)context)[1];
	struct desktop *desktop = desktops_find(hostd->desktops, ticket->desktop);

	if (ticket->state > TICKET_STATE_SPENT)
		return;
	if (!desktop || desktop_get_generation(desktop) != ticket->generation ||
	    !desktop_get_display(desktop))
		g_ptr_array_add(orphans, g_strdup(ticket->desktop));
}

static void
hostd_handle_changed(void *context)
{
	struct hostd *hostd = context;
	g_autoptr(GPtrArray) orphans = g_ptr_array_new_with_free_func(g_free);
	gpointer search[] = { hostd, orphans };

	tickets_each(hostd->tickets, hostd_find_orphan, search);
	for (guint i = 0; i < orphans->len; i++)
		tickets_void(hostd->tickets, NULL, g_ptr_array_index(orphans, i), NULL, NULL);
	hostd_tell(hostd);
}

/* Which facts become events; the others are in the debug log. */
static const char *const fact_kinds[DISPLAY_FACT_COUNT] = {
	[DISPLAY_FACT_CONNECTED] = "connected",
	[DISPLAY_FACT_FIRST_FRAME] = "first_frame",
	[DISPLAY_FACT_INPUT] = "input",
	[DISPLAY_FACT_RESIZED] = "resized",
	[DISPLAY_FACT_DISCONNECTED] = "disconnected",
};

static void
hostd_note_fact(struct hostd *hostd, const struct desktop *desktop, const struct display_fact *fact)
{
	gint64 ago_ms = (gint64)(io_boottime_ms() - fact->boottime_ms);
	struct ticket_view ticket = { .session = NULL };
	gboolean of_ticket = tickets_find_attachment(hostd->tickets, fact->attachment, &ticket);
	gboolean sized = fact->kind == DISPLAY_FACT_RESIZED;
	g_autofree char *size = g_strdup_printf("%ux%u", (guint)(fact->value >> 32),
						(guint)(fact->value & G_MAXUINT32));
	struct event event = { .kind = fact_kinds[fact->kind],
			       .desktop = desktop_get_id(desktop),
			       .generation = desktop_get_generation(desktop),
			       .session = of_ticket ? ticket.session : desktop_get_session(desktop),
			       .time_ms = g_get_real_time() / 1000 - MAX(ago_ms, 0),
			       .text = sized ? size : fact->text };

	/* There is one a second: the last one counts, and it travels with the next report. */
	if (fact->kind == DISPLAY_FACT_INPUT)
		event_ring_replace(hostd->events, &event);
	else
		hostd_note(hostd, desktop, &event);
}

static void
hostd_handle_fact(void *context, struct desktop *desktop, const struct display_fact *fact)
{
	struct hostd *hostd = context;
	struct ticket_view ticket;

	/* A display speaks for its own clients only. */
	if (tickets_find_attachment(hostd->tickets, fact->attachment, &ticket) &&
	    strcmp(ticket.desktop, desktop_get_id(desktop)) != 0) {
		if (log_limit_allow(&hostd->refusals, io_boottime_ms()))
			log_warning("desktop=%s: its display speaks of another desktop's client; "
				    "not heard",
				    desktop_get_id(desktop));
		return;
	}
	if (fact->kind == DISPLAY_FACT_CONNECTED || fact->kind == DISPLAY_FACT_DISCONNECTED)
		tickets_note_main(hostd->tickets, fact->attachment,
				  fact->kind == DISPLAY_FACT_CONNECTED);
	if (fact->kind == DISPLAY_FACT_LINK_REFUSED &&
	    log_limit_allow(&hostd->refusals, io_boottime_ms()))
		log_warning("desktop=%s: a link was refused: %s", desktop_get_id(desktop),
			    fact->text);
	if (fact_kinds[fact->kind])
		hostd_note_fact(hostd, desktop, fact);
	else
		log_debug("desktop=%s: fact %u of its display: %" G_GUINT64_FORMAT,
			  desktop_get_id(desktop), fact->kind, (guint64)fact->value);
}

static void
hostd_handle_foreign(void *context, const char *name, guint32 version, const char *engine,
		     const char *reason, const char *holders)
{
	const struct hostd *hostd = context;

	reseal_want(hostd->reseal, &(struct reseal_wish){ name, version, engine, reason, holders },
		    io_boottime_ms());
}

static const struct desktops_events desktops_event_table = {
	hostd_handle_event, hostd_handle_changed, hostd_handle_fact, hostd_handle_foreign
};

/* --- clients --- */

static int
hostd_handle_admit(void *context, int fd, const struct ticket_pass *pass,
		   struct gateway_port_offer *offer)
{
	struct hostd *hostd = context;
	struct desktop *desktop = desktops_find(hostd->desktops, pass->desktop);

	if (!desktop || desktop_get_generation(desktop) != pass->generation ||
	    !desktop_get_display(desktop))
		return -ENOENT;
	display_control_add_client(desktop_get_display(desktop), fd, pass,
				   gateway_port_handle_passed, offer);
	return 0;
}

static void
hostd_handle_shown(void *context, enum ticket_verdict verdict, const struct ticket_pass *pass,
		   const char *peer)
{
	struct hostd *hostd = context;
	struct event event = { .kind = "ticket_spent",
			       .desktop = pass->desktop,
			       .generation = pass->generation,
			       .session = pass->session,
			       .text = peer };

	if (verdict == TICKET_VERDICT_LATER)
		return;
	if (verdict != TICKET_VERDICT_FIRST) {
		if (!log_limit_allow(&hostd->refusals, io_boottime_ms()))
			return;
		event.kind = "ticket_refused";
		event.text = tickets_verdict_name(verdict);
	}
	event_ring_add(hostd->events, &event);
	hostd_tell(hostd);
}

static const struct gateway_port_events gateway_event_table = { hostd_handle_admit,
								hostd_handle_shown };

/* --- jobs --- */

static void
hostd_handle_news(void *context)
{
	hostd_tell(context);
}

static void
hostd_handle_committed(void *context, enum job_kind kind, const char *name, guint32 version)
{
	log_info("%s of '%s' version %u is done and visible", job_arguments_kind_name(kind), name,
		 version);
	hostd_tell(context);
}

/* As it was at the last look: what has changed since is said when the job runs. */
static const char *
hostd_choose_engine(void *context)
{
	const struct hostd *hostd = context;

	return host_doctor_choose_engine(hostd->doctor);
}

static void
hostd_handle_sealed(void *context, const char *name, guint32 version, const char *error)
{
	struct hostd *hostd = context;

	reseal_handle_end(hostd->reseal, name, version, error, io_boottime_ms());
	if (!error)
		desktops_renew_template(hostd->desktops, name, version);
}

static const struct jobs_events jobs_event_table = { hostd_handle_news, hostd_handle_committed,
						     hostd_handle_sealed, hostd_choose_engine };

static gboolean
hostd_start_seal(void *context, const struct reseal_wish *wish)
{
	const struct hostd *hostd = context;

	return jobs_start_seal(hostd->jobs, wish->name, wish->version, wish->engine, wish->reason);
}

static void
hostd_tell_seal(void *context, const char *kind, const char *text)
{
	struct hostd *hostd = context;
	const struct event event = { .kind = kind, .desktop = "", .session = "", .text = text };

	event_ring_add(hostd->events, &event);
	hostd_tell(hostd);
}

static const struct reseal_events reseal_event_table = { hostd_start_seal, hostd_tell_seal };

/* --- carrel-launch --- */

static void hostd_list(struct hostd *hostd);

static gboolean
hostd_handle_list_again(gpointer data)
{
	struct hostd *hostd = data;

	hostd->list_again = 0;
	hostd_list(hostd);
	return G_SOURCE_REMOVE;
}

static void
hostd_list_later(struct hostd *hostd)
{
	if (hostd->list_again == 0)
		hostd->list_again =
			g_timeout_add(HOSTD_LIST_AGAIN_MS, hostd_handle_list_again, hostd);
}

static void
hostd_handle_listed(void *data, const struct launch_answer *answer)
{
	struct hostd *hostd = data;

	if (answer->error) {
		log_error("carrel-launch does not say what runs: %s; asking again",
			  answer->error->message);
		hostd_list_later(hostd);
		return;
	}
	if (!desktops_adopt(hostd->desktops, answer->records, answer->n_records)) {
		hostd_list_later(hostd);
		return;
	}
	sync_start(hostd->sync);
}

static void
hostd_list(struct hostd *hostd)
{
	if (launch_client_is_up(hostd->launch))
		launch_client_list(hostd->launch, hostd_handle_listed, hostd);
}

static void
hostd_handle_link(void *context, gboolean up)
{
	struct hostd *hostd = context;

	if (!up)
		return;
	hostd_list(hostd);
	/* What waits for launch goes on at the next answer. */
	hostd_tell(hostd);
}

static void
hostd_handle_exited(void *context, const struct launch_exited *exited)
{
	struct hostd *hostd = context;

	jobs_handle_exited(hostd->jobs, exited);
	desktops_handle_exited(hostd->desktops, exited);
}

static const struct launch_client_events launch_event_table = { hostd_handle_link,
								hostd_handle_exited };

/* --- start and end --- */

static gboolean
hostd_handle_expire(gpointer data)
{
	struct hostd *hostd = data;

	if (tickets_expire(hostd->tickets, io_boottime_ms()))
		hostd_tell(hostd);
	return G_SOURCE_CONTINUE;
}

static struct jobs *
hostd_make_jobs(struct hostd *hostd)
{
	const char *set = settings_get_text(hostd->options->settings, "template", "recipes");
	const char *source = g_getenv("CARREL_SOURCE_DIR");
	g_autofree char *records = g_build_filename(hostd->options->lib, "hostd", "jobs", NULL);
	g_autofree char *recipes = NULL;
	struct jobs_options options = { .lib = hostd->options->lib,
					.record_folder = records,
					.launch = hostd->launch };

	if (set[0])
		recipes = g_strdup(set);
	else if (source)
		recipes = g_build_filename(source, "templates", "recipes", NULL);
	else
		recipes = g_build_filename(CARREL_DATADIR, "recipes", NULL);
	options.recipe_folder = recipes;
	return jobs_new(&options, &jobs_event_table, hostd);
}

static struct desktops *
hostd_make_desktops(struct hostd *hostd)
{
	const struct settings *settings = hostd->options->settings;
	struct desktops_options options = {
		.launch = hostd->launch,
		.run = hostd->options->run,
		.lib = hostd->options->lib,
		.ram_reserve_mib = (guint)settings_get_integer(settings, "host", "ram_reserve_mib"),
		.accept_unisolated = settings_get_flag(settings, "host", "accept_unisolated"),
		.templates_in_ram = settings_get_flag(settings, "host", "templates_in_ram"),
		.exchange = hostd->exchange,
	};

	return desktops_new(&options, &desktops_event_table, hostd);
}

static void
hostd_make_parts(struct hostd *hostd, const char *name)
{
	const struct hostd_options *options = hostd->options;
	g_autofree char *launch = g_build_filename(options->run, "launch.sock", NULL);

	hostd->refusals = (struct log_limit){ .burst = HOSTD_REFUSALS_BURST,
					      .every_ms = HOSTD_REFUSALS_EVERY_MS };
	hostd->events = event_ring_new();
	hostd->screenshots = screenshots_new(hostd_handle_news, hostd);
	hostd->tickets = tickets_new(io_boottime_ms() << HOSTD_ATTACHMENT_SHIFT);
	hostd->offers = ticket_offers_new(hostd->tickets);
	hostd->sync = sync_new(options->broker_socket, name, &sync_event_table, hostd);
	hostd->launch = launch_client_new(launch, &launch_event_table, hostd);
	hostd->reseal = reseal_new(&reseal_event_table, hostd);
	hostd->desktops = hostd_make_desktops(hostd);
	hostd->jobs = hostd_make_jobs(hostd);
	hostd->doctor = host_doctor_new(options->lib, options->settings);
	hostd->expire_timer = g_timeout_add_seconds(HOSTD_EXPIRE_S, hostd_handle_expire, hostd);
}

struct hostd *
hostd_new(const struct hostd_options *options, GError **error)
{
	g_autofree char *name = hostd_settings_find_name(options->settings, error);
	g_autofree char *socket = g_build_filename(options->run, "gateway.sock", NULL);
	g_autofree char *proxy = NULL;
	const char *exchange = NULL;
	struct hostd *hostd;

	if (!name || !hostd_settings_check_engine(options->settings, error) ||
	    !hostd_settings_find_exchange(options->settings, &exchange, error))
		return NULL;
	proxy = hostd_settings_find_proxy(options->settings, error);
	if (!proxy)
		return NULL;
	hostd = g_new0(struct hostd, 1);
	hostd->options = options;
	hostd->proxy = g_steal_pointer(&proxy);
	hostd->exchange = exchange;
	hostd_make_parts(hostd, name);
	log_info("templates that name no engine are published for engine '%s'",
		 hostd_choose_engine(hostd));
	hostd->gateway = gateway_port_open(socket, options->gateway_uid, hostd->tickets,
					   &gateway_event_table, hostd, error);
	if (!hostd->gateway)
		g_clear_pointer(&hostd, hostd_free);
	else
		log_info("host '%s': asking carrel-launch what runs", name);
	return hostd;
}

void
hostd_free(struct hostd *hostd)
{
	sync_stop(hostd->sync);
	g_clear_handle_id(&hostd->list_again, g_source_remove);
	g_clear_handle_id(&hostd->expire_timer, g_source_remove);
	gateway_port_close(hostd->gateway);
	screenshots_free(hostd->screenshots);
	desktops_free(hostd->desktops);
	jobs_free(hostd->jobs);
	reseal_free(hostd->reseal);
	launch_client_free(hostd->launch);
	sync_free(hostd->sync);
	ticket_offers_free(hostd->offers);
	tickets_free(hostd->tickets);
	event_ring_free(hostd->events);
	host_doctor_free(hostd->doctor);
	g_free(hostd->proxy);
	g_free(hostd);
}
