/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * doctor_templates.h - can this machine fork the template versions on its disk: the doctor's line about it
 */
#ifndef HOST_DOCTOR_TEMPLATES_H
#define HOST_DOCTOR_TEMPLATES_H

struct doctor_finding;
struct doctor_options;

/* The finding's advice says what becomes of the others, its value names the first of them and why. */
void doctor_templates_check(const struct doctor_options *options, struct doctor_finding *finding);

#endif
