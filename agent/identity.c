/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * identity.c - what makes one fork different from the others (carrel-agent, in the guest)
 *
 * How it works: identify is a task whose steps are in identity_steps, in this order: fresh entropy,
 * so that nothing after it draws the template's random numbers; the wall clock; the seed of the next boot; host name and
 * machine id; ssh host keys where there is an sshd; the MAC address; and last the link, because with it the first packet
 * leaves. Taking the interface down and up makes systemd-networkd ask for a new lease by itself.
 *
 * The boot's own id (/proc/sys/kernel/random/boot_id) stays the template's: the kernel cannot be told another one, and a file
 * mounted over it would be known to new processes only, while journald and logind go on with the one that they read when
 * they started: `journalctl -b` and `systemctl status` would find nothing that this desktop says. A journald started
 * again would cost each fork its memory. The id is no secret, and who needs a boot's name beyond one machine takes it
 * with the machine id.
 *
 * Files are replaced by rename without fsync: a fork that loses its power is thrown away or identified again.
 */
#include "agent/identity.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <linux/random.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/netcard.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proto_agent.h"

#define HOSTS_MAX_BYTES	   (64 * 1024)
#define MACHINE_ID_BYTES   16
#define KEYS_TIMEOUT_MS	   60000
#define RESTART_TIMEOUT_MS 30000
#define SSHD		   "/usr/sbin/sshd"
#define RANDOM_SEED	   "/var/lib/systemd/random-seed"
#define RANDOM_SEED_BYTES  512 /* as systemd-random-seed makes it */

static_assert(KEYS_TIMEOUT_MS + RESTART_TIMEOUT_MS < AGENT_IDENTIFY_MAX_MS,
	      "hostd hears which of its steps was late");

static int
identity_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool
identity_parse_hex(const char *text, uint8_t *ret_bytes, size_t size)
{
	if (strlen(text) != 2 * size)
		return false;
	for (size_t i = 0; i < size; i++) {
		int high = identity_hex_digit(text[2 * i]);
		int low = identity_hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret_bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool
identity_parse_mac(const char *text, uint8_t ret_mac[6])
{
	uint8_t any = 0;

	if (strlen(text) != 17)
		return false;
	for (int i = 0; i < 6; i++) {
		int high = identity_hex_digit(text[3 * i]);
		int low = identity_hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return false;
		ret_mac[i] = (uint8_t)(high << 4 | low);
		any |= ret_mac[i];
	}
	return any != 0 && !(ret_mac[0] & 1);
}

bool
identity_hostname_ok(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length > 63)
		return false;
	for (size_t i = 0; i < length; i++) {
		bool edge = i == 0 || i + 1 == length || text[i - 1] == '.' || text[i + 1] == '.';
		bool word =
			(text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9');

		if (!word && (edge || (text[i] != '-' && text[i] != '.')))
			return false;
	}
	return true;
}

int
identity_check_request(const json_t *body, struct json_problem *ret_problem)
{
	uint8_t bytes[IDENTITY_SEED_BYTES];
	const char *mac = json_get_text(body, "mac", "");
	const char *bad = NULL;

	if (!identity_parse_hex(json_get_text(body, "seed", ""), bytes, IDENTITY_SEED_BYTES))
		bad = "'seed' must be 128 hex digits";
	else if (!identity_hostname_ok(json_get_text(body, "hostname", "")))
		bad = "'hostname' must be a name of letters, digits and inner '-'";
	else if (!identity_parse_hex(json_get_text(body, "machine_id", ""), bytes,
				     MACHINE_ID_BYTES))
		bad = "'machine_id' must be 32 hex digits";
	else if (mac[0] != '\0' && !identity_parse_mac(mac, bytes))
		bad = "'mac' must be a station's address such as 52:54:00:12:34:56";
	explicit_bzero(bytes, sizeof(bytes));
	if (!bad)
		return 0;
	snprintf(ret_problem->text, sizeof(ret_problem->text), "%s", bad);
	return -EINVAL;
}

static int
identity_write_file(const char *path, const void *data, size_t size, mode_t mode)
{
	char temporary[PATH_MAX];
	CLEANUP_CLOSE int fd = -1;
	int error;

	snprintf(temporary, sizeof(temporary), "%s.carrel", path);
	unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -errno;
	error = fchmod(fd, mode) < 0 ? -errno : io_write_full(fd, data, size);
	if (error == 0 && rename(temporary, path) < 0)
		error = -errno;
	if (error < 0)
		unlink(temporary);
	return error;
}

static int
identity_write_text(const char *path, const char *text, mode_t mode)
{
	return identity_write_file(path, text, strlen(text), mode);
}

static int
identity_run_seed(struct agent *agent, struct task *task)
{
	/* struct rand_pool_info ends in an array without a size; this is the same with room for it. */
	struct {
		int entropy_count;
		int buf_size;
		uint8_t buf[IDENTITY_SEED_BYTES];
	} pool = { .entropy_count = IDENTITY_SEED_BYTES * 8, .buf_size = IDENTITY_SEED_BYTES };
	CLEANUP_CLOSE int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	int error = 0;

	(void)agent;
	identity_parse_hex(json_get_text(task->request, "seed", ""), pool.buf, sizeof(pool.buf));
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		error = -errno;
	explicit_bzero(&pool, sizeof(pool));
	json_object_del(task->request, "seed");
	if (error < 0)
		return task_fail(task, error, "cannot add entropy to /dev/urandom: %s",
				 strerror(-error));
	return TASK_DONE;
}

/*
 * systemd feeds the file's bytes to the kernel at the next boot: the template's would be those of all its forks. The file is
 * made by systemd; without it there is nothing to renew.
 */
static int
identity_run_random_seed(struct agent *agent, struct task *task)
{
	uint8_t seed[RANDOM_SEED_BYTES];
	int error;

	(void)agent;
	if (access(RANDOM_SEED, F_OK) < 0)
		return TASK_SKIPPED;
	error = getrandom(seed, sizeof(seed), 0) == (ssize_t)sizeof(seed) ? 0 : -EIO;
	if (error == 0)
		error = identity_write_file(RANDOM_SEED, seed, sizeof(seed), 0600);
	explicit_bzero(seed, sizeof(seed));
	if (error < 0)
		return task_fail(task, error, "cannot write '" RANDOM_SEED "': %s",
				 strerror(-error));
	return TASK_DONE;
}

static int
identity_run_clock(struct agent *agent, struct task *task)
{
	int64_t time_us = json_get_integer(task->request, "time_us", 0);
	struct timespec now = { .tv_sec = time_us / 1000000,
				.tv_nsec = (long)(time_us % 1000000) * 1000 };

	(void)agent;
	if (clock_settime(CLOCK_REALTIME, &now) < 0)
		return task_fail(task, -errno, "cannot set the clock: %s", strerror(errno));
	return TASK_DONE;
}

int
identity_make_hosts(const char *old_text, const char *hostname, char **ret_text)
{
	size_t room = strlen(old_text) + strlen(hostname) + 32;
	const char *line = old_text;
	char *text = malloc(room);
	size_t size;

	if (!text)
		return -ENOMEM;
	size = (size_t)snprintf(text, room, "127.0.1.1\t%s\n", hostname);
	while (*line != '\0') {
		size_t length = strcspn(line, "\n");

		if (strncmp(line, "127.0.1.1", 9) != 0) {
			memcpy(text + size, line, length);
			size += length;
			text[size++] = '\n';
		}
		line += length;
		if (*line == '\n')
			line++;
	}
	text[size] = '\0';
	*ret_text = text;
	return 0;
}

static int
identity_write_hosts(const char *hostname)
{
	CLEANUP_FREE char *old_text = NULL;
	CLEANUP_FREE char *text = NULL;
	size_t size;
	int error = io_read_file("/etc/hosts", HOSTS_MAX_BYTES, &old_text, &size);

	if (error < 0 && error != -ENOENT)
		return error;
	error = identity_make_hosts(old_text ? old_text : "127.0.0.1\tlocalhost\n", hostname,
				    &text);
	return error < 0 ? error : identity_write_text("/etc/hosts", text, 0644);
}

static int
identity_run_hostname(struct agent *agent, struct task *task)
{
	const char *hostname = json_get_text(task->request, "hostname", "");
	char line[80];
	int error = 0;

	(void)agent;
	snprintf(line, sizeof(line), "%s\n", hostname);
	if (sethostname(hostname, strlen(hostname)) < 0)
		error = -errno;
	if (error == 0)
		error = identity_write_text("/etc/hostname", line, 0644);
	if (error == 0)
		error = identity_write_hosts(hostname);
	if (error < 0)
		return task_fail(task, error, "cannot set the host name '%s': %s", hostname,
				 strerror(-error));
	return TASK_DONE;
}

/* systemd mounts a transient id over the file when it found it empty: that mount has to go first. */
static int
identity_run_machine_id(struct agent *agent, struct task *task)
{
	char line[40];
	int error;

	(void)agent;
	snprintf(line, sizeof(line), "%s\n", json_get_text(task->request, "machine_id", ""));
	umount2("/etc/machine-id", MNT_DETACH);
	error = identity_write_text("/etc/machine-id", line, 0444);
	if (error < 0)
		return task_fail(task, error, "cannot write /etc/machine-id: %s", strerror(-error));
	/* D-Bus reads a file of its own where it is no link to the above. */
	if (access("/var/lib/dbus", F_OK) == 0) {
		unlink("/var/lib/dbus/machine-id");
		if (symlink("/etc/machine-id", "/var/lib/dbus/machine-id") < 0)
			log_warning("cannot link /var/lib/dbus/machine-id: %s", strerror(errno));
	}
	return TASK_DONE;
}

static int
identity_run_ssh_keys(struct agent *agent, struct task *task)
{
	static const char *const argv[] = { "/usr/bin/ssh-keygen", "-A", NULL };
	glob_t found;

	(void)agent;
	if (access(SSHD, X_OK) < 0)
		return TASK_SKIPPED;
	if (glob("/etc/ssh/ssh_host_*", 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			unlink(found.gl_pathv[i]);
		globfree(&found);
	}
	return task_command(task, argv, KEYS_TIMEOUT_MS);
}

static int
identity_run_ssh_restart(struct agent *agent, struct task *task)
{
	static const char *const argv[] = { "/usr/bin/systemctl", "try-restart", "ssh.service",
					    NULL };

	(void)agent;
	if (access(SSHD, X_OK) < 0)
		return TASK_SKIPPED;
	return task_command(task, argv, RESTART_TIMEOUT_MS);
}

static int
identity_run_mac(struct agent *agent, struct task *task)
{
	const char *mac = json_get_text(task->request, "mac", "");
	char card[IF_NAMESIZE];
	uint8_t address[6];
	int error;

	(void)agent;
	if (!identity_parse_mac(mac, address) || netcard_find(card) < 0)
		return TASK_SKIPPED;
	error = netcard_set_address(card, address);
	if (error < 0)
		return task_fail(task, error, "cannot set the address of '%s' to %s: %s", card, mac,
				 strerror(-error));
	return TASK_DONE;
}

static int
identity_run_link(struct agent *agent, struct task *task)
{
	bool up = json_get_flag(task->request, "link", 0);
	char card[IF_NAMESIZE];
	int error;

	(void)agent;
	if (netcard_find(card) < 0)
		return TASK_SKIPPED;
	error = netcard_set_up(card, up);
	if (error < 0)
		return task_fail(task, error, "cannot set '%s' %s: %s", card, up ? "up" : "down",
				 strerror(-error));
	return TASK_DONE;
}

static void
identity_ended(struct agent *agent, struct task *task, int status)
{
	if (status < 0)
		return;
	json_object_set(task->answer, "steps", task->steps);
	if (agent->state != AGENT_STATE_IN_SESSION)
		agent_set_state(agent, AGENT_STATE_IDENTIFIED);
}

/* A guest that was suspended: its time stood still, and nothing else of it has changed. */
static const struct task_step clock_steps[] = {
	{ "clock", identity_run_clock, NULL, false },
};

const struct task_kind identity_clock_kind = {
	.steps = clock_steps,
	.n_steps = sizeof(clock_steps) / sizeof(clock_steps[0]),
};

static const struct task_step identity_steps[] = {
	{ "seed", identity_run_seed, NULL, false },
	{ "clock", identity_run_clock, NULL, false },
	{ "random-seed", identity_run_random_seed, NULL, false },
	{ "hostname", identity_run_hostname, NULL, false },
	{ "machine-id", identity_run_machine_id, NULL, false },
	{ "ssh-keys", identity_run_ssh_keys, NULL, false },
	{ "ssh-restart", identity_run_ssh_restart, NULL, true },
	{ "mac", identity_run_mac, NULL, false },
	{ "link", identity_run_link, NULL, false },
};

const struct task_kind identity_task_kind = {
	.steps = identity_steps,
	.n_steps = sizeof(identity_steps) / sizeof(identity_steps[0]),
	.ended = identity_ended,
};
