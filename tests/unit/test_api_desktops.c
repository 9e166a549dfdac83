/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_api_desktops.c - what an operator asks for one desktop
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/api.h"
#include "broker/host_orders.h"
#include "broker/host_sync.h"
#include "broker/ticket_issue.h"
#include "tests/unit/broker_stage.h"

static void
stage_init(struct broker *broker, const char *state)
{
	broker_stage_init(broker);
	broker->tickets = ticket_table_new(broker);
	broker->hosts = host_table_new(broker);
	broker_stage_add_pool(broker, "p", 2, 1);
	broker_stage_add_desktop(broker, "d-1", "p", state);
}

static void
stage_done(struct broker *broker)
{
	ticket_table_free(broker->tickets);
	host_table_free(broker->hosts);
	broker_stage_done(broker);
}

/* Its host takes no more orders. */
static void
fill_orders(struct broker *broker)
{
	for (guint i = 0; i < HOST_ORDERS_MAX; i++)
		assert_true(host_sync_request(broker->hosts, "h1", "powerdown", "d-2", NULL) > 0);
	assert_int_equal(host_sync_request(broker->hosts, "h1", "powerdown", "d-2", NULL), 0);
}

static struct stage_request *
stop(struct broker *broker)
{
	struct stage_request *request = stage_request_new("root", "d-1", NULL);

	api_desktops_stop(broker, &request->request);
	assert_int_equal(request->answers, 1);
	return request;
}

/* It is given up for good by then: to say that nothing was done would be wrong. */
static void
test_api_desktops__one_that_is_given_up_needs_no_order(void **state)
{
	struct stage_request *request;
	struct broker broker;

	(void)state;
	stage_init(&broker, "suspended");
	fill_orders(&broker);
	request = stop(&broker);
	assert_int_equal(request->status, 202);
	assert_int_equal(json_get_integer(request->body, "request", -1), 0);
	assert_int_equal(broker_stage_count(&broker, "SELECT count(*) FROM desktop WHERE id = 'd-1'"
						     " AND want = 'gone'"),
			 1);
	/* and the pool has made another at once */
	assert_int_equal(broker_stage_count(&broker, "SELECT count(*) FROM desktop WHERE"
						     " want = 'ready'"),
			 1);
	stage_request_free(request);
	stage_done(&broker);
}

static void
test_api_desktops__others_are_not_stopped_without_an_order(void **state)
{
	struct stage_request *request;
	struct broker broker;

	(void)state;
	stage_init(&broker, "ready");
	fill_orders(&broker);
	request = stop(&broker);
	assert_int_equal(request->status, 503);
	assert_string_equal(stage_request_code(request), "host.busy");
	assert_int_equal(broker_stage_count(&broker, "SELECT count(*) FROM desktop WHERE id = 'd-1'"
						     " AND want = 'ready'"),
			 1);
	stage_request_free(request);
	stage_done(&broker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_api_desktops__one_that_is_given_up_needs_no_order),
		cmocka_unit_test(test_api_desktops__others_are_not_stopped_without_an_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
