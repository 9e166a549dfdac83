/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop.h - one desktop of this host, from its fork to its end
 */
#ifndef HOST_DESKTOP_H
#define HOST_DESKTOP_H

#include "host/desktop_agent.h"
#include "host/desktop_state.h"
#include "host/display_control.h"
#include "host/engine.h"

#define DESKTOP_MAX_REASON 1000

struct desktop;
struct move_clear;
struct suspension;

/* What all desktops of a hostd share; it must outlive them. */
struct desktop_host {
	struct launch_client *launch;
	const struct engine_spawner *spawner;
	const char *run;
	const char *lib;
	const char *exchange;	  /* the folder through which desktops move; NULL: none */
	struct move_clear *clear; /* removes what was left there; NULL: as exchange */
	struct desktop_agent_times times;
	void *context;
	/* For sync's numbered events; kinds as in docs/PROTOCOL.md. */
	void (*event)(void *context, const struct desktop *desktop, const char *kind, gint64 value,
		      const char *text);
	/* Its state changed. Do not free the desktop here. */
	void (*changed)(void *context, struct desktop *desktop);
	void (*fact)(void *context, struct desktop *desktop, const struct display_fact *fact);
	/* Its fork has found out that this host cannot restore its template's version; then it fails. */
	void (*foreign)(void *context, const struct desktop *desktop, const char *reason);
};

/* It is forking, but nothing runs before desktop_fork() or desktop_adopt(). */
struct desktop *desktop_new(const struct desktop_host *host, const char *id, guint64 generation);

/* Lets go; its processes run on. */
void desktop_free(struct desktop *desktop);

/* The template is only needed during the call. network: it gets a passt of its own. */
void desktop_fork(struct desktop *desktop, const struct engine_template *source, gboolean network);

/*
 * A machine that runs since before this hostd was started, or a desktop that was suspended; record NULL: launch does not know it.
 * found: what its folder says, read once, so that nobody sees two different answers.
 */
void desktop_adopt(struct desktop *desktop, const struct launch_record *record,
		   const struct suspension *found);

/*
 * The same when that cannot be read: it stays as it is (DESKTOP_STATE_UNREAD) and says why. desktop_note_unread(): it still cannot.
 * desktop_take_record(): launch's record as it was given, the caller's then, for when it can: this one goes, and is adopted
 * anew. Whose generation neither launch nor its folder tells has the one that the broker knows (desktop_learn_generation).
 */
void desktop_adopt_unread(struct desktop *desktop, const struct launch_record *record,
			  const char *reason);
void desktop_note_unread(struct desktop *desktop, const char *reason);
struct launch_record *desktop_take_record(struct desktop *desktop);
void desktop_learn_generation(struct desktop *desktop, guint64 generation);

/*
 * Its memory goes to its folder and its processes end; soon, if it cannot be done now (while a user is logged in). Called again
 * as long as that is wanted. Not while the disk has no room for it beside what others are writing (others_bytes).
 */
void desktop_suspend(struct desktop *desktop, guint64 ram_bytes, guint64 others_bytes);
/* Can it be tried now, but for the room? */
gboolean desktop_may_suspend(const struct desktop *desktop);
/* It cannot be suspended, for a reason outside of it, and runs on. */
void desktop_refuse_suspend(struct desktop *desktop, const char *reason);
/* Was it forked from this very version, so that it could go on from there? Also when that is not known. */
gboolean desktop_is_of(const struct desktop *desktop, const struct engine_template *source);
/* What it writes while it is being suspended; else 0. */
guint64 desktop_get_suspend_bytes(const struct desktop *desktop);
/* It shall not be suspended any more: what stood in the way does not matter now. */
void desktop_keep_running(struct desktop *desktop);

/* A suspended one goes on, from the same version; called again as long as that is wanted. The template is needed during the call. */
void desktop_resume(struct desktop *desktop, const struct engine_template *source);
/* Can it be tried now, but for the room? */
gboolean desktop_may_resume(const struct desktop *desktop);
/* It cannot be resumed, for a reason outside of it. */
void desktop_refuse_resume(struct desktop *desktop, const char *reason);

/* Memory that it takes when it is resumed. */
guint desktop_get_resume_mib(const struct desktop *desktop, const struct engine_ops *engine,
			     guint ram_mib);

/* It is suspended, or about to be or to go on, and needs this very version for that; not when it was tried and cannot be done here. */
gboolean desktop_needs_template(const struct desktop *desktop,
				const struct engine_template *source);
/* Its machine's process has found out that this host cannot restore it. */
void desktop_set_foreign(struct desktop *desktop);

/*
 * As desktop_retire(), and wherever it is: not even the exchange folder keeps it. One that has left for there is retired when it has
 * gone from there; any other, also one of which nothing is known here, at once, whatever the removal of what may lie there takes.
 */
void desktop_give_up(struct desktop *desktop, const char *reason);

/* "body" is taken over: the agent's login verb. Done when the desktop is ready; once for a session. */
void desktop_login(struct desktop *desktop, const char *session, json_t *body);

/* Ends its processes and removes its folders; again and again until launch has done it. Not while its files are being moved. */
void desktop_retire(struct desktop *desktop, const char *reason);
void desktop_fail(struct desktop *desktop, const char *reason);
void desktop_powerdown(struct desktop *desktop);

/* engine.h's operation; FALSE, and no callback, when it has no machine that runs. */
gboolean desktop_screenshot(struct desktop *desktop, int file, const struct steps_call *call);

const char *desktop_get_id(const struct desktop *desktop);
guint64 desktop_get_generation(const struct desktop *desktop);
enum desktop_state desktop_get_state(const struct desktop *desktop);
/* Why it ends; while it lives: what it waits for. "" when there is nothing to say. */
const char *desktop_get_reason(const struct desktop *desktop);
const char *desktop_get_session(const struct desktop *desktop); /* "": none */

/* Its guest has run, and may have taken its machine's process over: what that says of this host's templates counts no more. */
gboolean desktop_has_run(const struct desktop *desktop);

/* NULL while it has no display: before ready, and when it ends. */
struct display_control *desktop_get_display(const struct desktop *desktop);

#endif
