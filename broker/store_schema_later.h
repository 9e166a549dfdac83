/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_schema_later.h - the later steps of store_schema.h
 */
#ifndef BROKER_STORE_SCHEMA_LATER_H
#define BROKER_STORE_SCHEMA_LATER_H

/* A pool may leave it to the broker how many spare desktops it keeps, which looks at those that were made last. */
static const char store_schema_5[] =
	"ALTER TABLE pool ADD COLUMN auto_spare INTEGER NOT NULL DEFAULT 0 CHECK (auto_spare IN (0, 1));"
	"CREATE INDEX desktop_by_template ON desktop (template, version, engine, created_ms);";

/* Suspended desktops can move to another host (broker/moves.c). The table is made anew as in step 4. */
static const char store_schema_6[] =
	"ALTER TABLE host ADD COLUMN exchange INTEGER NOT NULL DEFAULT 0 CHECK (exchange IN (0, 1));"
	"PRAGMA defer_foreign_keys = ON;"
	"CREATE TABLE desktop_5 AS SELECT * FROM desktop; DROP TABLE desktop;"
	"CREATE TABLE desktop (id TEXT PRIMARY KEY, generation INTEGER NOT NULL CHECK (generation > 0),"
	" pool TEXT NOT NULL, host TEXT NOT NULL REFERENCES host(name), template TEXT NOT NULL, version INTEGER NOT NULL,"
	" engine TEXT NOT NULL, kind TEXT NOT NULL, ram_mib INTEGER NOT NULL, network TEXT NOT NULL,"
	" want TEXT NOT NULL CHECK (want IN ('ready', 'gone')), suspend INTEGER NOT NULL DEFAULT 0 CHECK (suspend IN (0, 1)),"
	" state TEXT NOT NULL CHECK (state IN ('forking', 'identifying', 'ready', 'assigned', 'active', 'disconnected',"
	" 'suspending', 'suspended', 'resuming', 'exporting', 'exported', 'arriving', 'retiring', 'gone', 'failed')),"
	" reported INTEGER NOT NULL DEFAULT 0,"
	" error TEXT NOT NULL DEFAULT '', created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL,"
	" move_to TEXT REFERENCES host(name), move_from TEXT REFERENCES host(name), move_error TEXT NOT NULL DEFAULT '',"
	" CHECK (move_to IS NULL OR (move_from IS NULL AND move_to <> host))) STRICT;"
	"INSERT INTO desktop (id, generation, pool, host, template, version, engine, kind, ram_mib, network, want, suspend, state,"
	" reported, error, created_ms, changed_ms) SELECT id, generation, pool, host, template, version, engine, kind, ram_mib,"
	" network, want, suspend, state, reported, error, created_ms, changed_ms FROM desktop_5;"
	"DROP TABLE desktop_5;"
	"CREATE INDEX desktop_by_host ON desktop (host, state);"
	"CREATE INDEX desktop_by_pool ON desktop (pool, want);"
	"CREATE INDEX desktop_by_template ON desktop (template, version, engine, created_ms);"
	"CREATE TRIGGER desktop_generation_grows BEFORE UPDATE OF generation ON desktop WHEN NEW.generation < OLD.generation"
	" BEGIN SELECT RAISE(ABORT, 'desktop.generation'); END;"
	"CREATE TRIGGER desktop_gone_is_final BEFORE UPDATE OF state ON desktop WHEN OLD.state = 'gone' AND NEW.state <> 'gone'"
	" BEGIN SELECT RAISE(ABORT, 'desktop.gone'); END;"
	"CREATE TRIGGER desktop_pool_limit BEFORE INSERT ON desktop WHEN NEW.want = 'ready' AND (SELECT count(*) FROM desktop"
	" WHERE pool = NEW.pool AND want = 'ready') >= COALESCE((SELECT size FROM pool WHERE name = NEW.pool), 0)"
	" BEGIN SELECT RAISE(ABORT, 'pool.limit'); END;";

/* A host begins jobs by itself, too, and says why (broker/host_jobs.c): nobody is their user. */
static const char store_schema_7[] =
	"CREATE TABLE job_7 (id TEXT PRIMARY KEY, kind TEXT NOT NULL CHECK (kind IN ('build', 'publish', 'verify', 'seal')),"
	" arguments TEXT NOT NULL, host TEXT NOT NULL REFERENCES host(name), template TEXT NOT NULL,"
	" version INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),"
	" step TEXT NOT NULL DEFAULT '', percent INTEGER NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 100),"
	" seconds_left INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', result TEXT NOT NULL DEFAULT '{}',"
	" cancel INTEGER NOT NULL DEFAULT 0, reported INTEGER NOT NULL DEFAULT 0, user TEXT NOT NULL,"
	" created_ms INTEGER NOT NULL, changed_ms INTEGER NOT NULL, reason TEXT NOT NULL DEFAULT '') STRICT;"
	"INSERT INTO job_7 (id, kind, arguments, host, template, version, state, step, percent, seconds_left, error, result,"
	" cancel, reported, user, created_ms, changed_ms) SELECT id, kind, arguments, host, template, version, state, step,"
	" percent, seconds_left, error, result, cancel, reported, user, created_ms, changed_ms FROM job;"
	"DROP TABLE job; ALTER TABLE job_7 RENAME TO job;"
	"CREATE UNIQUE INDEX job_one_publish_per_version ON job (template, version) WHERE kind = 'publish' AND"
	" state IN ('queued', 'running', 'done');"
	"CREATE TRIGGER job_end_is_final BEFORE UPDATE OF state ON job WHEN OLD.state IN ('done', 'failed', 'cancelled')"
	" AND NEW.state <> OLD.state BEGIN SELECT RAISE(ABORT, 'job.ended'); END;";

#endif
