/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pci_device.h - what a PCI device is inside: shared by pci.c, pci_device.c and pci_msix.c alone
 */
#ifndef VMM_PCI_DEVICE_H
#define VMM_PCI_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/pci.h"

/* One MSI-X table entry as the guest sees it: address low and high, data, control */
#define PCI_MSIX_WORDS 4

/* All that the guest can change and see; saved and restored. */
struct pci_device_state {
	uint8_t config[PCI_CONFIG_BYTES];
	uint32_t msix_table[PCI_MAX_VECTORS][PCI_MSIX_WORDS];
	uint32_t msix_pending; /* a bit a vector */
};

struct pci_bar {
	uint32_t bytes; /* 0: there is none */
	const struct bus_ops *ops;
	void *context;
	uint64_t gpa; /* where it answers; 0: nowhere */
};

struct pci_device {
	struct pci_root *root;
	struct platform *platform;
	uint32_t slot;
	const char *name;
	struct pci_device_state state;
	uint8_t initial[PCI_CONFIG_BYTES];  /* after power-on */
	uint8_t writable[PCI_CONFIG_BYTES]; /* by the guest, a bit a bit */
	struct pci_bar bars[PCI_MAX_BARS];
	uint8_t last_capability; /* 0: none yet */
	uint8_t next_capability; /* where the next one begins */
	uint8_t msix;		 /* its capability; 0: none */
	uint8_t msi;
	uint32_t n_vectors;
	const struct pci_device_ops *ops;
	void *context;
	const struct pci_window *window;
	void *window_context;
};

/* For the root. */
void pci_device_init(struct pci_device *device, struct platform *platform, uint32_t slot,
		     const char *name, const struct pci_identity *identity);
void pci_device_done(struct pci_device *device);
void pci_device_reset(struct pci_device *device);
void pci_device_resume(struct pci_device *device);
uint32_t pci_device_handle_read(struct pci_device *device, uint32_t offset, uint32_t bytes);
/* The root maps BARs after it. */
void pci_device_handle_write(struct pci_device *device, uint32_t offset, uint32_t bytes,
			     uint32_t value);
/*
 * Takes away the BARs that are no longer where the guest wants them, and puts them where they are
 * wanted.
 */
void pci_device_unmap_bars(struct pci_device *device);
void pci_device_map_bars(struct pci_device *device);
/* Does it answer? */
bool pci_device_has_bar(const struct pci_device *device, uint32_t index);
/*
 * 0 when it answers now, or did already; -ENOENT: the guest wants it nowhere; -EEXIST: another one
 * is there; another -errno.
 */
int pci_device_map_bar(struct pci_device *device, uint32_t index);

/*
 * pci_state.c: the section "pci NN", without the device's own. Those BARs are on the bus then that
 * were when it was saved.
 */
void pci_device_save(const struct pci_device *device, struct state_writer *writer);
int pci_device_load(struct pci_device *device, struct state_reader *reader);

void pci_msix_reset(struct pci_device *device);
/* The guest has written into configuration space: pending vectors may be free to go. */
void pci_msix_flush(struct pci_device *device);
/* Can the guest have made the entry so? */
bool pci_msix_can_be(const uint32_t entry[PCI_MSIX_WORDS]);

#endif
