/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_parts.h - what the files of a desktop share: desktop.c, desktop_guest.c, desktop_machine.c, desktop_suspend.c, desktop_move.c,
 * desktop_copy.c
 */
#ifndef HOST_DESKTOP_PARTS_H
#define HOST_DESKTOP_PARTS_H

#include "host/desktop.h"
#include "host/desktop_folder.h"
#include "host/desktop_network.h"
#include "host/desktop_suspension.h"

#define DESKTOP_NO_SPACE_TEXT                                                                                    \
	"the guest stands still because the host's disk (or its memory) is full: make room there, then it goes " \
	"on by itself"

/*
 * What has begun with a desktop. Move: a thread has its files, or is about to (desktop_move.c). Discard: it was given up when it had
 * left, and goes when it has gone from the exchange folder (desktop_copy.c).
 */
enum desktop_hold {
	DESKTOP_HOLD_NONE,
	DESKTOP_HOLD_MOVE,
	DESKTOP_HOLD_DISCARD,
};

struct desktop {
	gint references;
	const struct desktop_host *host;
	char id[ID_SIZE];
	guint64 generation;
	enum desktop_state state;
	char *reason;
	gboolean lacks_space; /* its machine waits for room on the host's disk */
	char *session;	      /* whose login was asked for */
	json_t *login;	      /* until it is sent */
	json_t *login_sent;   /* of the user who is inside, for after a reboot */
	char *run_folder;
	struct desktop_folder folder;
	gboolean has_run;	      /* its guest, perhaps under an earlier hostd */
	struct launch_record *record; /* of one that is unread: launch's; NULL: it has none */
	enum suspension_phase suspension;
	gboolean clock_stood;	      /* the guest's, until the agent has set it */
	gboolean has_names;	      /* from before it was suspended */
	gboolean is_foreign;	      /* it was suspended, and this host could not restore it */
	guint64 suspend_bytes;	      /* that it takes to be suspended, at most */
	char *obstacle;		      /* why it could not be suspended or resumed; NULL: nothing */
	gint64 again_us;	      /* monotonic; before that it is not tried again */
	enum desktop_hold hold;	      /* nothing else begins with it meanwhile */
	gboolean is_given_up;	      /* it goes when that is over */
	gboolean is_let_go;	      /* hostd has it no more; what was begun for it ends */
	gint64 move_again_us;	      /* monotonic */
	gboolean may_have_copy;	      /* where it moves through: it was found here, or has left */
	gint64 forget_again_us;	      /* monotonic; 0: that has not failed yet */
	char *refusal;		      /* why it was not taken in; NULL: it was not refused */
	struct desktop_move *arrival; /* begins when launch has made its folder */
	gint64 since_us;	      /* of the step that events measure */
	GCancellable *cancellable;
	struct engine_vm *vm;
	struct manifest *manifest; /* of the template, until the fork */
	int template_folder;
	char *kind;
	int memory;
	struct desktop_agent *agent; /* from identifying on, while it lives */
	struct display_control *display;
	gboolean wants_network;
	struct launch_process passt; /* of an adopted one; pid 0: none */
	struct desktop_network *network;
	guint remove_again;
	guint remove_again_ms;
};

/* desktop.c: each asynchronous call holds a reference. */
struct desktop *desktop_ref(struct desktop *desktop);
void desktop_unref(struct desktop *desktop);

/* desktop.c: FALSE when it may not change like that. */
gboolean desktop_set_state(struct desktop *desktop, enum desktop_state state);

/*
 * desktop.c: of whatever text, what the host's report can hold: a guest, a QEMU or a file from elsewhere may have had a part in it, or
 * it was cut in the middle of a character. For g_free().
 */
char *desktop_cut_reason(const char *reason);

/* desktop.c: reports how long the step took that ends now. */
void desktop_end_step(struct desktop *desktop, const char *kind);

/* desktop_guest.c: its machine runs. */
void desktop_open_agent(struct desktop *desktop);
/* desktop_guest.c: what the agent was told is forgotten, and the user's session inside is over. */
void desktop_handle_reboot(struct desktop *desktop);

/* desktop_machine.c: a copy, until the fork has begun, or never will. */
void desktop_take_template(struct desktop *desktop, const struct engine_template *source);
void desktop_drop_template(struct desktop *desktop);

/* desktop_machine.c: no process yet; sockets: launch's, NULL when it is adopted. watch_fd is taken over, -1: none. */
void desktop_make_machine(struct desktop *desktop, const struct engine_ops *engine,
			  const int *sockets);
void desktop_make_display(struct desktop *desktop, int watch_fd);

/* desktop_machine.c: what its folder says of its session and its network. */
void desktop_recall(struct desktop *desktop);

/* desktop_suspend.c: TRUE when its folder holds it, and not the process that launch lists (record; NULL: none). */
gboolean desktop_adopt_suspended(struct desktop *desktop, const struct launch_record *record,
				 const struct suspension *found);
/* desktop_suspend.c: its new machine is none. */
void desktop_fail_resume(struct desktop *desktop, const char *reason);

/* desktop_move.c: may be NULL. */
void desktop_move_free(gpointer move);
/* desktop_move.c, TRUE: hostd has let it go before this call ended, and nobody is to be told; the call's reference is given back. */
gboolean desktop_move_is_orphan(struct desktop *desktop);

/* desktop_copy.c, FALSE: what lies of it in the exchange folder is just being removed. If it was only to be, it is not. */
gboolean desktop_claim_copy(const struct desktop *desktop);
/* desktop_copy.c: hostd has it no more, and forgets no copy of it that it has not begun to. */
void desktop_leave_copy(struct desktop *desktop);

/* Has its guest booted since it was identified, or not been identified yet? By what its agent says. */
gboolean desktop_is_fresh(const struct desktop *desktop);

#endif
