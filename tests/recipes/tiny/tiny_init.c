/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tiny_init.c - process 1 of the tests' tiny guest: modules, the agent's port, a socket where X's would be, carrel-agent
 *
 * How it works: main() does the four, one after the other, and then accepts and closes what asks whether X is up. The
 * modules are loaded in the order of their names. Where something is missing it stops with a line on the console,
 * and the machine stands still: the test that boots it says what it waited for.
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
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define PORT	      "org.carrel.agent.0"
#define PORT_FOLDER   "/sys/class/virtio-ports"
#define MODULES	      "/modules"
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

static void
tiny_load_modules(void)
{
	struct dirent **names;
	int n = scandir(MODULES, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		char path[512];
		int fd;

		if (names[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), MODULES "/%s", names[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0) < 0)
			tiny_stop(path);
		close(fd);
	}
}

/* Is it the agent's port? Then its node gets the name that udev would give it. */
static int
tiny_link_port(const char *name)
{
	char path[512];
	char node[512];
	char text[64] = "";
	int fd;

	snprintf(path, sizeof(path), PORT_FOLDER "/%s/name", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	close(fd);
	if (strncmp(text, PORT, strlen(PORT)) != 0)
		return 0;
	snprintf(node, sizeof(node), "/dev/%s", name);
	return symlink(node, "/dev/virtio-ports/" PORT) == 0;
}

static int
tiny_find_port(void)
{
	DIR *folder = opendir(PORT_FOLDER);
	const struct dirent *entry;
	int found = 0;

	while (folder && !found && (entry = readdir(folder)))
		found = entry->d_name[0] != '.' && tiny_link_port(entry->d_name);
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

int
main(void)
{
	int x;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) < 0)
		tiny_stop("/dev");
	tiny_load_modules();
	mkdir("/dev/virtio-ports", 0755);
	while (!tiny_find_port())
		usleep(LOOK_AGAIN_US);
	x = tiny_listen_as_x();
	signal(SIGCHLD, SIG_IGN);
	if (fork() == 0) {
		execl(AGENT, AGENT, (char *)NULL);
		tiny_stop(AGENT);
	}
	for (;;) {
		int peer = accept(x, NULL, NULL);

		if (peer >= 0)
			close(peer);
	}
}
