/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_description.c - what carrel-vmm accepts as a machine, and what it says of the rest
 *
 * The descriptors have fixed numbers (test_open_all); a case replaces one part of a good description.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "vmm/description.h"

/* Numbers that nothing else has here; 199 stays closed. */
enum test_fd {
	TEST_KVM = 100, /* any device does */
	TEST_MEMORY,
	TEST_KERNEL,
	TEST_INITRD,
	TEST_CONTROL,
	TEST_DISPLAY,
	TEST_BASE,
	TEST_OVERLAY,
	TEST_NET,
	TEST_AGENT,
	TEST_SPICE,
	TEST_TAP,
	TEST_SMALL,
	TEST_STATE,
	TEST_PAGES,
	TEST_TEMPLATE,
};

static void
test_place(int fd, int number)
{
	assert_true(fd >= 0);
	assert_int_equal(dup2(fd, number), number);
	close(fd);
}

/* An empty file; its second name is for reading only. */
static void
test_open_file(int number, int flags)
{
	CLEANUP_CLOSE int fd = memfd_create("test", MFD_CLOEXEC);
	char path[64];

	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	test_place(open(path, flags | O_CLOEXEC), number);
}

static void
test_open_listener(int number, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	/* an address of the kernel's choice */
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 1), 0);
	test_place(fd, number);
}

static int
test_open_all(void **state)
{
	(void)state;
	test_place(open("/dev/null", O_RDWR | O_CLOEXEC), TEST_KVM);
	test_place(open("/dev/zero", O_RDWR | O_CLOEXEC), TEST_TAP);
	test_open_file(TEST_MEMORY, O_RDWR);
	assert_int_equal(ftruncate(TEST_MEMORY, 64LL << 30), 0);
	test_place(open("/proc/self/fd/101", O_RDONLY | O_CLOEXEC), TEST_TEMPLATE);
	test_open_file(TEST_SMALL, O_RDWR);
	test_open_file(TEST_STATE, O_RDONLY);
	test_open_file(TEST_PAGES, O_RDONLY);
	test_open_file(TEST_KERNEL, O_RDONLY);
	test_open_file(TEST_INITRD, O_RDONLY);
	test_open_file(TEST_BASE, O_RDONLY);
	test_open_file(TEST_OVERLAY, O_RDWR);
	test_open_listener(TEST_CONTROL, SOCK_SEQPACKET);
	test_open_listener(TEST_DISPLAY, SOCK_SEQPACKET);
	test_open_listener(TEST_AGENT, SOCK_STREAM);
	test_open_listener(TEST_SPICE, SOCK_STREAM);
	test_place(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), TEST_NET);
	return 0;
}

static const char minimal[] =
	"{'version':1,'name':'d-1','machine':'carrel-1','cpus':1,'ram_mib':1,'cpu':'carrel-v1',"
	"'kvm_fd':100,'memory_fd':101,'boot':{'kernel_fd':102,'command_line':''},'control_fd':104,"
	"'control_uid':0,'sandbox':true}";

static const char whole[] =
	"{'version':1,'name':'d-1','machine':'carrel-1','cpus':2,'ram_mib':1024,'cpu':'carrel-v1',"
	"'kvm_fd':100,'memory_fd':101,'memory_private':false,"
	"'boot':{'kernel_fd':102,'initrd_fd':103,'command_line':'quiet console=ttyS0'},"
	"'genid':'00112233445566778899aabbccddeeff','control_fd':104,'control_uid':998,"
	"'display_fd':105,'scanouts':1,'width':1024,'height':768,'serial':true,"
	"'disks':[{'slot':'disk','serial':'root','base_fd':106,'overlay_fd':107},"
	"{'slot':'home','serial':'home'}],"
	"'net':{'mac':'52:54:00:12:ab:cd','kind':'stream','fd':108,'link':true},"
	"'ports':[{'name':'org.carrel.agent.0','listen_fd':109},"
	"{'name':'com.redhat.spice.0','listen_fd':110}],'sound':true,'sandbox':false}";

/* "text" with its first "from" replaced, and ' by ". */
static char *
test_replace(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *result = NULL;

	if (!at)
		fail_msg("%s is not in the description", from);
	assert_true(asprintf(&result, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) >
		    0);
	for (char *character = result; *character; character++)
		if (*character == '\'')
			*character = '"';
	return result;
}

static int
test_parse(const char *text, struct description *description, struct json_problem *problem)
{
	return description_parse(text, strlen(text), description, problem);
}

static void
test_description__reads_all_of_it(void **state)
{
	static const uint8_t genid[16] = { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
					   0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff };
	static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0xab, 0xcd };
	CLEANUP_FREE char *text = test_replace(whole, "", "");
	struct json_problem problem = { "" };
	struct description is = { 0 };

	(void)state;
	if (test_parse(text, &is, &problem) != 0)
		fail_msg("%s", problem.text);
	assert_string_equal(is.name, "d-1");
	assert_string_equal(is.machine, "carrel-1");
	assert_string_equal(is.cpu, "carrel-v1");
	assert_int_equal(is.cpus, 2);
	assert_int_equal(is.ram_bytes, UINT64_C(1) << 30);
	assert_int_equal(is.kvm_fd, TEST_KVM);
	assert_int_equal(is.memory_fd, TEST_MEMORY);
	assert_false(is.memory_private);
	assert_false(is.memory_random);
	assert_int_equal(is.kernel_fd, TEST_KERNEL);
	assert_int_equal(is.initrd_fd, TEST_INITRD);
	assert_string_equal(is.command_line, "quiet console=ttyS0");
	assert_true(is.has_genid);
	assert_memory_equal(is.genid, genid, sizeof(genid));
	assert_int_equal(is.control_fd, TEST_CONTROL);
	assert_int_equal(is.control_uid, 998);
	assert_int_equal(is.display_fd, TEST_DISPLAY);
	assert_int_equal(is.scanouts, 1);
	assert_int_equal(is.width, 1024);
	assert_int_equal(is.height, 768);
	assert_true(is.serial);
	assert_int_equal(is.n_disks, 2);
	assert_int_equal(is.disks[0].slot, DESCRIPTION_SLOT_DISK);
	assert_string_equal(is.disks[0].serial, "root");
	assert_int_equal(is.disks[0].base_fd, TEST_BASE);
	assert_int_equal(is.disks[0].overlay_fd, TEST_OVERLAY);
	assert_int_equal(is.disks[1].slot, DESCRIPTION_SLOT_HOME);
	assert_int_equal(is.disks[1].base_fd, -1);
	assert_int_equal(is.disks[1].overlay_fd, -1);
	assert_int_equal(is.net, DESCRIPTION_NET_STREAM);
	assert_memory_equal(is.mac, mac, sizeof(mac));
	assert_int_equal(is.net_fd, TEST_NET);
	assert_true(is.net_link);
	assert_int_equal(is.n_ports, 2);
	assert_string_equal(is.ports[1].name, "com.redhat.spice.0");
	assert_int_equal(is.ports[1].listen_fd, TEST_SPICE);
	assert_true(is.sound);
	assert_false(is.sandbox);
}

static void
test_description__has_defaults(void **state)
{
	CLEANUP_FREE char *text = test_replace(minimal, "", "");
	struct json_problem problem = { "" };
	struct description is = { 0 };

	(void)state;
	if (test_parse(text, &is, &problem) != 0)
		fail_msg("%s", problem.text);
	assert_false(is.memory_private);
	assert_int_equal(is.state_fd, -1);
	assert_int_equal(is.pages_fd, -1);
	assert_int_equal(is.pagemap_fd, -1);
	assert_int_equal(is.initrd_fd, -1);
	assert_string_equal(is.command_line, "");
	assert_false(is.has_genid);
	assert_int_equal(is.display_fd, -1);
	assert_int_equal(is.scanouts, 0);
	assert_false(is.serial);
	assert_int_equal(is.n_disks, 0);
	assert_int_equal(is.net, DESCRIPTION_NET_NONE);
	assert_int_equal(is.net_fd, -1);
	assert_int_equal(is.n_ports, 0);
	assert_false(is.sound);
	assert_true(is.sandbox);
}

static void
test_description__an_image_has_no_base(void **state)
{
	CLEANUP_FREE char *text =
		test_replace(whole, "'base_fd':106,'overlay_fd':107", "'image_fd':107");
	struct json_problem problem = { "" };
	struct description is = { 0 };

	(void)state;
	if (test_parse(text, &is, &problem) != 0)
		fail_msg("%s", problem.text);
	assert_int_equal(is.disks[0].base_fd, -1);
	assert_int_equal(is.disks[0].overlay_fd, TEST_OVERLAY);
}

/* A suspended fork goes on from three files, of which it writes none. */
static void
test_description__takes_a_suspended_fork(void **state)
{
	CLEANUP_FREE char *text = test_replace(
		minimal, "'memory_fd':101",
		"'memory_fd':115,'memory_private':true,'memory_random':true,'state_fd':113,'pages_fd':114");
	CLEANUP_FREE char *writable =
		test_replace(minimal, "'memory_fd':101",
			     "'memory_fd':115,'memory_private':true,'state_fd':113,'pages_fd':107");
	struct json_problem problem = { "" };
	struct description is = { 0 };

	(void)state;
	if (test_parse(text, &is, &problem) != 0)
		fail_msg("%s", problem.text);
	assert_true(is.memory_private);
	assert_true(is.memory_random);
	assert_int_equal(is.state_fd, TEST_STATE);
	assert_int_equal(is.pages_fd, TEST_PAGES);
	assert_int_equal(test_parse(writable, &is, &problem), -EINVAL);
	assert_non_null(strstr(problem.text, "'pages_fd': descriptor 107 must be a file, open for "
					     "reading only"));
}

/* In "whole", "from" becomes "to"; problem: a part of what is said, NULL: it is good. */
struct test_case {
	const char *from;
	const char *to;
	const char *problem;
};

static void
test_check_cases(const struct test_case *cases, size_t n_cases)
{
	for (size_t i = 0; i < n_cases; i++) {
		CLEANUP_FREE char *text = test_replace(whole, cases[i].from, cases[i].to);
		struct json_problem problem = { "" };
		struct description is = { .cpus = 77 };
		int error = test_parse(text, &is, &problem);

		if (!cases[i].problem && error)
			fail_msg("%s: %s", cases[i].to, problem.text);
		if (!cases[i].problem)
			continue;
		if (error != -EINVAL || !strstr(problem.text, cases[i].problem))
			fail_msg("%s: result %d, '%s', not '%s'", cases[i].to, error, problem.text,
				 cases[i].problem);
		assert_int_equal(is.cpus, 77);
	}
}

static void
test_description__checks_each_value(void **state)
{
	static const struct test_case table[] = {
		{ "{", "", "not valid JSON" },
		{ "'sandbox':false}", "'sandbox':false}x", "not valid JSON" },
		{ "'version':1", "'version':1,'version':1", "not valid JSON: duplicate" },
		{ "'version':1", "'version':2", "'version' in the description is out of range" },
		{ "'version':1,", "", "'version' is missing" },
		{ "'version':1", "'version':1,'cpuz':1", "unknown key 'cpuz' in the description" },
		{ "'d-1'", "'d 1'", "'name' may have" },
		{ "'d-1'", "''", "'name'" },
		{ "'carrel-1'", "'carrel-2'", "'machine' must be 'carrel-1'" },
		{ "'carrel-v1'", "'../v1'", "'cpu' may have" },
		{ "'cpus':2", "'cpus':0", "'cpus'" },
		{ "'cpus':2", "'cpus':64", NULL },
		{ "'cpus':2", "'cpus':65", "'cpus'" },
		{ "'ram_mib':1024", "'ram_mib':0", "'ram_mib'" },
		{ "'ram_mib':1024", "'ram_mib':65536", NULL },
		{ "'ram_mib':1024", "'ram_mib':65537", "'ram_mib'" },
		{ "'kvm_fd':100", "'kvm_fd':2", "'kvm_fd'" },
		{ "'kvm_fd':100", "'kvm_fd':4294967396", "'kvm_fd'" },
		{ "'control_uid':998", "'control_uid':4294967295", "'control_uid'" },
		{ "'genid':'00", "'genid':'0G", "'genid' must be" },
		{ "'genid':'00", "'genid':'0", "'genid' in the description is out of range" },
		{ "'boot':{", "'boot':{'x':1,", "unknown key 'x' in boot" },
		{ "'kernel_fd':102,", "", "'kernel_fd' is missing in boot" },
		{ "console", "\\u000aconsole", "'command_line' in boot has a control" },
		{ "console", "\\u0000console", "not valid JSON" },
		{ "'scanouts':1", "'scanouts':5", "'scanouts'" },
		{ "'width':1024", "'width':8193", "'width'" },
		{ "'height':768", "'height':63", "'height'" },
		{ "{'slot':'disk'", "{'slot':'floppy'", "'slot' must be" },
		{ "'root'", "'a serial of 21 bytes.'", "'serial' in a disk" },
		{ "'root'", "'ro\\tot'", "'serial' has a control" },
		{ "'serial':'root'", "'serial':'root','x':1", "unknown key 'x' in a disk" },
		{ "[{'slot'", "[1,{'slot'", "'disks' in the description is out of range" },
		{ "{'slot':'home','serial':'home'}", "1", "a disk must be a JSON object" },
		{ "52:54:00", "53:54:00", "'mac' in net" },
		{ "52:54:00:12:ab:cd", "00:00:00:00:00:00", "'mac' in net" },
		{ "52:54:00", "52-54-00", "'mac' in net" },
		{ "ab:cd", "AB:CD", "'mac' in net" },
		{ "ab:cd", "ab:cd:ef", "'mac' in net is out of range" },
		{ "'stream'", "'user'", "'kind' in net must be" },
		{ "'link':true", "'link':1", "'link' in net must be true or false" },
		{ "com.redhat.spice.0", "com\\u0009spice", "a port's 'name'" },
		{ ",'listen_fd':110", "", "'listen_fd' is missing in a port" },
		{ "com.redhat.spice.0", "", "'name' in a port" },
	};

	(void)state;
	test_check_cases(table, sizeof(table) / sizeof(table[0]));
}

static void
test_description__refuses_contradictions(void **state)
{
	static const struct test_case table[] = {
		{ "'display_fd':105,", "", "need 'display_fd'" },
		{ "'scanouts':1,", "", "'display_fd' needs" },
		{ "'height':768,", "", "'display_fd' needs" },
		{ "'display_fd':105,'scanouts':1,'width':1024,'height':768,", "", NULL },
		{ "'memory_private':false", "'pages_fd':114", "'pages_fd' needs 'state_fd'" },
		{ "'base_fd':106,", "", "'overlay_fd' needs 'base_fd'" },
		{ "'base_fd':106,'overlay_fd':107", "'base_fd':106", NULL },
		{ "'base_fd':106,'overlay_fd':107", "'image_fd':107", NULL },
		{ "'overlay_fd':107", "'image_fd':107", "'image_fd' has neither" },
		{ "'base_fd':106", "'image_fd':106", "'image_fd' has neither" },
		{ "'slot':'home'", "'slot':'disk'", "two disks in one slot" },
		{ "'serial':'home'", "'serial':'root'", "two disks of one 'serial'" },
		{ "com.redhat.spice.0", "org.carrel.agent.0", "two ports of one 'name'" },
		{ "'fd':108,'link':true", "'link':true", "'link' true needs 'fd'" },
		{ "'fd':108,'link':true", "'link':false", NULL },
		{ "'stream','fd':108,'link':true", "'tap'", "'tap' needs 'fd'" },
		{ "'stream','fd':108", "'tap','fd':111", NULL },
	};

	(void)state;
	test_check_cases(table, sizeof(table) / sizeof(table[0]));
}

static void
test_description__checks_each_descriptor(void **state)
{
	static const struct test_case table[] = {
		{ "'kvm_fd':100", "'kvm_fd':101", "descriptor 101 must be a device" },
		{ "'kvm_fd':100", "'kvm_fd':199", "'kvm_fd': descriptor 199 is not open" },
		{ "'memory_fd':101", "'memory_fd':100", "must be a file" },
		{ "'memory_fd':101", "'memory_fd':102", "reading and writing" },
		{ "'memory_private':false", "'memory_private':true", "for reading only" },
		{ "'memory_fd':101", "'memory_fd':112",
		  "'memory_fd': the file is smaller than 'ram_mib' says: 1073741824 bytes" },
		{ "'kernel_fd':102", "'kernel_fd':107", "for reading only" },
		{ "'initrd_fd':103", "'initrd_fd':102", "descriptor 102 is 'kernel_fd' already" },
		{ "'control_fd':104", "'control_fd':109", "for packets" },
		{ "'control_fd':104", "'control_fd':108", "listening unix socket" },
		{ "'display_fd':105", "'display_fd':104", "is 'control_fd' already" },
		{ "'base_fd':106", "'base_fd':101", "'base_fd' of root: descriptor 101 must be" },
		{ "'overlay_fd':107", "'overlay_fd':106", "'overlay_fd' of root" },
		{ "'overlay_fd':107", "'overlay_fd':101", "is 'memory_fd' already" },
		{ "'base_fd':106,'overlay_fd':107", "'image_fd':106", "'image_fd' of root" },
		{ "'fd':108", "'fd':109", "'fd' of net: descriptor 109 must be a unix stream" },
		{ "'fd':108", "'fd':111", "must be a unix stream" },
		{ "'listen_fd':110", "'listen_fd':108",
		  "'listen_fd' of com.redhat.spice.0: descriptor 108 must be a listening" },
		{ "'listen_fd':110", "'listen_fd':109", "is 'listen_fd' already" },
	};

	(void)state;
	test_check_cases(table, sizeof(table) / sizeof(table[0]));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_description__reads_all_of_it),
		cmocka_unit_test(test_description__has_defaults),
		cmocka_unit_test(test_description__an_image_has_no_base),
		cmocka_unit_test(test_description__takes_a_suspended_fork),
		cmocka_unit_test(test_description__checks_each_value),
		cmocka_unit_test(test_description__refuses_contradictions),
		cmocka_unit_test(test_description__checks_each_descriptor),
	};

	return cmocka_run_group_tests(tests, test_open_all, NULL);
}
