/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_schema.h - the tables of SQLite, and the invariants as their constraints
 *
 * Each entry of store_schema_steps brings the database from version i to i + 1 (PRAGMA user_version); entries are never
 * changed once released, only added. Times are milliseconds since 1970 (*_ms). Lists (users, groups, engines) are JSON text.
 */
#ifndef BROKER_STORE_SCHEMA_H
#define BROKER_STORE_SCHEMA_H

#include "broker/store_schema_later.h"

static const char store_schema_1[] =
	"CREATE TABLE host (name TEXT PRIMARY KEY, instance TEXT NOT NULL, seen_ms INTEGER NOT NULL,"
	" acknowledged INTEGER NOT NULL DEFAULT 0, ram_mib INTEGER NOT NULL, ram_free_mib INTEGER NOT NULL,"
	" cpus INTEGER NOT NULL, engines TEXT NOT NULL, proxy TEXT NOT NULL) STRICT;"

	"CREATE TABLE template (name TEXT NOT NULL, version INTEGER NOT NULL CHECK (version > 0),"
	" host TEXT NOT NULL REFERENCES host(name) ON DELETE CASCADE, engine TEXT NOT NULL, kinds TEXT NOT NULL,"
	" ram_mib INTEGER NOT NULL CHECK (ram_mib > 0), created_ms INTEGER NOT NULL, author TEXT NOT NULL,"
	" PRIMARY KEY (name, version, host)) STRICT;"

	"CREATE TABLE image (name TEXT NOT NULL, host TEXT NOT NULL REFERENCES host(name) ON DELETE CASCADE,"
	" created_ms INTEGER NOT NULL, PRIMARY KEY (name, host)) STRICT;"

	"CREATE TABLE pool (name TEXT PRIMARY KEY, template TEXT NOT NULL, version INTEGER NOT NULL CHECK (version >= 0),"
	" size INTEGER NOT NULL CHECK (size BETWEEN 0 AND 10000), spare INTEGER NOT NULL CHECK (spare BETWEEN 0 AND 10000),"
	" users TEXT NOT NULL, groups TEXT NOT NULL, network TEXT NOT NULL CHECK (network IN ('none', 'passt')),"
	" policy TEXT NOT NULL CHECK (policy IN ('destroy-on-logoff')), idempotency_key TEXT, created_by TEXT NOT NULL,"
	" created_ms INTEGER NOT NULL) STRICT;"

	/* "pool" is a plain name: a desktop outlives its pool until its host has cleared it away. */
	"CREATE TABLE desktop (id TEXT PRIMARY KEY, generation INTEGER NOT NULL CHECK (generation > 0),"
	" pool TEXT NOT NULL, host TEXT NOT NULL REFERENCES host(name), template TEXT NOT NULL, version INTEGER NOT NULL,"
	" engine TEXT NOT NULL, kind TEXT NOT NULL, ram_mib INTEGER NOT NULL, network TEXT NOT NULL,"
	" want TEXT NOT NULL CHECK (want IN ('ready', 'gone')),"
	" state TEXT NOT NULL CHECK (state IN ('forking', 'identifying', 'ready', 'assigned', 'active', 'disconnected',"
	" 'retiring', 'gone', 'failed')), reported INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',"
	" created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL) STRICT;"
	"CREATE INDEX desktop_by_host ON desktop (host, state);"
	"CREATE INDEX desktop_by_pool ON desktop (pool, want);"
	"CREATE TRIGGER desktop_generation_grows BEFORE UPDATE OF generation ON desktop WHEN NEW.generation < OLD.generation"
	" BEGIN SELECT RAISE(ABORT, 'desktop.generation'); END;"
	"CREATE TRIGGER desktop_gone_is_final BEFORE UPDATE OF state ON desktop WHEN OLD.state = 'gone' AND NEW.state <> 'gone'"
	" BEGIN SELECT RAISE(ABORT, 'desktop.gone'); END;"
	"CREATE TRIGGER desktop_pool_limit BEFORE INSERT ON desktop WHEN NEW.want = 'ready' AND (SELECT count(*) FROM desktop"
	" WHERE pool = NEW.pool AND want = 'ready') >= COALESCE((SELECT size FROM pool WHERE name = NEW.pool), 0)"
	" BEGIN SELECT RAISE(ABORT, 'pool.limit'); END;"

	"CREATE TABLE session (id TEXT PRIMARY KEY, user TEXT NOT NULL, groups TEXT NOT NULL, pool TEXT NOT NULL,"
	" desktop TEXT NOT NULL REFERENCES desktop(id), generation INTEGER NOT NULL, keyboard TEXT NOT NULL,"
	" variant TEXT NOT NULL, locale TEXT NOT NULL, timezone TEXT NOT NULL, idempotency_key TEXT,"
	" opened_ms INTEGER NOT NULL, closed_ms INTEGER, reason TEXT NOT NULL DEFAULT '',"
	" revoked INTEGER NOT NULL DEFAULT 0 CHECK (revoked IN (0, 1))) STRICT;"
	"CREATE UNIQUE INDEX session_one_per_desktop ON session (desktop) WHERE closed_ms IS NULL;"
	"CREATE UNIQUE INDEX session_one_per_user_and_pool ON session (user, pool) WHERE closed_ms IS NULL;"
	"CREATE UNIQUE INDEX session_idempotency ON session (user, pool, idempotency_key) WHERE idempotency_key IS NOT NULL;"
	"CREATE TRIGGER session_needs_living_desktop BEFORE INSERT ON session WHEN NOT EXISTS (SELECT 1 FROM desktop"
	" WHERE id = NEW.desktop AND generation = NEW.generation AND want = 'ready' AND state NOT IN ('gone', 'failed', 'retiring'))"
	" BEGIN SELECT RAISE(ABORT, 'session.desktop'); END;"
	"CREATE TRIGGER session_closed_is_final BEFORE UPDATE ON session WHEN OLD.closed_ms IS NOT NULL AND"
	" NEW.closed_ms IS NOT OLD.closed_ms BEGIN SELECT RAISE(ABORT, 'session.closed'); END;"
	"CREATE TRIGGER session_keeps_owner BEFORE UPDATE ON session WHEN NEW.user <> OLD.user OR NEW.desktop <> OLD.desktop"
	" OR NEW.generation <> OLD.generation BEGIN SELECT RAISE(ABORT, 'session.owner'); END;"

	"CREATE TABLE ticket (hash TEXT PRIMARY KEY, session TEXT NOT NULL REFERENCES session(id) ON DELETE CASCADE,"
	" desktop TEXT NOT NULL, generation INTEGER NOT NULL, host TEXT NOT NULL, instance TEXT NOT NULL,"
	" protocol TEXT NOT NULL CHECK (protocol IN ('spice')),"
	" state TEXT NOT NULL CHECK (state IN ('sent', 'ready', 'spent', 'expired', 'void', 'refused')),"
	" created_ms INTEGER NOT NULL) STRICT;"
	"CREATE TRIGGER ticket_spent_once BEFORE UPDATE OF state ON ticket WHEN OLD.state IN ('spent', 'expired', 'void', 'refused')"
	" AND NEW.state <> OLD.state BEGIN SELECT RAISE(ABORT, 'ticket.spent'); END;"

	"CREATE TABLE token (hash TEXT PRIMARY KEY, user TEXT NOT NULL, groups TEXT NOT NULL, created_ms INTEGER NOT NULL,"
	" expires_ms INTEGER NOT NULL, authenticate_ms INTEGER NOT NULL) STRICT;"

	"CREATE TABLE job (id TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('build', 'publish', 'verify')),"
	" arguments TEXT NOT NULL, host TEXT NOT NULL REFERENCES host(name), template TEXT NOT NULL,"
	" version INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),"
	" step TEXT NOT NULL DEFAULT '', percent INTEGER NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 100),"
	" seconds_left INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', result TEXT NOT NULL DEFAULT '{}',"
	" cancel INTEGER NOT NULL DEFAULT 0, reported INTEGER NOT NULL DEFAULT 0, user TEXT NOT NULL,"
	" created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX job_one_publish_per_version ON job (template, version) WHERE kind = 'publish' AND"
	" state IN ('queued', 'running', 'done');"
	"CREATE TRIGGER job_end_is_final BEFORE UPDATE OF state ON job WHEN OLD.state IN ('done', 'failed', 'cancelled')"
	" AND NEW.state <> OLD.state BEGIN SELECT RAISE(ABORT, 'job.ended'); END;"

	/* Steps of a desktop that was forked in advance belong to it, the others to its session. */
	"CREATE TABLE timing (subject TEXT NOT NULL, step TEXT NOT NULL CHECK (step IN ('authenticate', 'assign', 'fork',"
	" 'identify', 'log in', 'connect', 'first frame')), ms INTEGER NOT NULL CHECK (ms >= 0), at_ms INTEGER NOT NULL,"
	" PRIMARY KEY (subject, step)) STRICT;";

/* Hosts can be drained; a fork's way to its agent is a step of its own. */
static const char store_schema_2[] =
	"ALTER TABLE host ADD COLUMN drain INTEGER NOT NULL DEFAULT 0 CHECK (drain IN (0, 1));"
	"CREATE TABLE timing_2 (subject TEXT NOT NULL, step TEXT NOT NULL CHECK (step IN ('authenticate', 'assign', 'fork',"
	" 'agent', 'identify', 'log in', 'connect', 'first frame')), ms INTEGER NOT NULL CHECK (ms >= 0),"
	" at_ms INTEGER NOT NULL, PRIMARY KEY (subject, step)) STRICT;"
	"INSERT INTO timing_2 SELECT subject, step, ms, at_ms FROM timing;"
	"DROP TABLE timing; ALTER TABLE timing_2 RENAME TO timing;";

/* Tickets are for VNC, too. */
static const char store_schema_3[] =
	"CREATE TABLE ticket_3 (hash TEXT PRIMARY KEY, session TEXT NOT NULL REFERENCES session(id) ON DELETE CASCADE,"
	" desktop TEXT NOT NULL, generation INTEGER NOT NULL, host TEXT NOT NULL, instance TEXT NOT NULL,"
	" protocol TEXT NOT NULL CHECK (protocol IN ('spice', 'vnc')),"
	" state TEXT NOT NULL CHECK (state IN ('sent', 'ready', 'spent', 'expired', 'void', 'refused')),"
	" created_ms INTEGER NOT NULL) STRICT;"
	"INSERT INTO ticket_3 SELECT hash, session, desktop, generation, host, instance, protocol, state, created_ms FROM ticket;"
	"DROP TABLE ticket; ALTER TABLE ticket_3 RENAME TO ticket;"
	"CREATE TRIGGER ticket_spent_once BEFORE UPDATE OF state ON ticket WHEN OLD.state IN ('spent', 'expired', 'void', 'refused')"
	" AND NEW.state <> OLD.state BEGIN SELECT RAISE(ABORT, 'ticket.spent'); END;";

/*
 * Desktops can be suspended, and hosts be in maintenance, which suspends theirs. The rows are put back under the same name, so
 * that what refers to them is right again when the transaction ends; triggers that count them come afterwards.
 */
static const char store_schema_4[] =
	"ALTER TABLE host ADD COLUMN maintenance INTEGER NOT NULL DEFAULT 0 CHECK (maintenance IN (0, 1));"
	"PRAGMA defer_foreign_keys = ON;"
	"CREATE TABLE desktop_3 AS SELECT * FROM desktop; DROP TABLE desktop;"
	"CREATE TABLE desktop (id TEXT PRIMARY KEY, generation INTEGER NOT NULL CHECK (generation > 0),"
	" pool TEXT NOT NULL, host TEXT NOT NULL REFERENCES host(name), template TEXT NOT NULL, version INTEGER NOT NULL,"
	" engine TEXT NOT NULL, kind TEXT NOT NULL, ram_mib INTEGER NOT NULL, network TEXT NOT NULL,"
	" want TEXT NOT NULL CHECK (want IN ('ready', 'gone')), suspend INTEGER NOT NULL DEFAULT 0 CHECK (suspend IN (0, 1)),"
	" state TEXT NOT NULL CHECK (state IN ('forking', 'identifying', 'ready', 'assigned', 'active', 'disconnected',"
	" 'suspending', 'suspended', 'resuming', 'retiring', 'gone', 'failed')), reported INTEGER NOT NULL DEFAULT 0,"
	" error TEXT NOT NULL DEFAULT '', created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL) STRICT;"
	"INSERT INTO desktop (id, generation, pool, host, template, version, engine, kind, ram_mib, network, want, state,"
	" reported, error, created_ms, changed_ms) SELECT id, generation, pool, host, template, version, engine, kind, ram_mib,"
	" network, want, state, reported, error, created_ms, changed_ms FROM desktop_3;"
	"DROP TABLE desktop_3;"
	"CREATE INDEX desktop_by_host ON desktop (host, state);"
	"CREATE INDEX desktop_by_pool ON desktop (pool, want);"
	"CREATE TRIGGER desktop_generation_grows BEFORE UPDATE OF generation ON desktop WHEN NEW.generation < OLD.generation"
	" BEGIN SELECT RAISE(ABORT, 'desktop.generation'); END;"
	"CREATE TRIGGER desktop_gone_is_final BEFORE UPDATE OF state ON desktop WHEN OLD.state = 'gone' AND NEW.state <> 'gone'"
	" BEGIN SELECT RAISE(ABORT, 'desktop.gone'); END;"
	"CREATE TRIGGER desktop_pool_limit BEFORE INSERT ON desktop WHEN NEW.want = 'ready' AND (SELECT count(*) FROM desktop"
	" WHERE pool = NEW.pool AND want = 'ready') >= COALESCE((SELECT size FROM pool WHERE name = NEW.pool), 0)"
	" BEGIN SELECT RAISE(ABORT, 'pool.limit'); END;";

static const char *const store_schema_steps[] = { store_schema_1, store_schema_2, store_schema_3,
						  store_schema_4, store_schema_5, store_schema_6,
						  store_schema_7 };

#endif
