/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hda.h - the sound card: an Intel HD Audio controller with one codec, one stream to play and one
 * to record
 *
 * High Definition Audio Specification 1.0a. On PCI it is what the ICH6 has (8086:2668), which Linux
 * and Windows take without a driver of ours.
 */
#ifndef VMM_HDA_H
#define VMM_HDA_H

struct hda;
struct pci_root;
struct platform;
struct sound_sink;

/*
 * In SLOT_SOUND; it is the root's. The sink stays the caller's and outlives it; NULL: nobody
 * listens. 0 or -errno.
 */
int hda_new(struct platform *platform, struct pci_root *root, const struct sound_sink *sink,
	    struct hda **ret_hda);

/* The vCPUs stand: streams do too, and go on from where they were. */
void hda_pause(struct hda *hda);
void hda_resume(struct hda *hda);

#endif
