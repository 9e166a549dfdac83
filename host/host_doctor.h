/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * host_doctor.h - doctor.h of this host, by its settings, looked at now and then
 */
#ifndef HOST_HOST_DOCTOR_H
#define HOST_HOST_DOCTOR_H

#include "base/json.h"

struct host_doctor;
struct settings;

/* As doctor_examine() gives it; needs no other service. lib: whose free space counts. A new reference. */
json_t *host_doctor_examine(const char *lib, const struct settings *settings);

/*
 * The same at once and every minute; an engine that makes no desktop here is logged at once. Path and settings belong to
 * the caller and live as long as this.
 */
struct host_doctor *host_doctor_new(const char *lib, const struct settings *settings);
void host_doctor_free(struct host_doctor *doctor);

/* At the last look; borrowed until the next. */
json_t *host_doctor_get(const struct host_doctor *doctor);

/* engine_list_choose() by the setting and the last look. */
const char *host_doctor_choose_engine(const struct host_doctor *doctor);

#endif
