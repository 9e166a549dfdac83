/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vmm_exit.h - what carrel-vmm's exit status says; its log says more
 */
#ifndef BASE_VMM_EXIT_H
#define BASE_VMM_EXIT_H

enum vmm_exit {
	VMM_EXIT_DONE,	       /* the machine was switched off, or asked to quit */
	VMM_EXIT_CANNOT_START, /* the description is wrong, or the host lacks something */
	VMM_EXIT_USAGE,
	VMM_EXIT_FAILED, /* the machine could not go on */
	VMM_EXIT_FOREIGN, /* nothing is wrong with the state, but this host cannot go on from there */
};

#endif
