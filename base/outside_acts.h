/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outside_acts.h - what would reach out of a contained process, were it not for its namespaces, its root and its rights
 *
 * In a child of the process, which has a system call filter later: what only the filter forbids is none of these.
 */
#ifndef BASE_OUTSIDE_ACTS_H
#define BASE_OUTSIDE_ACTS_H

#define OUTSIDE_ACTS_MAX 62 /* their numbers */

/* Tries all acts; the number of the first one that is possible, from 1; 0 when none is. */
int outside_acts_find(void);
/* What that act does, to go on after "could"; NULL for an unknown number. */
const char *outside_acts_words(int act);

#endif
