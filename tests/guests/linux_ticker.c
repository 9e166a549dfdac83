/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * linux_ticker.c - process 1 of the Linux guest whose forks are counted: a clock on each CPU, and fio on its disk
 *
 * How it works: for each CPU there is a process that is bound to it and sleeps by that CPU's timer for TICK_NS, again and again.
 * It notes the time of each tick in a page of its own (struct ticks), whose address in the machine's memory the console
 * is told: the test reads it there, for to say each tick on a console would keep an emulated processor busy. Then fio
 * writes to the disk, reads and verifies it; "fio: 0" on the console is its exit status. The clocks tick on after that.
 *
 * Before it is sealed the test writes to the page of struct wanted, and then a process on each CPU spins with values in ymm0 to ymm15,
 * until that is 0 again: so these are in the vCPU at the seal, and not in the kernel's memory (ticker_spin()). The test changes it in
 * the memory that is forked, so that no fork spins; whether they are still the same is in the page of that CPU's clock.
 *
 * One more process keeps so much memory as the test has written into the page of struct wanted, whose address the console is told,
 * too; what is too much is freed, and the kernel's balloon driver reports it to the host as free.
 *
 * Where something is missing, the console is told what, and the machine stands still.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/recipes/tiny/tiny_modules.h"

#define CPUS	      2
#define TICK_NS	      50000000
#define PAGE_BYTES    4096
#define VECTOR_WORDS  (16 * 4) /* 256 bits each */
#define KEPT_TICKS    (PAGE_BYTES / 8 - 3 - VECTOR_WORDS)
#define MIXER	      UINT64_C(0x9e3779b97f4a7c15) /* odd: different numbers stay different */
#define PAGEMAP_FRAME ((UINT64_C(1) << 55) - 1)	   /* Documentation/admin-guide/mm/pagemap.rst */
#define LOG_LEVEL     5 /* warnings, such as those about clocks and stalls */
#define KLOG_LEVEL    8 /* klogctl(2): SYSLOG_ACTION_CONSOLE_LEVEL */
#define LOOK_AGAIN_US 10000
#define LOOK_WANTED_S 1 /* seldom: it is a process in each of many forks */
#define DISK	      "/dev/vda"
#define COMPACTION    "/proc/sys/vm/compact_unevictable_allowed"
#define MIGRATION     "/proc/sys/kernel/timer_migration"

enum vectors_state {
	VECTORS_NONE,
	VECTORS_HELD,  /* the registers have struct vectors' values */
	VECTORS_SAME,  /* and had them when they were looked at */
	VECTORS_OTHER, /* or not */
};

/* ymm0 to ymm15 */
struct vectors {
	uint64_t words[VECTOR_WORDS];
};

/* tests/lib/kvm_forks.py reads it. */
struct ticks {
	_Atomic uint64_t count;
	uint64_t behind; /* ticks whose time was before one that was seen already */
	_Atomic uint64_t vectors_state;
	struct vectors vectors;
	_Atomic uint64_t at_ns
		[KEPT_TICKS]; /* CLOCK_MONOTONIC of the last ones; tick i is at i % KEPT_TICKS */
};

/* tests/lib/kvm_forks.py writes it. */
struct wanted {
	_Atomic uint64_t bytes;
	_Atomic uint64_t spin;
	uint8_t reserved[PAGE_BYTES - 16];
};

/* What the test reads and writes in the machine's memory */
struct shared {
	struct ticks ticks[CPUS];
	struct wanted wanted;
};

static_assert(sizeof(struct ticks) == PAGE_BYTES && sizeof(struct wanted) == PAGE_BYTES,
	      "one page each");

/* Written to in any order, several at once and past the page cache; then all of it is read and compared. */
static char *const fio_command[] = {
	"/usr/bin/fio",
	"--name=fork",
	"--filename=" DISK,
	"--rw=randwrite",
	"--bs=16k",
	"--direct=1",
	"--ioengine=libaio",
	"--iodepth=4",
	"--verify=crc32c",
	"--verify_fatal=1",
	"--verify_state_save=0",
	"--minimal",
	"--allow_file_create=0",
	NULL,
};

static void __attribute__((noreturn)) ticker_stop(const char *what)
{
	printf("guest: %s: %s\n", what, strerror(errno));
	for (;;)
		pause();
}

static void
ticker_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		ticker_stop(path);
	close(fd);
}

static void
ticker_mount(const char *type, const char *folder)
{
	if (mount(type, folder, type, 0, NULL) < 0)
		ticker_stop(folder);
}

/* Where the page lies in the machine's memory, at which it stays: see ticker_prepare() */
static uint64_t
ticker_find_address(const void *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, sizeof(entry),
			    (off_t)((uintptr_t)page / PAGE_BYTES * sizeof(entry))) < 0)
		ticker_stop("/proc/self/pagemap");
	close(fd);
	return (entry & PAGEMAP_FRAME) * PAGE_BYTES;
}

/* The time of the other CPU's last tick was read before: this one's is not before it. */
static void
ticker_note(struct ticks *own, const struct ticks *other, struct timespec *now)
{
	uint64_t seen_ns = 0, now_ns;
	uint64_t count = atomic_load(&other->count);

	if (count > 0)
		seen_ns = atomic_load(&other->at_ns[(count - 1) % KEPT_TICKS]);
	clock_gettime(CLOCK_MONOTONIC, now);
	now_ns = (uint64_t)now->tv_sec * 1000000000 + (uint64_t)now->tv_nsec;
	own->behind += now_ns < seen_ns;
	count = atomic_load(&own->count);
	atomic_store(&own->at_ns[count % KEPT_TICKS], now_ns);
	atomic_store(&own->count, count + 1);
}

static void
ticker_bind(int cpu, int priority)
{
	const struct sched_param parameters = { .sched_priority = priority };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		ticker_stop("sched_setaffinity");
	if (sched_setscheduler(0, SCHED_FIFO, &parameters) < 0)
		ticker_stop("sched_setscheduler");
}

/* Before all else on its CPU */
static void
ticker_run(int cpu, struct ticks ticks[CPUS])
{
	const struct timespec pause = { .tv_nsec = TICK_NS };
	struct timespec now;

	ticker_bind(cpu, 2);
	for (;;) {
		ticker_note(&ticks[cpu], &ticks[1 - cpu], &now);
		nanosleep(&pause, NULL);
	}
}

/* In one piece, for the compiler and the C library use these registers as they like: filled, noted, kept, looked at. */
static void
ticker_spin(const _Atomic uint64_t *wanted, struct ticks *own, struct vectors *after)
{
	__asm__ volatile(".irp reg, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
			 "vmovdqu 32*\\reg(%[before]), %%ymm\\reg\n"
			 ".endr\n"
			 "movq %[held], (%[state])\n"
			 "1:\n"
			 "cmpq $0, (%[wanted])\n"
			 "jne 1b\n"
			 ".irp reg, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
			 "vmovdqu %%ymm\\reg, 32*\\reg(%[after])\n"
			 ".endr\n"
			 "vzeroupper\n"
			 :
			 : [state] "r"(&own->vectors_state), [held] "i"(VECTORS_HELD),
			   [wanted] "r"(wanted), [before] "r"(&own->vectors), [after] "r"(after)
			 : "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
			   "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
			   "xmm15");
}

/* Before fio, so that it is on its CPU when the machine is sealed, and behind the clock. No word is the same as another. */
static void __attribute__((noreturn))
ticker_hold(int cpu, const struct wanted *wanted, struct ticks *own)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	struct vectors after;

	for (uint64_t i = 0; i < VECTOR_WORDS; i++)
		own->vectors.words[i] = ((uint64_t)cpu * VECTOR_WORDS + i + 1) * MIXER;
	ticker_bind(cpu, 1);
	while (atomic_load(&wanted->spin) == 0)
		nanosleep(&tick, NULL);
	ticker_spin(&wanted->spin, own, &after);
	atomic_store(&own->vectors_state, memcmp(&own->vectors, &after, sizeof(after)) == 0
						  ? VECTORS_SAME
						  : VECTORS_OTHER);
	for (;;)
		pause();
}

/* No page of it is one that a template has. */
static void *
ticker_fill(uint64_t bytes)
{
	uint64_t *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		ticker_stop("memory");
	for (uint64_t at = 0; at < bytes; at += PAGE_BYTES)
		memory[at / sizeof(memory[0])] = ~at;
	return memory;
}

static void __attribute__((noreturn)) ticker_keep(const struct wanted *wanted)
{
	void *kept = NULL;
	uint64_t kept_bytes = 0;

	for (;;) {
		uint64_t bytes = atomic_load(&wanted->bytes);

		if (bytes != kept_bytes) {
			if (kept)
				munmap(kept, kept_bytes);
			kept = bytes > 0 ? ticker_fill(bytes) : NULL;
			kept_bytes = bytes;
		}
		sleep(LOOK_WANTED_S);
	}
}

static void
ticker_start(void)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1, 0);

	if (shared == MAP_FAILED)
		ticker_stop("mmap");
	for (int cpu = 0; cpu < CPUS; cpu++)
		if (fork() == 0)
			ticker_run(cpu, shared->ticks);
	for (int cpu = 0; cpu < CPUS; cpu++)
		if (fork() == 0)
			ticker_hold(cpu, &shared->wanted, &shared->ticks[cpu]);
	if (fork() == 0)
		ticker_keep(&shared->wanted);
	printf("ticks: %#" PRIx64 " %#" PRIx64 " %#" PRIx64 "\n",
	       ticker_find_address(&shared->ticks[0]), ticker_find_address(&shared->ticks[1]),
	       ticker_find_address(&shared->wanted));
}

static void
ticker_prepare(void)
{
	setlinebuf(stdout);
	ticker_mount("proc", "/proc");
	ticker_mount("sysfs", "/sys");
	ticker_mount("devtmpfs", "/dev");
	if (!__builtin_cpu_supports("avx")) {
		errno = ENOTSUP;
		ticker_stop("AVX");
	}
	ticker_write(COMPACTION, "0"); /* pages that are locked stay where they are */
	ticker_write(MIGRATION, "0");  /* a sleeper is woken by the CPU that it sleeps on */
	tiny_modules_load(ticker_stop);
	while (access(DISK, F_OK) < 0)
		usleep(LOOK_AGAIN_US);
	if (klogctl(KLOG_LEVEL, NULL, LOG_LEVEL) < 0)
		ticker_stop("klogctl");
}

/* Its summary is for nobody; what it complains of goes to the console. */
static int
ticker_run_fio(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (!freopen("/dev/null", "w", stdout))
			ticker_stop("/dev/null");
		execv(fio_command[0], fio_command);
		perror(fio_command[0]);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		ticker_stop("fio");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int
main(void)
{
	ticker_prepare();
	ticker_start();
	printf("fio: %d\n", ticker_run_fio());
	for (;;)
		pause();
}
