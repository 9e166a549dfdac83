/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_orders.c - what a host is asked to do once: stop, powerdown, screenshot (carrel-broker)
 *
 * How it works: an order stands in every answer to its host until the host has seen a number that carried it. One for which
 * a client waits stands there until host_orders_take_answers() has its answer or the client has waited too long; then it is
 * missing in the next answer, and the host forgets it as well.
 */
#include "broker/host_orders.h"

#include "broker/http.h"
#include "broker/problem.h"

struct host_order {
	struct host_orders *owner;
	gint64 id;
	gint64 number; /* of the first answer with it; 0: none yet */
	const char *verb;
	char *desktop;
	struct http_request *waiting; /* or NULL */
	guint deadline;
};

struct host_orders {
	GQueue queue;
};

struct host_orders *
host_orders_new(void)
{
	struct host_orders *orders = g_new0(struct host_orders, 1);

	g_queue_init(&orders->queue);
	return orders;
}

static void
host_orders_end(struct host_order *order)
{
	g_queue_remove(&order->owner->queue, order);
	g_clear_handle_id(&order->deadline, g_source_remove);
	g_free(order->desktop);
	g_free(order);
}

void
host_orders_free(struct host_orders *orders)
{
	struct host_order *order;

	if (!orders)
		return;
	while ((order = g_queue_peek_head(&orders->queue)))
		host_orders_end(order);
	g_free(orders);
}

static gboolean
host_orders_handle_deadline(gpointer data)
{
	struct host_order *order = data;

	order->deadline = 0;
	problem_respond(order->waiting, 504, "host.timeout",
			"the desktop's host did not answer within %d s; is carrel-hostd running?",
			HOST_ORDERS_ANSWER_S);
	host_orders_end(order);
	return G_SOURCE_REMOVE;
}

gboolean
host_orders_add(struct host_orders *orders, gint64 id, const char *verb, const char *desktop,
		struct http_request *waiting)
{
	struct host_order *order;

	if (g_queue_get_length(&orders->queue) >= HOST_ORDERS_MAX)
		return FALSE;
	order = g_new0(struct host_order, 1);
	order->owner = orders;
	order->id = id;
	order->verb = verb;
	order->desktop = g_strdup(desktop);
	order->waiting = waiting;
	if (waiting)
		order->deadline = g_timeout_add_seconds(HOST_ORDERS_ANSWER_S,
							host_orders_handle_deadline, order);
	g_queue_push_tail(&orders->queue, order);
	return TRUE;
}

json_t *
host_orders_list(const struct host_orders *orders)
{
	json_t *list = json_array();

	for (GList *link = orders->queue.head; link; link = link->next) {
		const struct host_order *order = link->data;

		json_array_append_new(list,
				      json_pack("{s:I, s:s, s:s}", "id", (json_int_t)order->id,
						"verb", order->verb, "desktop", order->desktop));
	}
	return list;
}

void
host_orders_stamp(struct host_orders *orders, gint64 number)
{
	for (GList *link = orders->queue.head; link; link = link->next) {
		struct host_order *order = link->data;

		if (order->number == 0)
			order->number = number;
	}
}

void
host_orders_drop_seen(struct host_orders *orders, gint64 seen)
{
	GList *next;

	for (GList *link = orders->queue.head; link; link = next) {
		struct host_order *order = link->data;

		next = link->next;
		if (!order->waiting && order->number > 0 && order->number <= seen)
			host_orders_end(order);
	}
}

static struct host_order *
host_orders_find_waiting(struct host_orders *orders, gint64 id)
{
	for (GList *link = orders->queue.head; link; link = link->next) {
		struct host_order *order = link->data;

		if (order->id == id && order->waiting)
			return order;
	}
	return NULL;
}

void
host_orders_take_answers(struct host_orders *orders, const json_t *answers)
{
	for (gsize i = 0; i < json_array_size(answers); i++) {
		const json_t *answer = json_array_get(answers, i);
		const char *error = json_get_text(answer, "error", "");
		struct host_order *order =
			host_orders_find_waiting(orders, json_get_integer(answer, "id", 0));

		if (!order)
			continue;
		if (error[0])
			problem_respond(order->waiting, 409, "desktop.picture",
					"there is no picture of the desktop: %s", error);
		else
			http_respond(order->waiting, 200,
				     json_pack("{s:O}", "png", json_object_get(answer, "png")));
		host_orders_end(order);
	}
}
