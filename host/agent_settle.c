/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * agent_settle.c - wait until a guest that boots has its desktop up (carrel-hostd, carrel-worker)
 */
#include "host/agent_settle.h"

#include "base/proto_agent.h"

#define POLL_MS 500

/* While it is there the steps are, and with them the agent. */
struct agent_settle {
	struct agent_link *agent;
	struct steps *steps;
	guint request_ms;
};

static void agent_settle_ask(struct agent_settle *settle);

static void
agent_settle_free(struct agent_settle *settle)
{
	steps_unref(settle->steps);
	g_free(settle);
}

static gboolean
agent_settle_handle_poll(gpointer data)
{
	agent_settle_ask(data);
	return G_SOURCE_REMOVE;
}

static void
agent_settle_handle_answer(GObject *object, GAsyncResult *result, gpointer data)
{
	struct agent_settle *settle = data;
	GError *error = NULL;
	json_t *body = agent_link_finish(result, &error);
	gboolean ready = json_get_flag(body, "x", 0);

	(void)object;
	json_decref(body);
	if (steps_running(settle->steps) && !error && !ready) {
		g_timeout_add(POLL_MS, agent_settle_handle_poll, settle);
		return;
	}
	if (error)
		steps_fail(settle->steps, error);
	else if (ready)
		steps_next(settle->steps);
	agent_settle_free(settle);
}

static void
agent_settle_ask(struct agent_settle *settle)
{
	if (steps_running(settle->steps))
		agent_link_request(settle->agent, AGENT_VERB_READY, NULL, settle->request_ms, NULL,
				   agent_settle_handle_answer, settle);
	else
		agent_settle_free(settle);
}

void
agent_settle_start(struct agent_link *agent, guint request_ms, struct steps *steps)
{
	struct agent_settle *settle = g_new0(struct agent_settle, 1);

	settle->agent = agent;
	settle->steps = steps_ref(steps);
	settle->request_ms = request_ms;
	agent_settle_ask(settle);
}
