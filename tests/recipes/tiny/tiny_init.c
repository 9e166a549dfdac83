/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tiny_init.c - process 1 of the tests' tiny guest: modules, the ports, a socket where X's would be, a witness, carrel-agent
 *
 * How it works: main() does them, one after the other, and then accepts and closes what asks whether X is up. The
 * modules are loaded in the order of their names. Where something is missing it stops with a line on the console,
 * and the machine stands still: the test that boots it says what it waited for. Programs that the agent calls are links to
 * this one (program_table).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/recipes/tiny/tiny_modules.h"
#include "tests/recipes/tiny/tiny_witness.h"

#define PORTS	      2 /* org.carrel.agent.0, com.redhat.spice.0 */
#define PORT_FOLDER   "/sys/class/virtio-ports"
#define X_FOLDER      "/tmp/.X11-unix"
#define AGENT	      "/usr/libexec/carrel-agent"
#define LOOK_AGAIN_US 10000

static void
tiny_stop(const char *what)
{
	fprintf(stderr, "tiny guest: %s: %s\n", what, strerror(errno));
	for (;;)
		pause();
}

static int
tiny_do_nothing(void)
{
	return 0;
}

/* make_initrd.py has the links to those that the agent calls. */
static const struct {
	const char *name;
	int (*run)(void);
} program_table[] = {
	{ "ssh-keygen", tiny_witness_make_key },
	{ "sshd", tiny_do_nothing },
	{ "systemctl", tiny_do_nothing },
	{ TINY_WITNESS_PROGRAM, tiny_witness_print_random },
};

/* The port's node gets the name that udev would give it. */
static int
tiny_link_port(const char *name)
{
	char path[512];
	char node[512];
	char link[512];
	char text[64] = "";
	int fd;

	snprintf(path, sizeof(path), PORT_FOLDER "/%s/name", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	text[strcspn(text, "\n")] = '\0';
	if (text[0] == '\0')
		return 0;
	snprintf(node, sizeof(node), "/dev/%s", name);
	snprintf(link, sizeof(link), "/dev/virtio-ports/%s", text);
	return symlink(node, link) == 0 || errno == EEXIST;
}

static int
tiny_link_ports(void)
{
	DIR *folder = opendir(PORT_FOLDER);
	const struct dirent *entry;
	int found = 0;

	while (folder && (entry = readdir(folder)))
		found += entry->d_name[0] != '.' && tiny_link_port(entry->d_name);
	if (folder)
		closedir(folder);
	return found;
}

static int
tiny_listen_as_x(void)
{
	struct sockaddr_un address = { AF_UNIX, X_FOLDER "/X0" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	mkdir(X_FOLDER, 0755);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 8) < 0)
		tiny_stop(X_FOLDER);
	return fd;
}

static void
tiny_run_program(const char *path)
{
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < sizeof(program_table) / sizeof(program_table[0]); i++)
		if (strcmp(slash ? slash + 1 : path, program_table[i].name) == 0)
			exit(program_table[i].run());
}

int
main(int argc, char **argv)
{
	int x;

	if (argc > 0)
		tiny_run_program(argv[0]);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) < 0)
		tiny_stop("/dev");
	tiny_modules_load(tiny_stop);
	mkdir("/dev/virtio-ports", 0755);
	while (tiny_link_ports() < PORTS)
		usleep(LOOK_AGAIN_US);
	x = tiny_listen_as_x();
	signal(SIGCHLD, SIG_IGN);
	tiny_witness_prepare();
	tiny_witness_start();
	if (fork() == 0) {
		signal(SIGCHLD, SIG_DFL);
		execl(AGENT, AGENT, (char *)NULL);
		tiny_stop(AGENT);
	}
	for (;;) {
		int peer = accept(x, NULL, NULL);

		if (peer >= 0)
			close(peer);
	}
}
