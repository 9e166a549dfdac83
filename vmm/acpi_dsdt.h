/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * acpi_dsdt.h - the contents of the DSDT: the devices that the guest cannot find by itself
 */
#ifndef VMM_ACPI_DSDT_H
#define VMM_ACPI_DSDT_H

struct acpi_options;
struct aml;

/* All that follows the table's header. */
void acpi_dsdt_write(struct aml *aml, const struct acpi_options *options);

#endif
