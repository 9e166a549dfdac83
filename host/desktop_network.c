/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * desktop_network.c - one desktop's passt and the link that it is plugged into (carrel-hostd)
 *
 * How it works: network_start_process() makes a pair of stream sockets and lets launch start passt with one end
 * (network_handle_spawned); the owner plugs the other into the machine (desktop_network_take_plugged), and the guest
 * asks passt for its lease. hostd keeps neither end: passt ends by itself when the machine does, and lives on
 * when hostd does not. When passt ends before its machine, network_handle_ended() starts another one, after a
 * pause that grows with each try; the guest sees its link go down and up.
 *
 * passt's own uid is the machine's: a process that took the machine over has no more than passt, which the kernel keeps
 * outside this host (launch_fence.h), and passt cannot be traced (it is not dumpable). It has no port open and
 * answers nobody but its guest.
 */
#include "host/desktop_network.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "host/process_watch.h"

#define NETWORK_PASST_FD      3
#define NETWORK_RETRY_MS      500
#define NETWORK_MAX_RETRY_MS  30000
#define NETWORK_FIRST_TRIES   3
#define NETWORK_SETTLED_US    (60 * G_USEC_PER_SEC) /* the next pause is a short one again */
#define NETWORK_MEMORY_MAX    (G_GUINT64_CONSTANT(256) << 20)
#define NETWORK_MAX_SERVERS   3 /* as many as resolv.conf(5) lets count */
#define NETWORK_MAX_ARGUMENTS (16 + 2 * NETWORK_MAX_SERVERS)

/*
 *	idle -> starting -> plugging -> up -> waiting -> starting ...
 *
 * waiting: for the time of the next try, also out of starting and plugging when they fail. ended: the first tries have
 * all failed; nothing follows.
 */
enum network_state {
	NETWORK_IDLE,
	NETWORK_STARTING,
	NETWORK_PLUGGING,
	NETWORK_UP,
	NETWORK_WAITING,
	NETWORK_ENDED,
	NETWORK_STATE_COUNT,
};

struct desktop_network {
	char desktop[ID_SIZE];
	guint64 generation;
	struct launch_client *launch;
	const struct desktop_network_events *events;
	void *context;
	enum network_state state;
	gboolean told; /* up() was said: from here on it is tried for ever */
	guint tries;
	gint64 up_us; /* since when it is up */
	guint retry_ms;
	guint timer;
	struct process_watch passt;
	int peer; /* the machine's end, until it is plugged in */
};

static void network_start_process(struct desktop_network *network);

static void
network_move(struct desktop_network *network, enum network_state state)
{
	static const char *const names[] = { "idle", "starting", "plugging",
					     "up",   "waiting",	 "ended" };
	static const guint from[] = {
		[NETWORK_IDLE] = 0,
		[NETWORK_STARTING] = 1U << NETWORK_IDLE | 1U << NETWORK_WAITING,
		[NETWORK_PLUGGING] = 1U << NETWORK_STARTING,
		[NETWORK_UP] = 1U << NETWORK_PLUGGING | 1U << NETWORK_IDLE,
		[NETWORK_WAITING] =
			1U << NETWORK_STARTING | 1U << NETWORK_PLUGGING | 1U << NETWORK_UP,
		[NETWORK_ENDED] = 1U << NETWORK_WAITING,
	};

	G_STATIC_ASSERT(G_N_ELEMENTS(names) == NETWORK_STATE_COUNT);
	G_STATIC_ASSERT(G_N_ELEMENTS(from) == NETWORK_STATE_COUNT);
	if (!(from[state] & 1U << network->state))
		log_error("desktop=%s: its network cannot go from %s to %s", network->desktop,
			  names[network->state], names[state]);
	log_debug("desktop=%s network: %s -> %s", network->desktop, names[network->state],
		  names[state]);
	network->state = state;
}

static void
network_close_peer(struct desktop_network *network)
{
	if (network->peer >= 0)
		close(network->peer);
	network->peer = -1;
}

static gboolean
network_handle_retry(gpointer data)
{
	struct desktop_network *network = data;

	network->timer = 0;
	network_start_process(network);
	return G_SOURCE_REMOVE;
}

/* The last word of this call: failed() may free the network. */
static void
network_try_again(struct desktop_network *network, const char *reason)
{
	guint pause_ms;

	if (process_watch_is_on(&network->passt))
		launch_client_kill(network->launch, network->desktop, LAUNCH_ROLE_NET, NULL, NULL);
	network_close_peer(network);
	process_watch_stop(&network->passt);
	network_move(network, NETWORK_WAITING);
	if (!network->told && ++network->tries >= NETWORK_FIRST_TRIES) {
		network_move(network, NETWORK_ENDED);
		network->events->failed(network->context, reason);
		return;
	}
	pause_ms = MIN(network->retry_ms << MIN(network->tries, 6U), NETWORK_MAX_RETRY_MS);
	if (network->told)
		network->tries++;
	log_warning("desktop=%s: %s; another network process is started in %u ms", network->desktop,
		    reason, pause_ms);
	network->timer = g_timeout_add(pause_ms, network_handle_retry, network);
}

static void
network_handle_ended(void *context)
{
	struct desktop_network *network = context;

	if (network->state != NETWORK_UP)
		return;
	if (g_get_monotonic_time() - network->up_us > NETWORK_SETTLED_US)
		network->tries = 0;
	network_try_again(network, "passt has ended; net.log of the desktop says why");
}

static void
network_handle_up(struct desktop_network *network)
{
	network_move(network, NETWORK_UP);
	network->up_us = g_get_monotonic_time();
	log_info("desktop=%s: its link is up", network->desktop);
	/* It ended while it was plugged in: network_handle_ended() had nothing to do yet. */
	if (!process_watch_is_on(&network->passt)) {
		network_try_again(network, "passt ended at once; net.log of the desktop says why");
		return;
	}
	if (!network->told) {
		network->told = TRUE;
		network->tries = 0;
		network->events->up(network->context);
	}
}

void
desktop_network_take_plugged(struct desktop_network *network, const GError *error)
{
	if (network->state != NETWORK_PLUGGING)
		return;
	network_close_peer(network);
	if (error)
		network_try_again(network, error->message);
	else
		network_handle_up(network);
}

static void
network_handle_spawned(void *data, const struct launch_answer *answer)
{
	struct desktop_network *network = data;

	if (answer->error) {
		network_try_again(network, answer->error->message);
		return;
	}
	process_watch_begin(&network->passt, g_steal_fd(&answer->fds[0]));
	network_move(network, NETWORK_PLUGGING);
	network->events->plug(network->context, network->peer);
}

static void
network_spawn(struct desktop_network *network, int fd)
{
	const char *argv[NETWORK_MAX_ARGUMENTS + 1] = {
		"--foreground", "--quiet",     "--fd", "3",	      "--no-map-gw", "--mtu",
		LAUNCH_NET_MTU, "--tcp-ports", "none", "--udp-ports", "none",
	};
	const int target = NETWORK_PASST_FD;
	g_auto(GStrv) servers = desktop_network_list_servers("");
	gsize n = 0;
	const struct launch_client_spawn spawn = {
		.name = network->desktop,
		.generation = network->generation,
		.role = LAUNCH_ROLE_NET,
		.argv = argv,
		.fds = &fd,
		.targets = &target,
		.n_fds = 1,
		.memory_max_bytes = NETWORK_MEMORY_MAX,
	};

	while (argv[n])
		n++;
	for (gsize i = 0; i < NETWORK_MAX_SERVERS && servers[i]; i++) {
		argv[n++] = "--dns";
		argv[n++] = servers[i];
	}
	launch_client_spawn(network->launch, &spawn, network_handle_spawned, network);
}

static void
network_start_process(struct desktop_network *network)
{
	int ends[2];

	network_move(network, NETWORK_STARTING);
	if (io_socketpair(SOCK_STREAM, ends) < 0) {
		network_try_again(network, "no socket could be made for its network");
		return;
	}
	network->peer = ends[0];
	network_spawn(network, ends[1]);
	close(ends[1]);
}

struct desktop_network *
desktop_network_new(const struct desktop_network_options *options,
		    const struct desktop_network_events *events, void *context)
{
	struct desktop_network *network = g_new0(struct desktop_network, 1);

	g_strlcpy(network->desktop, options->desktop, sizeof(network->desktop));
	network->generation = options->generation;
	network->launch = options->launch;
	network->retry_ms = options->retry_ms > 0 ? options->retry_ms : NETWORK_RETRY_MS;
	network->events = events;
	network->context = context;
	process_watch_init(&network->passt, network_handle_ended, network);
	network->peer = -1;
	return network;
}

void
desktop_network_start(struct desktop_network *network)
{
	if (network->state == NETWORK_IDLE)
		network_start_process(network);
}

void
desktop_network_adopt(struct desktop_network *network, const struct launch_process *process)
{
	int pidfd;

	if (network->state != NETWORK_IDLE)
		return;
	pidfd = process_watch_open(process);
	if (pidfd < 0) {
		network_start_process(network);
		return;
	}
	process_watch_begin(&network->passt, pidfd);
	network_handle_up(network);
}

void
desktop_network_free(struct desktop_network *network)
{
	if (!network)
		return;
	launch_client_forget(network->launch, network);
	g_clear_handle_id(&network->timer, g_source_remove);
	process_watch_stop(&network->passt);
	network_close_peer(network);
	g_free(network);
}

/* --- what this host can give --- */

static char *
network_read(const char *root, const char *path)
{
	g_autofree char *name = g_strconcat(root, path, NULL);
	char *text = NULL;

	g_file_get_contents(name, &text, NULL, NULL);
	return text ? text : g_strdup("");
}

/* A line of /proc/net/route or ipv6_route for everything, by another interface than the loopback. */
static gboolean
network_has_route(const char *root)
{
	g_autofree char *ipv4 = network_read(root, "/proc/net/route");
	g_autofree char *ipv6 = network_read(root, "/proc/net/ipv6_route");

	return g_regex_match_simple("^(?!lo\\b)\\S+\\s+00000000\\s+[0-9A-F]{8}\\s.*\\s00000000\\s",
				    ipv4, G_REGEX_MULTILINE, 0) ||
	       g_regex_match_simple("^0{32} 00 .* (?!lo$)\\S+$", ipv6, G_REGEX_MULTILINE, 0);
}

char *
desktop_network_find_refusal(const char *root)
{
	g_autofree char *program = g_find_program_in_path("passt");
	g_autofree char *groups = network_read(root, "/proc/self/mounts");

	if (!program)
		return g_strdup("passt is not installed: install passt");
	if (!network_has_route(root))
		return g_strdup("the machine has no default route: bring its network up");
	if (!strstr(groups, " cgroup2 rw"))
		return g_strdup("the kernel keeps desktops off the machine's own services only "
				"with cgroup v2, which is not mounted");
	return NULL;
}

char **
desktop_network_list_servers(const char *root)
{
	static const char *const paths[] = { "/etc/resolv.conf",
					     "/run/systemd/resolve/resolv.conf" };
	g_autoptr(GPtrArray) servers = g_ptr_array_new_with_free_func(g_free);

	/* A name server on the host's loopback is not for guests: then those that it asks itself. */
	for (gsize k = 0; k < G_N_ELEMENTS(paths) && servers->len == 0; k++) {
		g_autofree char *text = network_read(root, paths[k]);
		g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

		for (gsize i = 0; lines[i] && servers->len < NETWORK_MAX_SERVERS; i++) {
			g_auto(GStrv) words = g_strsplit_set(lines[i], " \t", 3);
			guint8 address[16];

			if (g_strcmp0(words[0], "nameserver") == 0 && words[1] &&
			    !g_str_has_prefix(words[1], "127.") &&
			    inet_pton(AF_INET, words[1], address) == 1)
				g_ptr_array_add(servers, g_strdup(words[1]));
		}
	}
	g_ptr_array_add(servers, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&servers), FALSE);
}
