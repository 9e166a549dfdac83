/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hda_layout.h - registers of an HD Audio controller
 *
 * High Definition Audio Specification 1.0a, section 3.3. Streams to record come before those to
 * play.
 */
#ifndef VMM_HDA_LAYOUT_H
#define VMM_HDA_LAYOUT_H

#define HDA_STREAMS	   2 /* 0 records, 1 plays: enum sound_direction */
#define HDA_REGISTER_BYTES (HDA_STREAM + HDA_STREAM_BYTES * HDA_STREAMS)
#define HDA_RING_ENTRIES   256 /* of CORB and RIRB */
#define HDA_MAX_BUFFERS	   256 /* of a stream's list */
#define HDA_WALL_CLOCK_MHZ 24

enum hda_register {
	HDA_GCAP = 0x00,
	HDA_VMIN = 0x02,
	HDA_VMAJ = 0x03,
	HDA_OUTPAY = 0x04,
	HDA_INPAY = 0x06,
	HDA_GCTL = 0x08,
	HDA_WAKEEN = 0x0c,
	HDA_STATESTS = 0x0e,
	HDA_OUTSTRMPAY = 0x18,
	HDA_INSTRMPAY = 0x1a,
	HDA_INTCTL = 0x20,
	HDA_INTSTS = 0x24,
	HDA_WALCLK = 0x30,
	HDA_SSYNC_ICH6 = 0x34, /* where the ICH6 has it */
	HDA_SSYNC = 0x38,
	HDA_CORBLBASE = 0x40,
	HDA_CORBUBASE = 0x44,
	HDA_CORBWP = 0x48,
	HDA_CORBRP = 0x4a,
	HDA_CORBCTL = 0x4c,
	HDA_CORBSTS = 0x4d,
	HDA_CORBSIZE = 0x4e,
	HDA_RIRBLBASE = 0x50,
	HDA_RIRBUBASE = 0x54,
	HDA_RIRBWP = 0x58,
	HDA_RINTCNT = 0x5a,
	HDA_RIRBCTL = 0x5c,
	HDA_RIRBSTS = 0x5d,
	HDA_RIRBSIZE = 0x5e,
	HDA_ICOI = 0x60,
	HDA_IRII = 0x64,
	HDA_ICS = 0x68,
	HDA_DPLBASE = 0x70,
	HDA_DPUBASE = 0x74,
	HDA_STREAM = 0x80, /* the first stream's */
};

/* From a stream's first register. */
enum hda_stream_register {
	HDA_SD_CTL = 0x00,
	HDA_SD_STS = 0x03,
	HDA_SD_LPIB = 0x04,
	HDA_SD_CBL = 0x08,
	HDA_SD_LVI = 0x0c,
	HDA_SD_FIFOS = 0x10,
	HDA_SD_FMT = 0x12,
	HDA_SD_BDPL = 0x18,
	HDA_SD_BDPU = 0x1c,
	HDA_STREAM_BYTES = 0x20,
};

#define HDA_GCTL_RUNS	      0x00000001u /* 0: the controller is held in reset */
#define HDA_GCTL_UNSOLICITED  0x00000100u
#define HDA_INT_CONTROLLER    0x40000000u
#define HDA_INT_GLOBAL	      0x80000000u
#define HDA_INT_STREAMS	      ((1u << HDA_STREAMS) - 1)
#define HDA_POINTER_RESET     0x8000u /* of CORBRP and RIRBWP */
#define HDA_CORBCTL_ERROR     0x01u   /* interrupt enable; the same bit in CORBSTS */
#define HDA_CORBCTL_RUN	      0x02u
#define HDA_RIRBCTL_RESPONSE  0x01u /* interrupt enable; the same bit in RIRBSTS */
#define HDA_RIRBCTL_RUN	      0x02u
#define HDA_RIRBCTL_OVERRUN   0x04u /* as with responses */
#define HDA_SIZE_256	      0x42u /* 256 entries, and no other size */
#define HDA_ICS_BUSY	      0x01u
#define HDA_ICS_VALID	      0x02u
#define HDA_DPLBASE_ENABLE    0x01u
#define HDA_SD_CTL_RESET      0x01u
#define HDA_SD_CTL_RUN	      0x02u
#define HDA_SD_CTL_TAG_SHIFT  20
#define HDA_SD_COMPLETE	      0x04u /* in STS; in CTL: interrupt enable */
#define HDA_SD_ERROR	      0x10u /* the list of buffers is bad; the same */
#define HDA_SD_INTERRUPTS     0x1cu
#define HDA_SD_STS_READY      0x20u
#define HDA_BUFFER_INTERRUPTS 0x01u /* in a buffer's flags */

/* Formats, of streams and converters: section 3.7.1 */
#define HDA_FORMAT_48000 0x0011u /* 16 bit, 2 channels */

#endif
