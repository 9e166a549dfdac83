/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_token.c - tokens are found by their hash while they live
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "broker/token.h"
#include "common/hash.h"
#include "tests/unit/broker_stage.h"

static gboolean
knows(struct broker *broker, const char *token)
{
	struct http_identity identity = { 0 };
	gboolean found = token_find(broker->store, token, &identity);

	if (found) {
		assert_string_equal(identity.user, "ada");
		assert_int_equal(json_array_size(identity.groups), 1);
		assert_int_equal(identity.authenticate_ms, 12);
	}
	g_free(identity.user);
	g_free(identity.token_hash);
	json_decref(identity.groups);
	return found;
}

static void
issue(struct broker *broker, gint64 hours, char token[ID_SECRET_SIZE])
{
	json_t *groups = json_pack("[s]", "staff");
	g_autoptr(GError) error = NULL;

	assert_true(token_issue(broker->store, "ada", groups, hours, 12, token, &error));
	json_decref(groups);
}

static void
test_token__lives_between_its_times(void **state)
{
	/* What happens to the row, and whether the token is good then. */
	static const struct {
		const char *sql;
		gboolean good;
	} cases[] = {
		{ "UPDATE token SET expires_ms = expires_ms", TRUE },
		{ "UPDATE token SET expires_ms = expires_ms - 43200000", FALSE },
		{ "UPDATE token SET created_ms = created_ms + 3600000", FALSE },
		{ "DELETE FROM token", FALSE },
	};

	(void)state;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		char token[ID_SECRET_SIZE];
		struct broker broker;

		broker_stage_init(&broker);
		issue(&broker, 12, token);
		broker_stage_run(&broker, cases[i].sql);
		assert_int_equal(knows(&broker, token), cases[i].good);
		broker_stage_done(&broker);
	}
}

static void
test_token__is_not_in_the_store(void **state)
{
	static const gint64 hours[] = { -5, 0, 1, 12, 999 };
	char token[ID_SECRET_SIZE];
	struct broker broker;

	(void)state;
	broker_stage_init(&broker);
	for (gsize i = 0; i < G_N_ELEMENTS(hours); i++)
		issue(&broker, hours[i], token);
	assert_int_equal(store_query_integer(broker.store, NULL, -1,
					     "SELECT count(*) FROM token WHERE hash = $1", "s",
					     token),
			 0);
	assert_int_equal(
		broker_stage_count(&broker, "SELECT min(expires_ms - created_ms) FROM token"),
		3600000);
	assert_int_equal(
		broker_stage_count(&broker, "SELECT max(expires_ms - created_ms) FROM token"),
		TOKEN_MAX_HOURS * 3600000);
	broker_stage_done(&broker);
}

static void
test_token__refuses_what_is_none(void **state)
{
	char token[ID_SECRET_SIZE];
	struct broker broker;

	(void)state;
	broker_stage_init(&broker);
	issue(&broker, 12, token);
	assert_false(knows(&broker, ""));
	assert_false(knows(&broker, "' OR 1 --"));
	token[0] = (char)(token[0] == 'a' ? 'b' : 'a');
	assert_false(knows(&broker, token));
	token[strlen(token) - 1] = '\0';
	assert_false(knows(&broker, token));
	broker_stage_done(&broker);
}

static void
test_token__is_revoked_alone(void **state)
{
	char revoked[ID_SECRET_SIZE];
	char kept[ID_SECRET_SIZE];
	g_autofree char *hash = NULL;
	struct broker broker;

	(void)state;
	broker_stage_init(&broker);
	issue(&broker, 12, revoked);
	issue(&broker, 12, kept);
	hash = hash_text(revoked);
	assert_true(token_revoke(broker.store, "no-hash", NULL));
	assert_true(token_drop_expired(broker.store, NULL));
	assert_true(knows(&broker, revoked));
	assert_true(token_revoke(broker.store, hash, NULL));
	assert_false(knows(&broker, revoked));
	assert_true(knows(&broker, kept));
	broker_stage_done(&broker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_token__lives_between_its_times),
		cmocka_unit_test(test_token__is_not_in_the_store),
		cmocka_unit_test(test_token__refuses_what_is_none),
		cmocka_unit_test(test_token__is_revoked_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
