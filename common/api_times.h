/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * api_times.h - how long the broker may take for an answer, for those who wait for it
 */
#ifndef COMMON_API_TIMES_H
#define COMMON_API_TIMES_H

/* A ticket of a desktop that is still on its way: it is forked, resumed, or its user is being logged in. */
#define API_TICKET_MAX_S 60

/* What a client gives it: the broker's own word that it takes too long says more than a client that hangs up. */
#define API_TICKET_PATIENCE_S (API_TICKET_MAX_S + 15)

#endif
