/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * page_message.c - the fingerprint question, and what is happening while the user waits (carrel-viewer)
 */
#include "viewer/page_message.h"

#include <glib/gi18n.h>
#include <string.h>

#include "viewer/card.h"
#include "viewer/session_login.h"
#include "viewer/user_session.h"

#define FINGERPRINT_LINE 48 /* 16 pairs and their colons */

struct page_message {
	struct card card;
	struct session *session;
	GtkWidget *text; /* fingerprint */
	GtkWidget *yes;	 /* trust, or try now */
	void (*update)(struct page_message *page);
};

static void
page_message_update_trust(struct page_message *page)
{
	const char *fingerprint = session_get_fingerprint(page->session);
	g_autofree char *subtitle = g_strdup_printf(
		_("You have not used the broker %s before. Compare its fingerprint (SHA-256) with the one your "
		  "administrator gives you, and trust it only when they are the same."),
		session_get_broker(page->session));
	g_autoptr(GString) lines = g_string_new(fingerprint);

	if (lines->len > FINGERPRINT_LINE)
		g_string_insert_c(lines, FINGERPRINT_LINE, '\n');
	gtk_label_set_text(GTK_LABEL(page->text), lines->str);
	card_set_subtitle(&page->card, subtitle);
	gtk_widget_grab_default(page->yes);
	gtk_widget_grab_focus(page->yes);
}

static void
page_message_update_progress(struct page_message *page)
{
	g_autofree char *waiting = NULL;
	const char *text = session_get_progress(page->session);
	gboolean lost = session_get_state(page->session) == SESSION_STATE_WAITING;

	if (lost) {
		waiting = g_strdup_printf(g_dngettext(NULL, "Connecting again in %u second …",
						      "Connecting again in %u seconds …",
						      session_get_wait_s(page->session)),
					  session_get_wait_s(page->session));
		text = session_get_wait_s(page->session) > 0 ? waiting : _("Connecting again …");
	}
	card_set_notice(&page->card, session_get_notice(page->session));
	card_set_subtitle(&page->card, text);
	gtk_widget_set_visible(page->yes, lost);
}

static void
page_message_handle_yes(struct page_message *page)
{
	if (session_get_state(page->session) == SESSION_STATE_TRUSTING)
		session_trust(page->session);
	else
		session_retry(page->session);
}

static void
page_message_handle_no(struct page_message *page)
{
	enum session_state state = session_get_state(page->session);

	if (state >= SESSION_STATE_PREPARING)
		session_disconnect(page->session);
	else
		session_log_out(page->session);
}

static struct page_message *
page_message_new(struct session *session, const char *title, const char *yes,
		 void (*update)(struct page_message *page))
{
	struct page_message *page = g_new0(struct page_message, 1);

	page->session = session;
	page->update = update;
	card_init(&page->card, title, "");
	page->yes =
		card_add_button(&page->card, yes, TRUE, G_CALLBACK(page_message_handle_yes), page);
	card_add_button(&page->card, _("C_ancel"), FALSE, G_CALLBACK(page_message_handle_no), page);
	g_object_set_data_full(G_OBJECT(page->card.page), "page", page, g_free);
	return page;
}

struct page_message *
page_message_new_trust(struct session *session)
{
	struct page_message *page =
		page_message_new(session, _("Is this your broker?"), _("_Trust this broker"),
				 page_message_update_trust);

	page->text = gtk_label_new("");
	gtk_label_set_selectable(GTK_LABEL(page->text), TRUE);
	gtk_style_context_add_class(gtk_widget_get_style_context(page->text), "carrel-fingerprint");
	atk_object_set_name(gtk_widget_get_accessible(page->text), _("Fingerprint"));
	gtk_container_add(GTK_CONTAINER(page->card.content), page->text);
	gtk_widget_show(page->text);
	return page;
}

struct page_message *
page_message_new_progress(struct session *session)
{
	struct page_message *page = page_message_new(session, _("Your desktop"), _("_Try now"),
						     page_message_update_progress);
	GtkWidget *spinner = gtk_spinner_new();

	gtk_spinner_start(GTK_SPINNER(spinner));
	gtk_widget_set_size_request(spinner, 48, 48);
	gtk_container_add(GTK_CONTAINER(page->card.content), spinner);
	gtk_widget_show(spinner);
	return page;
}

GtkWidget *
page_message_get_widget(struct page_message *page)
{
	return page->card.page;
}

void
page_message_update(struct page_message *page)
{
	page->update(page);
}
