/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tiny_witness.c - what makes one fork of the tiny guest different from the others, told to the test
 *
 * How it works: the witness is a process that is sealed with the template. It wakes ten times a second to look at the clocks;
 * inotify(7) tells it that the agent has written its record, which is the end of the identification. It draws random
 * numbers at once, then reads all the rest, waits until the kernel has noticed the new generation id, and writes one
 * line of JSON to the port that a desktop's spice-vdagent has (nobody else uses it here). That write waits for a reader.
 *
 * Three values are the kernel's own secrets, drawn for itself and not for who asks: the bytes that a new process gets for its stack
 * canary, a uuid, and the key of TCP's sequence numbers. That one is drawn at its first use, and then stays: to look at it before
 * the seal would give all forks the same.
 */
#include "tests/recipes/tiny/tiny_witness.h"

#include "tests/recipes/tiny/tiny_tcp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RECORD_FOLDER "/run/carrel" /* agent/agent_record.h */
#define RECORD_NAME   "agent-record"
#define PORT	      "/dev/virtio-ports/com.redhat.spice.0"
#define RANDOM_SEED   "/var/lib/systemd/random-seed"
#define UUID	      "/proc/sys/kernel/random/uuid"
#define INIT	      "/init"
#define TABLES	      "/sys/firmware/acpi/tables"
#define KERNEL_WORD   "virtual machine fork" /* drivers/char/random.c, add_vmfork_randomness() */
#define GENID_DRIVER  "/sys/bus/acpi/drivers/vmgenid"
#define GENID_OFFSET  40      /* in QEMU's page; carrel-vmm has it at the page's begin */
#define GENID_PAGE    0xef000 /* carrel-vmm's, vmm/memory_map.h */
#define GENID_BYTES   16
#define PAGE_BYTES    4096
#define TICK_MS	      100
#define SEED_BYTES    512
#define DRAWN_BYTES   32
#define GIVEN_BYTES   16 /* behind AT_RANDOM, getauxval(3) */
#define VALUE_SIZE    (2 * SEED_BYTES + 1)

enum value {
	VALUE_RANDOM,
	VALUE_URANDOM,
	VALUE_UUID,
	VALUE_AT_RANDOM,
	VALUE_TCP_KEY,
	VALUE_GENID,
	VALUE_MACHINE_ID,
	VALUE_HOSTNAME,
	VALUE_MAC,
	VALUE_SSH_RSA,
	VALUE_SSH_ECDSA,
	VALUE_SSH_ED25519,
	VALUE_RANDOM_SEED,
	VALUE_COUNT,
};

static const char *const value_names[VALUE_COUNT] = {
	"random",   "urandom", "uuid",	  "at_random", "tcp_key",     "genid",	     "machine_id",
	"hostname", "mac",     "ssh_rsa", "ssh_ecdsa", "ssh_ed25519", "random_seed",
};

static const struct {
	enum value value;
	const char *path;
} key_table[] = {
	{ VALUE_SSH_RSA, "/etc/ssh/ssh_host_rsa_key.pub" },
	{ VALUE_SSH_ECDSA, "/etc/ssh/ssh_host_ecdsa_key.pub" },
	{ VALUE_SSH_ED25519, "/etc/ssh/ssh_host_ed25519_key.pub" },
};

#define KEYS (sizeof(key_table) / sizeof(key_table[0]))

struct clocks {
	int64_t monotonic_us; /* when it was looked at last; 0: never */
	int64_t max_gap_us;
	int backward;
	int64_t first_offset_us; /* CLOCK_BOOTTIME's from CLOCK_MONOTONIC */
	int64_t last_offset_us;
};

struct witness {
	int urandom; /* open since before the seal */
	int notify;
	int kernel;
	struct clocks clocks;
	char before[VALUE_COUNT][VALUE_SIZE];
	char after[VALUE_COUNT][VALUE_SIZE];
};

/* The test that waits for a line hears why there is none. */
static void
witness_stop(const char *what)
{
	int fd = open(PORT, O_WRONLY | O_CLOEXEC);

	dprintf(fd >= 0 ? fd : STDERR_FILENO, "tiny guest: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void
witness_print_hex(const uint8_t *bytes, size_t size, char *ret_text)
{
	for (size_t i = 0; i < size; i++)
		snprintf(ret_text + 2 * i, 3, "%02x", bytes[i]);
}

static void
witness_write(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		witness_stop(path);
	close(fd);
}

/* 0 where there is none. */
static size_t
witness_read(const char *path, void *ret_data, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret_data, size);

	if (fd >= 0)
		close(fd);
	return n < 0 ? 0 : (size_t)n;
}

static void
witness_read_line(const char *path, char *ret_text)
{
	ret_text[witness_read(path, ret_text, VALUE_SIZE - 1)] = '\0';
	ret_text[strcspn(ret_text, "\n")] = '\0';
}

static void
witness_draw(char *ret_text, int fd)
{
	uint8_t bytes[DRAWN_BYTES] = { 0 };
	ssize_t n = fd < 0 ? getrandom(bytes, sizeof(bytes), 0) : read(fd, bytes, sizeof(bytes));

	if (n != (ssize_t)sizeof(bytes))
		witness_stop("random numbers");
	witness_print_hex(bytes, sizeof(bytes), ret_text);
}

/* What a process that begins now is given. "" where it prints nothing: the test says that it is missing. */
static void
witness_read_given(char *ret_text)
{
	ssize_t n;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		witness_stop("a pipe");
	if (fork() == 0) {
		dup2(fds[1], STDOUT_FILENO);
		execl(INIT, TINY_WITNESS_PROGRAM, (char *)NULL);
		_exit(1);
	}
	close(fds[1]);
	n = read(fds[0], ret_text, VALUE_SIZE - 1);
	close(fds[0]);
	ret_text[n > 0 ? n : 0] = '\0';
}

/* QEMU's table has the page's address as a named double word (docs/specs/vmgenid.txt). 0 in other tables. */
static uint32_t
witness_find_genid(const char *name)
{
	static const uint8_t head[] = { 0x08, 'V', 'G', 'I', 'A', 0x0c };
	uint8_t table[65536];
	char path[300];
	const uint8_t *at;
	uint32_t page;
	size_t size;

	snprintf(path, sizeof(path), TABLES "/%s", name);
	size = witness_read(path, table, sizeof(table));
	at = memmem(table, size, head, sizeof(head));
	if (!at || at + sizeof(head) + sizeof(page) > table + size)
		return 0;
	memcpy(&page, at + sizeof(head), sizeof(page));
	return page;
}

/* read(2) from /dev/mem ends where RAM does; QEMU's page lies behind that. */
static size_t
witness_locate_genid(void)
{
	DIR *folder = opendir(TABLES);
	const struct dirent *entry;
	uint32_t page = 0;

	while (folder && page == 0 && (entry = readdir(folder)))
		page = witness_find_genid(entry->d_name);
	if (folder)
		closedir(folder);
	return page != 0 ? (size_t)page + GENID_OFFSET : GENID_PAGE;
}

static void
witness_read_genid(char *ret_text)
{
	int fd = open("/dev/mem", O_RDONLY | O_CLOEXEC);
	size_t at = witness_locate_genid();
	size_t offset = at % PAGE_BYTES;
	uint8_t *page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd, (off_t)(at - offset));

	if (fd < 0 || page == MAP_FAILED)
		witness_stop("the generation id");
	witness_print_hex(page + offset, GENID_BYTES, ret_text);
	munmap(page, PAGE_BYTES);
	close(fd);
}

/* The key alone: its type stands before it, and behind it the host's name, which differs anyway. */
static void
witness_read_key(const char *path, char *ret_text)
{
	char line[VALUE_SIZE];
	const char *key;

	witness_read_line(path, line);
	key = line + strcspn(line, " ");
	key += strspn(key, " ");
	snprintf(ret_text, VALUE_SIZE, "%.*s", (int)strcspn(key, " "), key);
}

/* Random numbers first: what is drawn right after the identification is what would be the same. */
static void
witness_read_values(struct witness *witness, char values[VALUE_COUNT][VALUE_SIZE])
{
	uint8_t seed[SEED_BYTES] = { 0 };

	witness_draw(values[VALUE_RANDOM], -1);
	witness_draw(values[VALUE_URANDOM], witness->urandom);
	witness_read_line(UUID, values[VALUE_UUID]);
	witness_read_given(values[VALUE_AT_RANDOM]);
	witness_read_genid(values[VALUE_GENID]);
	witness_read_line("/etc/machine-id", values[VALUE_MACHINE_ID]);
	gethostname(values[VALUE_HOSTNAME], VALUE_SIZE - 1);
	witness_read_line("/sys/class/net/eth0/address", values[VALUE_MAC]);
	for (size_t i = 0; i < KEYS; i++)
		witness_read_key(key_table[i].path, values[key_table[i].value]);
	witness_print_hex(seed, witness_read(RANDOM_SEED, seed, sizeof(seed)),
			  values[VALUE_RANDOM_SEED]);
}

static int64_t
witness_now_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void
witness_look_at_clocks(struct clocks *clocks)
{
	int64_t now_us = witness_now_us(CLOCK_MONOTONIC);
	int64_t gap_us = clocks->monotonic_us ? now_us - clocks->monotonic_us : 0;

	clocks->last_offset_us = witness_now_us(CLOCK_BOOTTIME) - now_us;
	if (clocks->monotonic_us == 0)
		clocks->first_offset_us = clocks->last_offset_us;
	if (gap_us > clocks->max_gap_us)
		clocks->max_gap_us = gap_us;
	clocks->backward += gap_us < 0;
	clocks->monotonic_us = now_us;
}

static int
witness_is_identified(struct witness *witness)
{
	struct pollfd source = { .fd = witness->notify, .events = POLLIN };
	char events[4096];

	if (poll(&source, 1, TICK_MS) > 0 && read(witness->notify, events, sizeof(events)) < 0)
		witness_stop("inotify");
	return access(RECORD_FOLDER "/" RECORD_NAME, F_OK) == 0;
}

/*
 * Waits for it, if need be: the kernel is told by an interrupt, which may come later than the agent's end. Not where the test
 * has left out the driver (initcall_blacklist), to see that the agent's seed alone suffices.
 */
static void
witness_await_kernel(struct witness *witness)
{
	char line[1024];
	ssize_t n;

	if (access(GENID_DRIVER, F_OK) < 0)
		return;
	do {
		n = read(witness->kernel, line, sizeof(line));
		if (n < 0 && errno != EPIPE)
			witness_stop("/dev/kmsg");
	} while (n < 0 || !memmem(line, (size_t)n, KERNEL_WORD, strlen(KERNEL_WORD)));
}

static void
witness_print_values(FILE *out, const char *name, char values[VALUE_COUNT][VALUE_SIZE])
{
	fprintf(out, "\"%s\": {", name);
	for (int i = 0; i < VALUE_COUNT; i++)
		fprintf(out, "%s\"%s\": \"%s\"", i ? ", " : "", value_names[i], values[i]);
	fprintf(out, "}, ");
}

static void
witness_tell(struct witness *witness)
{
	const struct clocks *clocks = &witness->clocks;
	FILE *out = fopen(PORT, "w");

	if (!out)
		witness_stop(PORT);
	fprintf(out, "{");
	witness_print_values(out, "before", witness->before);
	witness_print_values(out, "after", witness->after);
	fprintf(out,
		"\"vmgenid\": %s, \"clocks\": {\"max_gap_us\": %" PRId64
		", \"backward\": %d, \"offset_us\": [%" PRId64 ", %" PRId64
		"], \"real_us\": %" PRId64 "}}\n",
		access(GENID_DRIVER, F_OK) == 0 ? "true" : "false", clocks->max_gap_us,
		clocks->backward, clocks->first_offset_us, clocks->last_offset_us,
		witness_now_us(CLOCK_REALTIME));
	if (fflush(out) != 0)
		witness_stop(PORT);
	for (;;)
		pause();
}

static void
witness_run(struct witness *witness)
{
	witness_read_values(witness, witness->before);
	while (!witness_is_identified(witness))
		witness_look_at_clocks(&witness->clocks);
	witness_read_values(witness, witness->after);
	if (!tiny_tcp_read_key(witness->after[VALUE_TCP_KEY]))
		witness_stop("a TCP connection");
	witness_look_at_clocks(&witness->clocks);
	witness_await_kernel(witness);
	witness_tell(witness);
}

int
tiny_witness_make_key(void)
{
	char line[VALUE_SIZE] = "stand-in ";
	char *key = line + strlen(line);

	for (size_t i = 0; i < KEYS; i++) {
		witness_draw(key, -1);
		witness_write(key_table[i].path, line, strlen(line));
	}
	return 0;
}

int
tiny_witness_print_random(void)
{
	const uint8_t *given = (const uint8_t *)getauxval(AT_RANDOM);
	char text[2 * GIVEN_BYTES + 1];

	if (!given)
		return 1;
	witness_print_hex(given, GIVEN_BYTES, text);
	return fputs(text, stdout) < 0;
}

void
tiny_witness_prepare(void)
{
	static const char id[] = "00000000000000000000000000000000\n";
	static const char users[] = "root:x:0:0:root:/:/bin/sh\n"; /* ssh-keygen asks who it is */
	uint8_t seed[SEED_BYTES];

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		witness_stop("random numbers");
	witness_write(RANDOM_SEED, seed, sizeof(seed));
	witness_write("/etc/machine-id", id, strlen(id));
	witness_write("/etc/passwd", users, strlen(users));
	tiny_witness_make_key();
	if (sethostname("template", strlen("template")) < 0)
		witness_stop("sethostname");
}

void
tiny_witness_start(void)
{
	static struct witness witness;

	mkdir(RECORD_FOLDER, 0755);
	witness.urandom = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	witness.kernel = open("/dev/kmsg", O_RDONLY | O_CLOEXEC);
	witness.notify = inotify_init1(IN_CLOEXEC);
	if (witness.urandom < 0 || witness.kernel < 0 || witness.notify < 0 ||
	    inotify_add_watch(witness.notify, RECORD_FOLDER, IN_MOVED_TO) < 0)
		witness_stop("the witness");
	if (fork() == 0)
		witness_run(&witness);
}
