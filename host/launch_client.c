/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * launch_client.c - ask carrel-launch for folders, processes and staging folders (carrel-hostd)
 *
 * How it works: launch_client_connect() tries the socket; while it fails, it comes again after a pause that doubles from
 * RETRY_MIN_MS to RETRY_MAX_MS. A request is a struct launch_request in the table "requests" by its id until it is
 * answered, its deadline comes, or the connection ends; each way leads to launch_request_finish(), which calls back. A
 * request that cannot be sent fails from an idle source, so that no callback comes from inside the asking call.
 *
 * A spawn that nobody waits for any more stays in the table as "orphan": when launch says that the process runs, it is
 * killed, because whoever asked was told that it does not.
 */
#include "host/launch_client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "common/seq_source.h"

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000

struct launch_kind {
	const char *verb; /* for messages: "cannot VERB 'name'" */
	guint timeout_ms;
	gsize answer_size;  /* exact, but for LIST: of one element */
	gsize answer_n_fds; /* exact, but for DESKTOP_MAKE */
};

static const struct launch_kind launch_kinds[] = {
	[LAUNCH_DESKTOP_MAKE] = { "make the folder of", 10000, sizeof(struct launch_desktop_made),
				  0 },
	[LAUNCH_SPAWN] = { "start a process of", 15000, sizeof(struct launch_spawned), 1 },
	[LAUNCH_KILL] = { "kill", 10000, 0, 0 },
	[LAUNCH_DESKTOP_REMOVE] = { "remove the folder of", 30000, 0, 0 },
	[LAUNCH_LIST] = { "list", 10000, sizeof(struct launch_record), 0 },
	[LAUNCH_STAGE_COMMIT] = { "take over the result of", 600000, 0, 0 },
	[LAUNCH_STAGE_REMOVE] = { "remove the staging folder of", 120000, 0, 0 },
};

struct launch_request {
	struct launch_client *client;
	guint32 id;
	guint32 type;
	char name[ID_SIZE];
	guint32 role; /* of a spawn */
	launch_client_callback callback;
	void *data;
	GError *failure; /* not sent: told by the idle source */
	guint source;	 /* deadline, or that idle source */
	gboolean orphan;
};

struct launch_client {
	char *path;
	const struct launch_client_events *events;
	void *context;
	struct seq_source *source; /* NULL: not connected */
	guint retry_source;
	guint retry_ms;
	guint32 last_id;
	GHashTable *requests; /* id -> struct launch_request, owned */
	gboolean *freed;      /* set while a callback runs */
};

static void launch_client_lose(struct launch_client *client);

static void
launch_request_free(gpointer data)
{
	struct launch_request *request = data;

	g_clear_handle_id(&request->source, g_source_remove);
	g_clear_error(&request->failure);
	g_free(request);
}

/* The request leaves the table before the callback, which may ask again or free the client. */
static void
launch_request_finish(struct launch_request *request, const struct launch_answer *answer)
{
	launch_client_callback callback = request->callback;
	void *data = request->data;

	g_hash_table_remove(request->client->requests, GUINT_TO_POINTER(request->id));
	if (callback)
		callback(data, answer);
}

static void
launch_request_fail(struct launch_request *request, const GError *error)
{
	launch_request_finish(request, &(struct launch_answer){ .error = error });
}

/* Its asker hears no more; a spawn stays, to be killed when it turns out to have worked. */
static void
launch_request_abandon(struct launch_request *request)
{
	request->callback = NULL;
	g_clear_handle_id(&request->source, g_source_remove);
	if (request->type == LAUNCH_SPAWN && !request->failure)
		request->orphan = TRUE;
	else
		g_hash_table_remove(request->client->requests, GUINT_TO_POINTER(request->id));
}

static gboolean
launch_request_handle_deadline(gpointer data)
{
	struct launch_request *request = data;
	launch_client_callback callback = request->callback;
	void *callback_data = request->data;
	g_autoptr(GError) error =
		g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
			    "cannot %s '%s': carrel-launch gave no answer within %u s; see its log",
			    launch_kinds[request->type].verb, request->name,
			    launch_kinds[request->type].timeout_ms / 1000);

	request->source = 0;
	launch_request_abandon(request);
	if (callback)
		callback(callback_data, &(struct launch_answer){ .error = error });
	return G_SOURCE_REMOVE;
}

static gboolean
launch_request_handle_failure(gpointer data)
{
	struct launch_request *request = data;
	g_autoptr(GError) error = g_steal_pointer(&request->failure);

	request->source = 0;
	launch_request_fail(request, error);
	return G_SOURCE_REMOVE;
}

/* What one request says, besides its callback. */
struct launch_text {
	guint32 type;
	const char *name;
	guint32 role;
	const void *payload;
	gsize size;
	const int *fds;
	gsize n_fds;
};

static void
launch_client_ask(struct launch_client *client, const struct launch_text *text,
		  launch_client_callback callback, void *data)
{
	struct launch_request *request = g_new0(struct launch_request, 1);
	struct seq_header head = { .type = text->type, .size = (guint32)text->size };
	int error = -ENOTCONN;

	do
		request->id = ++client->last_id;
	while (request->id == 0 ||
	       g_hash_table_contains(client->requests, GUINT_TO_POINTER(request->id)));
	request->client = client;
	request->type = text->type;
	request->role = text->role;
	request->callback = callback;
	request->data = data;
	g_strlcpy(request->name, text->name, sizeof(request->name));
	g_hash_table_insert(client->requests, GUINT_TO_POINTER(request->id), request);
	head.id = request->id;
	if (!text->payload)
		error = -EINVAL;
	else if (client->source)
		error = seq_source_send(client->source, &head, text->payload, text->fds,
					text->n_fds);
	if (error == 0) {
		request->source = g_timeout_add(launch_kinds[text->type].timeout_ms,
						launch_request_handle_deadline, request);
		return;
	}
	request->failure = g_error_new(
		G_IO_ERROR,
		error == -ENOTCONN ? G_IO_ERROR_NOT_CONNECTED : g_io_error_from_errno(-error),
		"cannot %s '%s': %s", launch_kinds[text->type].verb, request->name,
		error == -ENOTCONN ? "carrel-launch is not running" : g_strerror(-error));
	request->source = g_idle_add(launch_request_handle_failure, request);
}

static GError *
launch_request_read_refusal(const struct launch_request *request, const struct seq_message *message)
{
	const struct launch_refusal *refusal = (const void *)message->payload;
	const char *reason = g_strerror(-message->head.status);

	if (message->head.size == sizeof(*refusal) &&
	    seq_text_ok(refusal->text, sizeof(refusal->text)) && refusal->text[0])
		reason = refusal->text;
	return g_error_new(G_IO_ERROR, g_io_error_from_errno(-message->head.status),
			   "cannot %s '%s': %s", launch_kinds[request->type].verb, request->name,
			   reason);
}

/* Puts each listening socket to its place; -1 where there is none. FALSE: there are not as many as the answer says. */
static gboolean
launch_request_spread_fds(struct seq_message *message)
{
	const struct launch_desktop_made *made = (const void *)message->payload;
	int places[LAUNCH_SOCKET_COUNT];
	gsize n = 0;

	if (made->sockets >> LAUNCH_SOCKET_COUNT)
		return FALSE;
	for (guint i = 0; i < LAUNCH_SOCKET_COUNT; i++) {
		gboolean there = (made->sockets & (1u << i)) != 0;

		if (there && n == message->n_fds)
			return FALSE;
		places[i] = there ? message->fds[n++] : -1;
	}
	if (n != message->n_fds)
		return FALSE;
	memcpy(message->fds, places, sizeof(places));
	message->n_fds = LAUNCH_SOCKET_COUNT;
	return TRUE;
}

static gboolean
launch_request_check_answer(const struct launch_request *request, struct seq_message *message)
{
	const struct launch_kind *kind = &launch_kinds[request->type];

	if (message->head.type != request->type || message->head.status > 0)
		return FALSE;
	if (message->head.status < 0)
		return TRUE;
	if (request->type == LAUNCH_DESKTOP_MAKE)
		return message->head.size == kind->answer_size &&
		       launch_request_spread_fds(message);
	if (message->n_fds != kind->answer_n_fds)
		return FALSE;
	if (request->type == LAUNCH_LIST)
		return message->head.size % kind->answer_size == 0;
	return message->head.size == kind->answer_size;
}

static void
launch_request_handle_answer(struct launch_request *request, struct seq_message *message)
{
	struct launch_answer answer = { .fds = message->fds, .n_fds = message->n_fds };
	g_autoptr(GError) error = NULL;

	if (message->head.status < 0) {
		error = launch_request_read_refusal(request, message);
		answer.error = error;
	} else if (request->type == LAUNCH_DESKTOP_MAKE) {
		answer.made = (const void *)message->payload;
	} else if (request->type == LAUNCH_SPAWN) {
		answer.spawned = (const void *)message->payload;
	} else if (request->type == LAUNCH_LIST) {
		answer.records = (const void *)message->payload;
		answer.n_records = message->head.size / sizeof(struct launch_record);
	}
	if (request->orphan && !error) {
		log_warning("'%s': a process started that nobody waits for any more; killing it",
			    request->name);
		launch_client_kill(request->client, request->name, request->role, NULL, NULL);
	}
	launch_request_finish(request, &answer);
}

/* FALSE: the message is not one that launch may send. */
static gboolean
launch_client_take_exited(struct launch_client *client, const struct seq_message *message)
{
	struct launch_exited exited;

	if (message->head.size != sizeof(exited) || message->n_fds != 0)
		return FALSE;
	memcpy(&exited, message->payload, sizeof(exited));
	if (!seq_text_ok(exited.name, sizeof(exited.name)) || exited.role >= LAUNCH_ROLE_COUNT)
		return FALSE;
	if (client->events->exited)
		client->events->exited(client->context, &exited);
	return TRUE;
}

static void
launch_client_handle_message(void *context, struct seq_message *message)
{
	struct launch_client *client = context;
	struct launch_request *request;
	gboolean ok = TRUE;

	if (!message) {
		log_warning("the connection to carrel-launch has ended; trying again");
		launch_client_lose(client);
		return;
	}
	if (message->head.type == LAUNCH_EXITED) {
		if (!launch_client_take_exited(client, message)) {
			log_error("carrel-launch sent a broken message; connecting again");
			launch_client_lose(client);
		}
		return;
	}
	request = g_hash_table_lookup(client->requests, GUINT_TO_POINTER(message->head.id));
	if (!request || request->failure)
		return; /* came behind its deadline */
	ok = launch_request_check_answer(request, message);
	if (ok) {
		launch_request_handle_answer(request, message);
		return;
	}
	log_error("carrel-launch gave a broken answer to type=%u; connecting again",
		  message->head.type);
	launch_client_lose(client);
}

static gboolean launch_client_connect(gpointer data);

static void
launch_client_retry(struct launch_client *client)
{
	client->retry_source = g_timeout_add(client->retry_ms, launch_client_connect, client);
	client->retry_ms = MIN(client->retry_ms * 2, RETRY_MAX_MS);
}

static gboolean
launch_client_connect(gpointer data)
{
	struct launch_client *client = data;
	int fd = -1;
	int error = io_unix_connect(client->path, SOCK_SEQPACKET, &fd);

	client->retry_source = 0;
	if (error < 0) {
		log_debug("cannot connect to '%s': %s", client->path, strerror(-error));
		launch_client_retry(client);
		return G_SOURCE_REMOVE;
	}
	client->source = seq_source_new(fd, "launch", launch_client_handle_message, client);
	client->retry_ms = RETRY_MIN_MS;
	if (client->events->link)
		client->events->link(client->context, TRUE);
	return G_SOURCE_REMOVE;
}

/* Fails everything that was sent, tells the owner, and begins to try again. */
static void
launch_client_lose(struct launch_client *client)
{
	g_autoptr(GError) error =
		g_error_new_literal(G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED,
				    "carrel-launch went away before it answered; it is asked "
				    "again when it is back");
	GList *ids = g_hash_table_get_keys(client->requests);
	gboolean freed = FALSE;

	// cppcheck-suppress autoVariables ; taken back below, or the client is gone
	client->freed = &freed;
	g_clear_pointer(&client->source, seq_source_free);
	for (GList *at = ids; at && !freed; at = at->next) {
		struct launch_request *request = g_hash_table_lookup(client->requests, at->data);

		if (request && !request->failure)
			launch_request_fail(request, error);
	}
	g_list_free(ids);
	if (!freed && client->events->link)
		client->events->link(client->context, FALSE);
	if (freed)
		return;
	client->freed = NULL;
	launch_client_retry(client);
}

struct launch_client *
launch_client_new(const char *socket_path, const struct launch_client_events *events, void *context)
{
	struct launch_client *client = g_new0(struct launch_client, 1);

	client->path = g_strdup(socket_path);
	client->events = events;
	client->context = context;
	client->retry_ms = RETRY_MIN_MS;
	client->requests = g_hash_table_new_full(NULL, NULL, NULL, launch_request_free);
	client->retry_source = g_idle_add(launch_client_connect, client);
	return client;
}

void
launch_client_free(struct launch_client *client)
{
	if (!client)
		return;
	if (client->freed)
		*client->freed = TRUE;
	g_clear_handle_id(&client->retry_source, g_source_remove);
	g_clear_pointer(&client->source, seq_source_free);
	g_hash_table_destroy(client->requests);
	g_free(client->path);
	g_free(client);
}

gboolean
launch_client_is_up(const struct launch_client *client)
{
	return client->source != NULL;
}

static void
launch_client_ask_desktop(struct launch_client *client, guint32 type, const char *desktop,
			  guint64 generation, launch_client_callback callback, void *data)
{
	struct launch_desktop payload = { .generation = generation };
	int error = seq_text_set(payload.desktop, sizeof(payload.desktop), desktop);

	launch_client_ask(client,
			  &(struct launch_text){ .type = type,
						 .name = desktop,
						 .payload = error ? NULL : &payload,
						 .size = sizeof(payload) },
			  callback, data);
}

void
launch_client_make_desktop(struct launch_client *client, const char *desktop, guint64 generation,
			   launch_client_callback callback, void *data)
{
	launch_client_ask_desktop(client, LAUNCH_DESKTOP_MAKE, desktop, generation, callback, data);
}

void
launch_client_remove_desktop(struct launch_client *client, const char *desktop, guint64 generation,
			     launch_client_callback callback, void *data)
{
	launch_client_ask_desktop(client, LAUNCH_DESKTOP_REMOVE, desktop, generation, callback,
				  data);
}

/* Head and NUL-terminated arguments behind it; NULL when launch would refuse them. */
static GByteArray *
launch_spawn_encode(const struct launch_client_spawn *spawn)
{
	struct launch_spawn head = {
		.generation = spawn->generation,
		.role = spawn->role,
		.n_fds = (guint32)spawn->n_fds,
		.memory_max_bytes = spawn->memory_max_bytes,
	};
	GByteArray *bytes;

	if (spawn->n_fds > LAUNCH_MAX_FDS ||
	    seq_text_set(head.name, sizeof(head.name), spawn->name) < 0)
		return NULL;
	for (gsize i = 0; i < spawn->n_fds; i++)
		head.fd_targets[i] = spawn->targets[i];
	bytes = g_byte_array_new();
	g_byte_array_set_size(bytes, sizeof(head));
	for (; spawn->argv[head.argc]; head.argc++) {
		const char *argument = spawn->argv[head.argc];

		g_byte_array_append(bytes, (const guint8 *)argument, (guint)strlen(argument) + 1);
	}
	head.argv_bytes = bytes->len - (guint)sizeof(head);
	if (head.argc > LAUNCH_MAX_ARGS || head.argv_bytes > LAUNCH_MAX_ARGV_BYTES) {
		g_byte_array_unref(bytes);
		return NULL;
	}
	memcpy(bytes->data, &head, sizeof(head));
	return bytes;
}

void
launch_client_spawn(struct launch_client *client, const struct launch_client_spawn *spawn,
		    launch_client_callback callback, void *data)
{
	g_autoptr(GByteArray) bytes = launch_spawn_encode(spawn);

	launch_client_ask(client,
			  &(struct launch_text){ .type = LAUNCH_SPAWN,
						 .name = spawn->name,
						 .role = spawn->role,
						 .payload = bytes ? bytes->data : NULL,
						 .size = bytes ? bytes->len : 0,
						 .fds = spawn->fds,
						 .n_fds = spawn->n_fds },
			  callback, data);
}

void
launch_client_kill(struct launch_client *client, const char *name, enum launch_role role,
		   launch_client_callback callback, void *data)
{
	struct launch_kill payload = { .role = role };
	int error = seq_text_set(payload.name, sizeof(payload.name), name);

	launch_client_ask(client,
			  &(struct launch_text){ .type = LAUNCH_KILL,
						 .name = name,
						 .payload = error ? NULL : &payload,
						 .size = sizeof(payload) },
			  callback, data);
}

void
launch_client_list(struct launch_client *client, launch_client_callback callback, void *data)
{
	launch_client_ask(
		client,
		&(struct launch_text){ .type = LAUNCH_LIST, .name = "desktops", .payload = "" },
		callback, data);
}

void
launch_client_commit_stage(struct launch_client *client, const char *job, const char *name,
			   guint32 version, gboolean replaces, launch_client_callback callback,
			   void *data)
{
	struct launch_commit payload = { .version = version, .replaces = replaces ? 1 : 0 };
	int error = seq_text_set(payload.job, sizeof(payload.job), job);

	if (error == 0)
		error = seq_text_set(payload.name, sizeof(payload.name), name);
	launch_client_ask(client,
			  &(struct launch_text){ .type = LAUNCH_STAGE_COMMIT,
						 .name = job,
						 .payload = error ? NULL : &payload,
						 .size = sizeof(payload) },
			  callback, data);
}

void
launch_client_remove_stage(struct launch_client *client, const char *job,
			   launch_client_callback callback, void *data)
{
	struct launch_stage payload = { 0 };
	int error = seq_text_set(payload.job, sizeof(payload.job), job);

	launch_client_ask(client,
			  &(struct launch_text){ .type = LAUNCH_STAGE_REMOVE,
						 .name = job,
						 .payload = error ? NULL : &payload,
						 .size = sizeof(payload) },
			  callback, data);
}

void
launch_client_forget(struct launch_client *client, const void *data)
{
	GList *ids = g_hash_table_get_keys(client->requests);

	for (GList *at = ids; at; at = at->next) {
		struct launch_request *request = g_hash_table_lookup(client->requests, at->data);

		if (request && request->data == data && request->callback)
			launch_request_abandon(request);
	}
	g_list_free(ids);
}
