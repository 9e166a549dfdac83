/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_api_pools.c - what a user's choice of a pool sets in motion
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/api.h"
#include "broker/host_sync.h"
#include "broker/ticket_issue.h"
#include "tests/unit/broker_stage.h"

#define REPORT                                                                                  \
	"{\"v\":1,\"instance\":\"i1\",\"seen\":%" G_GINT64_FORMAT                               \
	",\"capacity\":{\"ram_mib\":24576,\"ram_free_mib\":1,\"cpus\":2,\"engines\":[]},"       \
	"\"gateway\":{\"proxy\":\"http://127.0.0.1:3128\"},\"templates\":[{\"name\":\"t\","     \
	"\"version\":1,\"engine\":\"qemu\",\"kinds\":[\"user\"],\"ram_mib\":1024,"              \
	"\"created_ms\":1,\"author\":\"root\"}],\"images\":[],\"desktops\":[{\"id\":\"d-1\","   \
	"\"generation\":1,\"state\":\"suspended\"}],\"jobs\":[],\"tickets\":[],\"answers\":[]," \
	"\"events\":[]}"

static void
stage_init(struct broker *broker)
{
	broker_stage_init(broker);
	broker->tickets = ticket_table_new(broker);
	broker->hosts = host_table_new(broker);
	broker_stage_add_pool(broker, "p", 1, 0);
	broker_stage_run(broker, "UPDATE pool SET users = '[\"ada\"]'");
	broker_stage_add_desktop(broker, "d-1", "p", "suspended");
}

static void
stage_done(struct broker *broker)
{
	ticket_table_free(broker->tickets);
	host_table_free(broker->hosts);
	broker_stage_done(broker);
}

/* The host's call, which waits when "seen" is the number of the last answer. */
static struct stage_request *
sync_host(struct broker *broker, gint64 seen)
{
	g_autofree char *text = g_strdup_printf(REPORT, seen);
	struct stage_request *request = stage_request_new("host", "h1", json_loads(text, 0, NULL));

	host_sync_handle(broker->hosts, &request->request);
	return request;
}

static const char *
get_want(const struct stage_request *sync)
{
	return json_get_text(json_array_get(json_object_get(sync->body, "desktops"), 0), "want",
			     "");
}

/* It waits for nothing else to happen: the host's call is answered by that. */
static void
test_api_pools__who_comes_back_has_his_desktop_resumed(void **state)
{
	struct stage_request *first, *waiting, *assign;
	struct broker broker;
	g_autofree char *session = NULL;

	(void)state;
	stage_init(&broker);
	session = broker_stage_assign(&broker, "ada");
	assert_non_null(session);
	broker_stage_run(&broker, "UPDATE desktop SET suspend = 1");
	first = sync_host(&broker, 0);
	assert_int_equal(first->answers, 1);
	assert_string_equal(get_want(first), "suspended");
	waiting = sync_host(&broker, json_get_integer(first->body, "number", 0));
	while (g_main_context_iteration(NULL, FALSE))
		;
	assert_int_equal(waiting->answers, 0);
	assign = stage_request_new("ada", "p", json_object());
	api_pools_assign(&broker, &assign->request);
	assert_int_equal(assign->status, 200);
	while (g_main_context_iteration(NULL, FALSE))
		;
	assert_int_equal(waiting->answers, 1);
	assert_string_equal(get_want(waiting), "ready");
	stage_done(&broker);
	stage_request_free(assign);
	stage_request_free(waiting);
	stage_request_free(first);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_api_pools__who_comes_back_has_his_desktop_resumed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
