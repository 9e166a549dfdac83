/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * memory_map.h - what lies where in the guest's first MiB and below 4 GiB: part of the machine, so
 * never changed
 *
 *   0x000500  GDT of the first vCPU             vmm/boot.c, free for the guest once it has left it
 *   0x006000  PVH start info, module list, memory map
 *   0x007000  zero page (struct boot_params)
 *   0x009000  page tables that map the first 4 GiB one to one (6 pages)
 *   0x020000  command line
 *   0x09fc00  RAM ends here for the guest
 *   0x0e0000  RSDP (vmm/acpi.c); reserved from here to 1 MiB, never the guest's to use
 *   0x0e1000  the other ACPI tables
 *   0x0ef000  VM generation id's page
 *   0x0ef800  the memory's name, from its first seal on (vmm/machine_memory.c); nothing for the guest
 *   0x0f0000  SMBIOS entry point, then its tables
 *   0x100000  RAM goes on; the kernel at 16 MiB or where it wants to be, the initrd at the
 *             end of the RAM below 3 GiB
 *   0xc0000000 PCI windows, ECAM (pci.h), IOAPIC at 0xfec00000, local APICs at 0xfee00000, KVM's
 *             own pages
 */
#ifndef VMM_MEMORY_MAP_H
#define VMM_MEMORY_MAP_H

#include <stdint.h>

#define MEMORY_MAP_GDT		 UINT64_C(0x500)
#define MEMORY_MAP_PVH		 UINT64_C(0x6000)
#define MEMORY_MAP_ZERO_PAGE	 UINT64_C(0x7000)
#define MEMORY_MAP_PAGE_TABLES	 UINT64_C(0x9000)
#define MEMORY_MAP_COMMAND_LINE	 UINT64_C(0x20000)
#define MEMORY_MAP_LOW_END	 UINT64_C(0x9fc00)
#define MEMORY_MAP_RESERVED	 UINT64_C(0xe0000)
#define MEMORY_MAP_RSDP		 UINT64_C(0xe0000)
#define MEMORY_MAP_ACPI		 UINT64_C(0xe1000)
#define MEMORY_MAP_ACPI_BYTES	 UINT64_C(0xe000)
#define MEMORY_MAP_GENID	 UINT64_C(0xef000)
#define MEMORY_MAP_GENID_BYTES	 UINT64_C(0x1000)
#define MEMORY_MAP_TEMPLATE_ID	 UINT64_C(0xef800)
#define MEMORY_MAP_SMBIOS	 UINT64_C(0xf0000)
#define MEMORY_MAP_SMBIOS_BYTES	 UINT64_C(0x10000)
#define MEMORY_MAP_RESERVED_END	 UINT64_C(0x100000)
#define MEMORY_MAP_HIGH_RAM	 UINT64_C(0x100000) /* the kernel and the initrd are at or above */
#define MEMORY_MAP_IOAPIC	 UINT64_C(0xfec00000)
#define MEMORY_MAP_LOCAL_APIC	 UINT64_C(0xfee00000)
#define MEMORY_MAP_IDENTITY_PAGE UINT64_C(0xfffbc000) /* KVM_SET_IDENTITY_MAP_ADDR: one page */
#define MEMORY_MAP_TSS		 UINT64_C(0xfffbd000) /* KVM_SET_TSS_ADDR: three pages */

#endif
