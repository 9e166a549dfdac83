/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_tickets.c - who may be shown which desktop
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/hash.h"
#include "host/tickets.h"

#define BASE 1000

struct fixture {
	struct ticket_table *table;
	char shown[ID_SECRET_SIZE];
	char password[ID_SECRET_SIZE];
	char desktop[ID_SIZE];
	char session[ID_SIZE];
	char *hash;
	struct ticket_offer offer;
};

static int
setup(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->table = tickets_new(BASE);
	assert_int_equal(id_new_secret(f->shown), 0);
	assert_int_equal(id_new_secret(f->password), 0);
	assert_int_equal(id_new(ID_KIND_DESKTOP, f->desktop), 0);
	assert_int_equal(id_new(ID_KIND_SESSION, f->session), 0);
	f->hash = hash_text(f->shown);
	f->offer = (struct ticket_offer){ .hash = f->hash,
					  .password = f->password,
					  .desktop = f->desktop,
					  .generation = 3,
					  .session = f->session,
					  .user = "ada",
					  .sink = DISPLAY_SINK_SPICE,
					  .ttl_ms = 30000 };
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	tickets_free(f->table);
	g_free(f->hash);
	g_free(f);
	return 0;
}

/* One step of a story: an action at a time, and the verdict of a showing. */
enum action {
	SHOW,
	SHOW_VNC,
	MAIN_UP,
	MAIN_DOWN,
	REVOKE,
	REVOKE_OTHER,
	EXPIRE,
};

struct event {
	enum action action;
	guint64 at_ms;
	enum ticket_verdict verdict;
};

static const struct story {
	const char *name;
	struct event events[6];
	gsize n;
	enum ticket_state end;
} stories[] = {
	{ "once, then four channels while it links",
	  { { SHOW, 10, TICKET_VERDICT_FIRST },
	    { SHOW, 20, TICKET_VERDICT_LATER },
	    { SHOW, 10009, TICKET_VERDICT_LATER } },
	  3,
	  TICKET_STATE_SPENT },
	{ "not linked within 10 s",
	  { { SHOW, 10, TICKET_VERDICT_FIRST }, { SHOW, 10010, TICKET_VERDICT_USED } },
	  2,
	  TICKET_STATE_SPENT },
	{ "as long as its main lives",
	  { { SHOW, 10, TICKET_VERDICT_FIRST },
	    { MAIN_UP, 50, 0 },
	    { SHOW, 900000, TICKET_VERDICT_LATER },
	    { MAIN_DOWN, 900001, 0 },
	    { SHOW, 900002, TICKET_VERDICT_USED } },
	  5,
	  TICKET_STATE_SPENT },
	{ "a main that went does not come back, nor do the 10 s",
	  { { SHOW, 10, TICKET_VERDICT_FIRST },
	    { MAIN_DOWN, 20, 0 },
	    { MAIN_UP, 30, 0 },
	    { SHOW, 40, TICKET_VERDICT_USED } },
	  4,
	  TICKET_STATE_SPENT },
	{ "too late by a millisecond",
	  { { SHOW, 30000, TICKET_VERDICT_EXPIRED } },
	  1,
	  TICKET_STATE_EXPIRED },
	{ "just in time", { { SHOW, 29999, TICKET_VERDICT_FIRST } }, 1, TICKET_STATE_SPENT },
	{ "expired by the clock alone",
	  { { EXPIRE, 30000, 0 }, { SHOW, 10, TICKET_VERDICT_EXPIRED } },
	  2,
	  TICKET_STATE_EXPIRED },
	{ "the other protocol does not spend it",
	  { { SHOW_VNC, 10, TICKET_VERDICT_SINK }, { SHOW, 20, TICKET_VERDICT_FIRST } },
	  2,
	  TICKET_STATE_SPENT },
	{ "spent for one protocol is not for the other",
	  { { SHOW, 10, TICKET_VERDICT_FIRST }, { SHOW_VNC, 20, TICKET_VERDICT_USED } },
	  2,
	  TICKET_STATE_SPENT },
	{ "revoked before",
	  { { REVOKE, 5, 0 }, { SHOW, 10, TICKET_VERDICT_VOID } },
	  2,
	  TICKET_STATE_VOID },
	{ "revoked while it streams",
	  { { SHOW, 10, TICKET_VERDICT_FIRST },
	    { MAIN_UP, 20, 0 },
	    { REVOKE, 30, 0 },
	    { SHOW, 40, TICKET_VERDICT_VOID } },
	  4,
	  TICKET_STATE_VOID },
	{ "another session's revoke",
	  { { REVOKE_OTHER, 5, 0 }, { SHOW, 10, TICKET_VERDICT_FIRST } },
	  2,
	  TICKET_STATE_SPENT },
};

static void
note_state(void *context, const struct ticket_view *view)
{
	*(enum ticket_state *)context = view->state;
}

static void
play(struct fixture *f, const struct event *event)
{
	struct ticket_pass pass;

	switch (event->action) {
	case SHOW:
	case SHOW_VNC:
		assert_int_equal(
			tickets_show(f->table, f->shown,
				     event->action == SHOW ? DISPLAY_SINK_SPICE : DISPLAY_SINK_VNC,
				     event->at_ms, &pass),
			event->verdict);
		assert_int_equal(pass.attachment,
				 event->verdict <= TICKET_VERDICT_LATER ? BASE + 1 : 0);
		assert_string_equal(pass.password,
				    event->verdict == TICKET_VERDICT_FIRST ? f->password : "");
		break;
	case MAIN_UP:
	case MAIN_DOWN:
		tickets_note_main(f->table, BASE + 1, event->action == MAIN_UP);
		break;
	case REVOKE:
	case REVOKE_OTHER:
		tickets_void(f->table, event->action == REVOKE ? f->session : "s-other", NULL, NULL,
			     NULL);
		break;
	case EXPIRE:
		assert_true(tickets_expire(f->table, event->at_ms));
		break;
	}
}

static void
test_tickets__lets_in_as_the_rule_says(void **state)
{
	for (gsize i = 0; i < G_N_ELEMENTS(stories); i++) {
		enum ticket_state end = TICKET_STATE_COUNT;
		struct fixture *f;

		print_message("%s\n", stories[i].name);
		setup(state);
		f = *state;
		assert_int_equal(tickets_add(f->table, &f->offer, 0), 0);
		for (gsize j = 0; j < stories[i].n; j++)
			play(f, &stories[i].events[j]);
		tickets_each(f->table, note_state, &end);
		assert_int_equal(end, stories[i].end);
		teardown(state);
	}
}

static void
test_tickets__refuses_offers_that_are_not_of_their_form(void **state)
{
	struct fixture *f = *state;
	struct ticket_offer offers[] = { f->offer, f->offer, f->offer, f->offer,
					 f->offer, f->offer, f->offer, f->offer };
	g_autofree char *upper = g_ascii_strup(f->hash, -1);

	upper[0] = 'A';
	offers[0].hash = "12";
	offers[1].hash = upper;
	offers[2].password = "short";
	offers[3].desktop = "d-../../etc";
	offers[4].session = f->desktop;
	offers[5].user = "Ada Lovelace";
	offers[6].ttl_ms = 0;
	offers[7].ttl_ms = TICKETS_MAX_TTL_MS + 1;
	for (gsize i = 0; i < G_N_ELEMENTS(offers); i++)
		assert_int_equal(tickets_add(f->table, &offers[i], 0), -EINVAL);
}

static void
test_tickets__knows_no_strange_ticket(void **state)
{
	const char *const shown[] = { "", "x", "../..",
				      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" };
	struct fixture *f = *state;
	struct ticket_pass pass;

	assert_int_equal(tickets_add(f->table, &f->offer, 0), 0);
	for (gsize i = 0; i < G_N_ELEMENTS(shown); i++)
		assert_int_equal(tickets_show(f->table, shown[i], DISPLAY_SINK_SPICE, 1, &pass),
				 TICKET_VERDICT_UNKNOWN);
	/* The hash itself opens nothing. */
	assert_int_equal(tickets_show(f->table, f->hash, DISPLAY_SINK_SPICE, 1, &pass),
			 TICKET_VERDICT_UNKNOWN);
}

static void
test_tickets__offered_again_stays_spent(void **state)
{
	struct fixture *f = *state;
	struct ticket_pass pass;

	assert_int_equal(tickets_add(f->table, &f->offer, 0), 0);
	tickets_show(f->table, f->shown, DISPLAY_SINK_SPICE, 1, &pass);
	tickets_note_main(f->table, pass.attachment, FALSE);
	assert_int_equal(tickets_add(f->table, &f->offer, 2), 0);
	assert_int_equal(tickets_show(f->table, f->shown, DISPLAY_SINK_SPICE, 3, &pass),
			 TICKET_VERDICT_USED);
}

static void
test_tickets__refused_one_is_told_and_opens_nothing(void **state)
{
	struct fixture *f = *state;
	enum ticket_state end = TICKET_STATE_COUNT;
	struct ticket_pass pass;

	assert_int_equal(tickets_add_refused(f->table, &f->offer, 0), 0);
	tickets_each(f->table, note_state, &end);
	assert_int_equal(end, TICKET_STATE_REFUSED);
	assert_int_equal(tickets_show(f->table, f->shown, DISPLAY_SINK_SPICE, 3, &pass),
			 TICKET_VERDICT_VOID);
}

static void
test_tickets__holds_only_so_many(void **state)
{
	struct fixture *f = *state;

	for (guint i = 0; i < TICKETS_MAX; i++) {
		g_autofree char *hash = hash_bytes(&i, sizeof(i));

		f->offer.hash = hash;
		assert_int_equal(tickets_add(f->table, &f->offer, 0), 0);
	}
	f->offer.hash = f->hash;
	assert_int_equal(tickets_add(f->table, &f->offer, 0), -ENOSPC);
	tickets_expire(f->table, 30000);
	assert_int_equal(tickets_add(f->table, &f->offer, 30000), 0);
}

static void
count(void *context, const struct ticket_view *view)
{
	(void)view;
	++*(guint *)context;
}

static void
test_tickets__forgets_what_ended_long_ago(void **state)
{
	struct fixture *f = *state;
	guint n = 0;

	assert_int_equal(tickets_add(f->table, &f->offer, 0), 0);
	tickets_expire(f->table, 30000);
	tickets_expire(f->table, 30000 + TICKETS_KEEP_MS - 1);
	tickets_each(f->table, count, &n);
	assert_int_equal(n, 1);
	tickets_expire(f->table, 30000 + TICKETS_KEEP_MS);
	tickets_each(f->table, count, &n);
	assert_int_equal(n, 1);
}

/* Clients that show a ticket and go away must not use the table up. */
static void
test_tickets__forgets_those_shown_in_vain(void **state)
{
	struct fixture *f = *state;
	struct ticket_pass pass;
	guint64 now_ms = 1000;

	assert_int_equal(tickets_add(f->table, &f->offer, now_ms), 0);
	assert_int_equal(tickets_show(f->table, f->shown, DISPLAY_SINK_SPICE, now_ms, &pass),
			 TICKET_VERDICT_FIRST);
	for (guint i = 1; i < TICKETS_MAX; i++) {
		char secret[ID_SECRET_SIZE];
		g_autofree char *hash = NULL;
		struct ticket_offer offer = f->offer;

		assert_int_equal(id_new_secret(secret), 0);
		hash = hash_text(secret);
		offer.hash = hash;
		assert_int_equal(tickets_add(f->table, &offer, now_ms), 0);
		assert_int_equal(tickets_show(f->table, secret, DISPLAY_SINK_SPICE, now_ms, &pass),
				 TICKET_VERDICT_FIRST);
	}
	assert_int_equal(id_new_secret(f->shown), 0);
	g_free(f->hash);
	f->hash = hash_text(f->shown);
	f->offer.hash = f->hash;
	assert_int_equal(tickets_add(f->table, &f->offer, now_ms + TICKETS_VAIN_MS - 1), -ENOSPC);
	assert_int_equal(tickets_add(f->table, &f->offer, now_ms + TICKETS_VAIN_MS), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tickets__lets_in_as_the_rule_says),
		cmocka_unit_test_setup_teardown(
			test_tickets__refuses_offers_that_are_not_of_their_form, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tickets__knows_no_strange_ticket, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_tickets__offered_again_stays_spent, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_tickets__refused_one_is_told_and_opens_nothing,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_tickets__holds_only_so_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tickets__forgets_what_ended_long_ago, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_tickets__forgets_those_shown_in_vain, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
