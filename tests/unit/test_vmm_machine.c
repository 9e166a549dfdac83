/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_vmm_machine.c - what hostd describes is what carrel-vmm takes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/vmm_machine.h"
#include "vmm/description.h"

#define HIGH_FD	 100 /* above all targets */
#define RAM_MIB	 512
#define DESKTOP	 "d-aaaaaaaaaaaaaaaaaaaa"
#define COMMANDS "root=/dev/vda quiet"

/* Each kind of what hostd opens, out of the targets' way. */
static int
raise_fd(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);

	assert_true(high >= 0);
	close(fd);
	return high;
}

static int
make_file(off_t size)
{
	int fd = raise_fd(memfd_create("test", MFD_CLOEXEC));

	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

/* As a template's files are opened. */
static int
make_template_file(off_t size)
{
	int fd = make_file(size);
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
	int read_only = open(path, O_RDONLY | O_CLOEXEC);

	close(fd);
	return raise_fd(read_only);
}

/* What boots writes to memory and disk itself, a fork has both from its template. */
static void
make_machine(struct vmm_machine *machine, gboolean forks)
{
	*machine = (struct vmm_machine){
		.id = DESKTOP,
		.cpus = 2,
		.ram_mib = RAM_MIB,
		.command_line = COMMANDS,
		.kvm = raise_fd(open("/dev/null", O_RDWR | O_CLOEXEC)),
		.memory = forks ? make_template_file((off_t)RAM_MIB << 20)
				: make_file((off_t)RAM_MIB << 20),
		.memory_random = forks,
		.kernel = make_template_file(4096),
		.initrd = make_template_file(4096),
		.state = forks ? make_template_file(64) : -1,
		.pages = -1,
		.disk = forks ? make_template_file(1 << 20) : make_file(1 << 20),
		.overlay = forks ? make_file(0) : -1,
	};
	for (int i = 0; i < LAUNCH_SOCKET_COUNT; i++) {
		/* a name that the kernel makes up: unix(7), autobind */
		const struct sockaddr nameless = { .sa_family = AF_UNIX };
		gboolean seq = i == LAUNCH_SOCKET_DISPLAY || i == LAUNCH_SOCKET_VMM;

		machine->sockets[i] =
			raise_fd(socket(AF_UNIX, seq ? SOCK_SEQPACKET : SOCK_STREAM, 0));
		assert_int_equal(bind(machine->sockets[i], &nameless, sizeof(sa_family_t)), 0);
		assert_int_equal(listen(machine->sockets[i], 1), 0);
	}
}

static void
close_machine(const struct vmm_machine *machine)
{
	const int fds[] = { machine->kvm,  machine->memory,  machine->kernel, machine->initrd,
			    machine->disk, machine->overlay, machine->state };

	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (int i = 0; i < LAUNCH_SOCKET_COUNT; i++)
		close(machine->sockets[i]);
}

/* In a process of its own, as launch starts it: an exit status. */
static int
take_description(const struct vmm_command *command, gboolean forks)
{
	static char text[DESCRIPTION_MAX_BYTES];
	struct description description;
	struct json_problem problem = { "" };
	int high[LAUNCH_MAX_FDS];
	ssize_t size;

	for (gsize i = 0; i < command->n_fds; i++)
		high[i] = fcntl(command->fds[i], F_DUPFD_CLOEXEC, HIGH_FD);
	for (gsize i = 0; i < command->n_fds; i++)
		dup2(high[i], command->targets[i]);
	size = read(atoi(command->argv[1]), text, sizeof(text));
	if (size <= 0)
		return 1;
	if (description_parse(text, (size_t)size, &description, &problem) < 0) {
		print_error("%s\n", problem.text);
		return 2;
	}
	return strcmp(description.name, DESKTOP) == 0 && description.cpus == 2 &&
			       strcmp(description.command_line, COMMANDS) == 0 &&
			       description.control_uid == getuid() && description.has_genid &&
			       description.sandbox && !description.net_link &&
			       description.n_disks == 2 && description.n_ports == 2 &&
			       (description.state_fd >= 0) == forks &&
			       description.memory_random == forks &&
			       (description.disks[0].base_fd >= 0) == forks &&
			       description.disks[0].overlay_fd >= 0
		       ? 0
		       : 3;
}

static void
test_vmm_machine__carrel_vmm_takes_it(void **state)
{
	(void)state;
	for (gboolean forks = FALSE; forks <= TRUE; forks++) {
		struct vmm_machine machine;
		struct vmm_command command;
		int status;
		pid_t pid;

		make_machine(&machine, forks);
		assert_int_equal(vmm_machine_build(&machine, &command), 0);
		assert_string_equal(command.argv[0], "--description");
		assert_null(command.argv[2]);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			_exit(take_description(&command, forks));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		vmm_command_done(&command);
		close_machine(&machine);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vmm_machine__carrel_vmm_takes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
