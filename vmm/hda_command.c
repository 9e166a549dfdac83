/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hda_command.c - commands to the codec: the rings CORB and RIRB, and one at a time (carrel-vmm,
 * under the machine's lock)
 *
 * How it works: a command is answered as soon as it is sent, so a ring is empty when
 * hda_command_run() returns, and there is one interrupt for all the answers of one run ("an empty
 * slot", section 3.3.25). A ring that is not in RAM is switched off.
 */
#include "vmm/hda_device.h"

#define CORB_ENTRY_BYTES sizeof(uint32_t)

struct hda_response {
	uint32_t answer;
	uint32_t address; /* bits 0 to 3: of the codec */
};

static bool
hda_command_is_running(const struct hda *hda)
{
	return hda_get(hda, HDA_CORBCTL, 1) & HDA_CORBCTL_RUN &&
	       !(hda_get(hda, HDA_CORBRP, 2) & HDA_POINTER_RESET);
}

static bool
hda_command_fetch(struct hda *hda, uint32_t *ret_command)
{
	uint32_t place = (hda_get(hda, HDA_CORBRP, 2) + 1) % HDA_RING_ENTRIES;

	if (hda_fetch(hda, hda_get_address(hda, HDA_CORBLBASE) + place * CORB_ENTRY_BYTES,
		      ret_command, sizeof(*ret_command)) < 0) {
		hda_set(hda, HDA_CORBCTL, 1, hda_get(hda, HDA_CORBCTL, 1) & ~HDA_CORBCTL_RUN);
		hda_set(hda, HDA_CORBSTS, 1, HDA_CORBCTL_ERROR);
		hda_complain(hda, "commands are not in its memory");
		return false;
	}
	hda_set(hda, HDA_CORBRP, 2, place);
	return true;
}

static void
hda_command_respond(struct hda *hda, uint32_t answer)
{
	struct hda_response response = { .answer = answer, .address = HDA_CODEC_ADDRESS };
	uint32_t place = (hda_get(hda, HDA_RIRBWP, 2) + 1) % HDA_RING_ENTRIES;
	uint32_t control = hda_get(hda, HDA_RIRBCTL, 1);
	uint32_t status = hda_get(hda, HDA_RIRBSTS, 1);

	if (!(control & HDA_RIRBCTL_RUN))
		return;
	if (hda_store(hda, hda_get_address(hda, HDA_RIRBLBASE) + place * sizeof(response),
		      &response, sizeof(response)) < 0) {
		hda_set(hda, HDA_RIRBCTL, 1, control & ~HDA_RIRBCTL_RUN);
		hda_set(hda, HDA_RIRBSTS, 1, status | HDA_RIRBCTL_OVERRUN);
		hda_complain(hda, "room for answers is not in its memory");
		return;
	}
	hda_set(hda, HDA_RIRBWP, 2, place);
	hda_set(hda, HDA_RIRBSTS, 1, status | HDA_RIRBCTL_RESPONSE);
}

void
hda_command_run(struct hda *hda)
{
	uint32_t command, answer;

	while (hda_command_is_running(hda) &&
	       hda_get(hda, HDA_CORBRP, 2) != hda_get(hda, HDA_CORBWP, 2)) {
		if (hda_command_fetch(hda, &command) &&
		    hda_codec_answer(&hda->state.codec, command, &answer))
			hda_command_respond(hda, answer);
	}
}

/* Section 3.4.3. A codec that is not there leaves the answer invalid. */
void
hda_command_run_now(struct hda *hda)
{
	uint32_t answer;

	if (!(hda_get(hda, HDA_ICS, 2) & HDA_ICS_BUSY))
		return;
	if (hda_codec_answer(&hda->state.codec, hda_get(hda, HDA_ICOI, 4), &answer)) {
		hda_set(hda, HDA_IRII, 4, answer);
		hda_set(hda, HDA_ICS, 2, HDA_ICS_VALID);
	} else {
		hda_set(hda, HDA_ICS, 2, 0);
	}
}
