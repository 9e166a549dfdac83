/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * page_login.c - broker address and user name, then PAM's prompts as they come (carrel-viewer)
 *
 * How it works: the form at the top is for the state IDLE; each batch of prompts in ASKING makes its own entries, one
 * a question (page_login_add_prompt()), which are wiped and thrown away as soon as they are answered.
 */
#include "viewer/page_login.h"

#include <glib/gi18n.h>
#include <string.h>

#include "viewer/card.h"
#include "viewer/options.h"
#include "viewer/session_login.h"
#include "viewer/user_session.h"

#define ANSWER_MAX_LENGTH 511 /* AUTH_TEXT_SIZE without its NUL */

struct page_login {
	struct card card;
	struct session *session;
	const struct options *options;
	GtkWidget *form;
	GtkWidget *broker;
	GtkWidget *user;
	GtkWidget *prompts;
	GtkWidget *spinner;
	GtkWidget *go;
	GtkWidget *cancel;
	GPtrArray *entries; /* of the questions, borrowed */
};

static void
page_login_forget_prompts(struct page_login *page)
{
	for (guint i = 0; i < page->entries->len; i++)
		gtk_entry_set_text(g_ptr_array_index(page->entries, i), "");
	g_ptr_array_set_size(page->entries, 0);
	card_clear(page->prompts);
}

static void
page_login_answer(struct page_login *page)
{
	g_autofree const char **answers = g_new0(const char *, page->entries->len + 1);

	for (guint i = 0; i < page->entries->len; i++)
		answers[i] = gtk_entry_get_text(g_ptr_array_index(page->entries, i));
	session_answer(page->session, answers);
}

static void
page_login_handle_go(struct page_login *page)
{
	const char *broker = gtk_entry_get_text(GTK_ENTRY(page->broker));
	const char *user = gtk_entry_get_text(GTK_ENTRY(page->user));

	if (session_get_state(page->session) == SESSION_STATE_ASKING) {
		page_login_answer(page);
		return;
	}
	if (user[0] == '\0') {
		card_set_notice(&page->card, _("Type your user name first."));
		gtk_widget_grab_focus(page->user);
		return;
	}
	if (!page->options->kiosk)
		options_remember(broker, user);
	session_begin(page->session, broker, user, page->options->pool);
}

static void
page_login_handle_cancel(struct page_login *page)
{
	session_log_out(page->session);
}

/* PAM modules end their questions with ": ", which is the terminal's way. */
static char *
page_login_clean_prompt(const char *text)
{
	char *clean = g_strchomp(g_strdup(text));
	gsize length = strlen(clean);

	if (length > 0 && clean[length - 1] == ':')
		clean[length - 1] = '\0';
	return clean;
}

static void
page_login_add_prompt(struct page_login *page, const char *prompt_style, const char *text)
{
	g_autofree char *clean = page_login_clean_prompt(text);
	GtkWidget *widget;

	if (g_str_equal(prompt_style, "echo-on") || g_str_equal(prompt_style, "echo-off")) {
		/* PAM's text may hold underscores; they are no mnemonics. */
		g_auto(GStrv) parts = g_strsplit(clean, "_", -1);
		g_autofree char *caption = g_strjoinv("__", parts);

		widget = card_add_entry(page->prompts, caption, "");
		gtk_entry_set_max_length(GTK_ENTRY(widget), ANSWER_MAX_LENGTH);
		if (g_str_equal(prompt_style, "echo-off")) {
			gtk_entry_set_visibility(GTK_ENTRY(widget), FALSE);
			gtk_entry_set_input_purpose(GTK_ENTRY(widget), GTK_INPUT_PURPOSE_PASSWORD);
		}
		g_ptr_array_add(page->entries, widget);
		return;
	}
	widget = gtk_label_new(clean);
	gtk_label_set_line_wrap(GTK_LABEL(widget), TRUE);
	gtk_label_set_xalign(GTK_LABEL(widget), 0);
	if (g_str_equal(prompt_style, "error"))
		gtk_style_context_add_class(gtk_widget_get_style_context(widget), "carrel-notice");
	gtk_container_add(GTK_CONTAINER(page->prompts), widget);
	gtk_widget_show(widget);
}

static void
page_login_show_prompts(struct page_login *page)
{
	json_t *prompts = session_get_prompts(page->session);
	gsize index;
	json_t *prompt;

	json_array_foreach(prompts, index, prompt)
		page_login_add_prompt(page, json_get_text(prompt, "style", "info"),
				      json_get_text(prompt, "text", ""));
	if (page->entries->len > 0)
		gtk_widget_grab_focus(g_ptr_array_index(page->entries, 0));
	else
		gtk_widget_grab_focus(page->go);
}

static void
page_login_focus_form(struct page_login *page)
{
	const char *user;

	/* The next one at a kiosk need not know who was there before. */
	if (page->options->kiosk && !session_get_notice(page->session))
		gtk_entry_set_text(GTK_ENTRY(page->user), page->options->user);
	user = gtk_entry_get_text(GTK_ENTRY(page->user));
	gtk_widget_grab_focus(user[0] == '\0' || page->options->kiosk ? page->user : page->go);
}

void
page_login_update(struct page_login *page)
{
	enum session_state state = session_get_state(page->session);
	gboolean idle = state == SESSION_STATE_IDLE;
	gboolean asking = state == SESSION_STATE_ASKING;
	g_autofree char *greeting = NULL;

	page_login_forget_prompts(page);
	card_set_notice(&page->card, session_get_notice(page->session));
	gtk_widget_set_visible(page->form, idle);
	gtk_widget_set_visible(page->spinner, !idle && !asking);
	gtk_widget_set_sensitive(page->go, idle || asking);
	gtk_widget_set_visible(page->cancel, !idle);
	if (idle)
		greeting = g_strdup(_("Log in to your desktop"));
	else if (asking)
		greeting = g_strdup_printf(_("%s on %s"), session_get_user(page->session),
					   session_get_broker(page->session));
	else
		greeting = g_strdup(session_get_progress(page->session));
	card_set_subtitle(&page->card, greeting);
	if (asking)
		page_login_show_prompts(page);
	gtk_button_set_label(GTK_BUTTON(page->go),
			     page->entries->len > 0 ? _("_Log in") : _("_Continue"));
	if (idle)
		page_login_focus_form(page);
	gtk_widget_grab_default(page->go);
}

static void
page_login_free(gpointer data)
{
	struct page_login *page = data;

	g_ptr_array_unref(page->entries);
	g_free(page);
}

struct page_login *
page_login_new(struct session *session, const struct options *options)
{
	struct page_login *page = g_new0(struct page_login, 1);

	page->session = session;
	page->options = options;
	page->entries = g_ptr_array_new();
	card_init(&page->card, _("Carrel"), _("Log in to your desktop"));
	page->form = gtk_box_new(GTK_ORIENTATION_VERTICAL, CARD_SPACING / 2);
	page->user = card_add_entry(page->form, _("_User name"), options->user);
	page->broker = card_add_entry(page->form, _("_Broker"), options->broker);
	gtk_widget_set_sensitive(page->broker, !options->kiosk);
	page->prompts = gtk_box_new(GTK_ORIENTATION_VERTICAL, CARD_SPACING / 2);
	page->spinner = gtk_spinner_new();
	gtk_spinner_start(GTK_SPINNER(page->spinner));
	gtk_widget_set_size_request(page->spinner, 32, 32);
	gtk_container_add(GTK_CONTAINER(page->card.content), page->form);
	gtk_container_add(GTK_CONTAINER(page->card.content), page->prompts);
	gtk_container_add(GTK_CONTAINER(page->card.content), page->spinner);
	gtk_widget_show(page->prompts);
	page->go = card_add_button(&page->card, _("_Continue"), TRUE,
				   G_CALLBACK(page_login_handle_go), page);
	page->cancel = card_add_button(&page->card, _("C_ancel"), FALSE,
				       G_CALLBACK(page_login_handle_cancel), page);
	g_object_set_data_full(G_OBJECT(page->card.page), "page", page, page_login_free);
	return page;
}

GtkWidget *
page_login_get_widget(struct page_login *page)
{
	return page->card.page;
}
