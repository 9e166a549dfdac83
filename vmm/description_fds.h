/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * description_fds.h - are the descriptors that the description names what it says they are?
 */
#ifndef VMM_DESCRIPTION_FDS_H
#define VMM_DESCRIPTION_FDS_H

struct description;
struct json_problem;

/*
 * Each is open, of the right kind, opened for no more than is needed (a template's files never for
 * writing), and named once; the memory is as large as is said. 0, or -EINVAL and the problem.
 */
int description_check_fds(const struct description *description, struct json_problem *ret_problem);

#endif
