/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * linux_init.c - process 1 of the smallest Linux guest: says that it was reached and ends the machine
 *
 * One line on the console, "init reached: N ms, M CPUs", with the time that the guest's own clock has counted, and one with what
 * Linux has found of the machine: "machine: PRODUCT, generation id: yes" (SMBIOS, VMGENID). Then what the kernel's command
 * line says with `end=`: poweroff (when it says nothing), reboot, panic, or stay.
 */
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

#define CMDLINE_MAX 4096

/* The value of `end=`, "" without one */
static void
init_read_end(char *ret_end, size_t size)
{
	char line[CMDLINE_MAX] = "";
	const char *found;
	FILE *file;

	ret_end[0] = '\0';
	if (mount("proc", "/proc", "proc", 0, NULL) < 0)
		return;
	file = fopen("/proc/cmdline", "re");
	if (!file)
		return;
	found = fgets(line, sizeof(line), file) ? strstr(line, "end=") : NULL;
	fclose(file);
	if (found)
		snprintf(ret_end, size, "%.*s", (int)strcspn(found + 4, " \n"), found + 4);
}

static void
init_tell_machine(void)
{
	char product[64] = "none\n";
	glob_t found;
	FILE *file;

	mkdir("/sys", 0755);
	if (mount("sysfs", "/sys", "sysfs", 0, NULL) < 0)
		return;
	file = fopen("/sys/class/dmi/id/product_name", "re");
	if (file) {
		if (!fgets(product, sizeof(product), file))
			product[0] = '\0';
		fclose(file);
	}
	/* a device below the driver is one that it has taken */
	printf("machine: %.*s, generation id: %s\n", (int)strcspn(product, "\n"), product,
	       glob("/sys/bus/acpi/drivers/vmgenid/*:*", 0, NULL, &found) == 0 ? "yes" : "no");
}

int
main(void)
{
	struct timespec now;
	char end[16];

	clock_gettime(CLOCK_BOOTTIME, &now);
	printf("init reached: %ld ms, %d CPUs\n", now.tv_sec * 1000 + now.tv_nsec / 1000000,
	       get_nprocs());
	init_tell_machine();
	fflush(stdout);
	init_read_end(end, sizeof(end));
	if (strcmp(end, "panic") == 0)
		return 1; /* the kernel panics when process 1 ends */
	if (strcmp(end, "stay") != 0)
		reboot(strcmp(end, "reboot") == 0 ? RB_AUTOBOOT : RB_POWER_OFF);
	for (;;)
		pause();
}
