/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outside_acts.c - what would reach out of a contained process (carrel-vmm, carrel-display; in a child, before a stranger is heard)
 *
 * How it works: act_table has the acts, each a function that says whether it is possible. Where an act would change something, its
 * arguments are wrong in a way that the kernel looks at only after the right to do it: EPERM is then the answer of one that is
 * contained, and any other error that of one that is not. So trying does no harm where the containment is missing.
 */
#include "base/outside_acts.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <unistd.h>

#define FIRST_PROCESS	1   /* what the process is in its pid namespace, whose child tries */
#define MAX_PIDS	64  /* of a host's processes the first are the kernel's own */
#define MAX_DESCRIPTORS 256 /* launch gives those up to 63 */
#define DISCARD_PORT	9   /* RFC 863 */

/* Whether a call gave a descriptor, which nobody keeps. */
static bool
outside_was_given(int fd)
{
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool
outside_can_open(const char *path, int flags)
{
	return outside_was_given(open(path, flags | O_CLOEXEC, 0600));
}

/* Of calls that look for the right first. Some kernels do not have them all. */
static bool
outside_is_permitted(long result)
{
	return result >= 0 || (errno != EPERM && errno != ENOSYS);
}

/* Files. */

static bool
outside_open_file(void)
{
	return outside_can_open("/etc/passwd", O_RDONLY) || outside_can_open("/usr", O_RDONLY);
}

static bool
outside_open_device(void)
{
	return outside_can_open("/dev/null", O_RDWR) || outside_can_open("/dev/kvm", O_RDWR);
}

static bool
outside_open_proc(void)
{
	return outside_can_open("/proc", O_RDONLY) || outside_can_open("/sys", O_RDONLY);
}

static bool
outside_make_file(void)
{
	return outside_can_open("/", O_TMPFILE | O_WRONLY) ||
	       outside_can_open(".", O_TMPFILE | O_WRONLY);
}

static bool
outside_list_root(void)
{
	DIR *folder = opendir("/");
	bool found = false;
	const struct dirent *entry;

	// cppcheck-suppress readdirCalled ; one thread
	while (folder && !found && (entry = readdir(folder)))
		found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	if (folder)
		closedir(folder);
	return found;
}

/* openat(2) would lead from it to the host's files. */
static bool
outside_has_folder(void)
{
	struct stat status;

	for (int fd = 0; fd < MAX_DESCRIPTORS; fd++)
		if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
			return true;
	return false;
}

static bool
outside_mount(void)
{
	return outside_is_permitted(mount("none", "/", "no-such-type", 0, NULL));
}

static bool
outside_change_root(void)
{
	return outside_is_permitted(syscall(SYS_pivot_root, "/", "/")) ||
	       outside_is_permitted(chroot("/"));
}

/* Processes. */

/* A thread of the parent's has a number as well; KVM makes some (Linux 6.13), whenever it likes. */
static bool
outside_is_another(pid_t pid)
{
	if (kill(pid, 0) < 0 && errno == ESRCH)
		return false;
	return syscall(SYS_tgkill, FIRST_PROCESS, pid, 0) < 0;
}

static bool
outside_see_process(void)
{
	pid_t self = getpid();

	if (getppid() != FIRST_PROCESS)
		return true;
	for (pid_t pid = FIRST_PROCESS + 1; pid < MAX_PIDS; pid++)
		if (pid != self && outside_is_another(pid))
			return true;
	return false;
}

/* By PTRACE_SEIZE, which does not stop it. Others with its uid could as well: it must not be dumpable. */
static bool
outside_trace(void)
{
	return ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) == 0;
}

static bool
outside_read_memory(void)
{
	char byte = 0;
	struct iovec local = { &byte, 1 };
	struct iovec remote = { &byte, 1 };

	return process_vm_readv(getppid(), &local, 1, &remote, 1, 0) >= 0;
}

static bool
outside_leave_core(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_CORE, &limit) < 0 || limit.rlim_max != 0 ||
	       prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0;
}

static bool
outside_see_shared_memory(void)
{
	struct shm_info memory = { 0 };
	struct seminfo semaphores = { 0 };
	struct msginfo messages = { 0 };

	return shmctl(0, SHM_INFO, (void *)&memory) < 0 ||
	       semctl(0, 0, SEM_INFO, &semaphores) < 0 ||
	       msgctl(0, MSG_INFO, (void *)&messages) < 0 || memory.used_ids != 0 ||
	       semaphores.semusz != 0 || messages.msgpool != 0;
}

/* The network. */

/* UDP: that there is a way is known without a byte being sent. */
static bool
outside_can_connect(int family, const void *address, socklen_t size)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && connect(fd, address, size) == 0;
}

static bool
outside_reach_host(void)
{
	const struct sockaddr_in old = { .sin_family = AF_INET,
					 .sin_port = htons(DISCARD_PORT),
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr_in6 new = { .sin6_family = AF_INET6,
					  .sin6_port = htons(DISCARD_PORT),
					  .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	return outside_can_connect(AF_INET, &old, sizeof(old)) ||
	       outside_can_connect(AF_INET6, &new, sizeof(new));
}

/* 192.0.2.1 (RFC 5737) and 2001:db8::1 (RFC 3849) are nobody's. */
static bool
outside_reach_network(void)
{
	const struct sockaddr_in old = { .sin_family = AF_INET,
					 .sin_port = htons(DISCARD_PORT),
					 .sin_addr.s_addr = htonl(0xc0000201) };
	const struct sockaddr_in6 new = { .sin6_family = AF_INET6,
					  .sin6_port = htons(DISCARD_PORT),
					  .sin6_addr.s6_addr = { 0x20, 0x01, 0x0d,
								 0xb8, [15] = 1 } };

	return outside_can_connect(AF_INET, &old, sizeof(old)) ||
	       outside_can_connect(AF_INET6, &new, sizeof(new));
}

static bool
outside_use_raw_socket(void)
{
	return outside_was_given(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)) ||
	       outside_was_given(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

static bool
outside_change_network(void)
{
	struct ifreq request = { .ifr_name = "no-such-link" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && outside_is_permitted(ioctl(fd, SIOCSIFFLAGS, &request));
}

/* Rights. */

static bool
outside_has_capability(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data) < 0)
		return true;
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if (data[i].effective || data[i].permitted || data[i].inheritable)
			return true;
	return false;
}

static bool
outside_gain_capability(void)
{
	for (unsigned long i = 0; i <= CAP_LAST_CAP; i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) == 1 ||
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) == 1)
			return true;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1;
}

static bool
outside_become_user(void)
{
	static const uid_t others[] = { 0, 1, 1000, 65534 };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (others[i] != getuid() && setuid(others[i]) == 0)
			return true;
	return false;
}

static bool
outside_become_group(void)
{
	gid_t group = 0;

	return setgroups(1, &group) == 0 || (getgid() != 1 && setgid(1) == 0);
}

static bool
outside_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return true;
	limit.rlim_max++;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static bool
outside_make_user_namespace(void)
{
	return unshare(CLONE_NEWUSER) == 0;
}

static bool
outside_make_namespaces(void)
{
	return unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWNET) == 0 ||
	       unshare(CLONE_NEWPID) == 0;
}

static bool
outside_enter_namespaces(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getppid(), 0);

	return fd < 0 || outside_is_permitted(setns(fd, CLONE_NEWNET));
}

/* The machine. */

static bool
outside_set_clock(void)
{
	struct timex change = { .modes = ADJ_TICK };

	return outside_is_permitted(adjtimex(&change));
}

static bool
outside_name_host(void)
{
	return outside_is_permitted(syscall(SYS_sethostname, "", -1));
}

static bool
outside_reboot(void)
{
	return outside_is_permitted(syscall(SYS_reboot, 0, 0, 0, NULL));
}

static bool
outside_load_module(void)
{
	return outside_is_permitted(syscall(SYS_init_module, NULL, 0, NULL));
}

static bool
outside_swap(void)
{
	return outside_is_permitted(syscall(SYS_swapon, NULL, 0));
}

static bool
outside_use_ports(void)
{
	return outside_is_permitted(syscall(SYS_iopl, 3));
}

static const struct {
	const char *words;
	bool (*is_possible)(void);
} act_table[] = {
	{ "open a file of the host", outside_open_file },
	{ "open a device of the host", outside_open_device },
	{ "open what the kernel shows in /proc and /sys", outside_open_proc },
	{ "make a file on the host", outside_make_file },
	{ "see what lies in the root", outside_list_root },
	{ "use a folder by its descriptor", outside_has_folder },
	{ "mount a file system", outside_mount },
	{ "take another root", outside_change_root },
	{ "see other processes", outside_see_process },
	{ "be traced", outside_trace },
	{ "be read from outside", outside_read_memory },
	{ "leave a core file", outside_leave_core },
	{ "see System V shared memory", outside_see_shared_memory },
	{ "reach this host's services", outside_reach_host },
	{ "reach a network", outside_reach_network },
	{ "use a raw socket", outside_use_raw_socket },
	{ "change a network interface", outside_change_network },
	{ "use a capability", outside_has_capability },
	{ "gain a capability", outside_gain_capability },
	{ "change its uid", outside_become_user },
	{ "change its groups", outside_become_group },
	{ "raise a limit", outside_raise_limit },
	{ "make a user namespace", outside_make_user_namespace },
	{ "make other namespaces", outside_make_namespaces },
	{ "enter another's namespaces", outside_enter_namespaces },
	{ "set the host's clock", outside_set_clock },
	{ "rename the host", outside_name_host },
	{ "reboot the host", outside_reboot },
	{ "load a module into the kernel", outside_load_module },
	{ "change the host's swap space", outside_swap },
	{ "use the host's I/O ports", outside_use_ports },
};

#define N_ACTS (int)(sizeof(act_table) / sizeof(act_table[0]))
static_assert(N_ACTS <= OUTSIDE_ACTS_MAX, "as many as may be");

int
outside_acts_find(void)
{
	for (int i = 0; i < N_ACTS; i++)
		if (act_table[i].is_possible())
			return i + 1;
	return 0;
}

const char *
outside_acts_words(int act)
{
	return act >= 1 && act <= N_ACTS ? act_table[act - 1].words : NULL;
}
