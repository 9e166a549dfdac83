/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake_vmm.h - a carrel-vmm's end of its control socket, which may do wrong, in the test's own main loop
 *
 * The process and the listening sockets are fake_qemu's, under the role of carrel-vmm.
 */
#ifndef TESTS_UNIT_FAKE_VMM_H
#define TESTS_UNIT_FAKE_VMM_H

#include "base/proto_vmm.h"
#include "common/seq_source.h"
#include "tests/unit/fake_qemu.h"

enum fake_vmm_fault {
	FAKE_VMM_WORKS,
	FAKE_VMM_OTHER_VERSION, /* in its status */
	FAKE_VMM_LOSES,		/* it ends without having written all of its disk */
	FAKE_VMM_REFUSES,	/* from here on: at the request "type" */
	FAKE_VMM_WRONG_SIZE,
	FAKE_VMM_WRONG_ID,
	FAKE_VMM_NONSENSE,   /* an event that does not exist */
	FAKE_VMM_DESCRIPTOR, /* in an answer, where none belongs */
	FAKE_VMM_DIES,
};

struct fake_vmm {
	struct fake_qemu *process;
	guint accepting;
	struct seq_source *peer; /* NULL: nobody is connected */
	enum fake_vmm_fault fault;
	enum vmm_type type; /* at which the fault shows */
	struct vmm_status status;
	guint asked[VMM_SEAL + 1]; /* by enum vmm_type */
	guint link_fds;		   /* that came with VMM_LINK */
};

/* What it writes into the file that comes with SEAL. */
#define FAKE_VMM_STATE "sealed"
/* And into the second one, of a machine that is suspended. */
#define FAKE_VMM_PAGES "pages"

/* Zeroed before. It answers who connects to the process' socket "vmm". */
void fake_vmm_init(struct fake_vmm *vmm, struct fake_qemu *process);
void fake_vmm_done(struct fake_vmm *vmm);

/* The connection alone is lost. */
void fake_vmm_hang_up(struct fake_vmm *vmm);

/* An event. */
void fake_vmm_tell(struct fake_vmm *vmm, guint32 kind, guint32 value, guint32 detail);

#endif
