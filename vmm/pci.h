/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pci.h - the PCIe root: configuration space through ports 0xcf8/0xcfc and ECAM, base addresses,
 * capabilities
 *
 * One bus, 32 devices, function 0 only, nothing is plugged in or out. Devices have 32-bit memory
 * BARs and MSI-X or MSI; no I/O BARs and no INTx. The root is a host bridge with Q35's id. PCI
 * Local Bus 3.0 chapter 6; PCI Express Base 3.0 section 7.2.2 (ECAM); where a BAR may be placed is
 * said to the guest in the DSDT (vmm/acpi.c).
 */
#ifndef VMM_PCI_H
#define VMM_PCI_H

#include <stdbool.h>
#include <stdint.h>

struct bus_ops;
struct pci_device;
struct pci_root;
struct platform;
struct state_reader;
struct state_writer;

#define PCI_MAX_DEVICES	 32
#define PCI_MAX_BARS	 6
#define PCI_CONFIG_BYTES 256 /* beyond it, up to 4096, ECAM reads zeros */
#define PCI_WINDOW_BASE	 UINT64_C(0xc0000000)
#define PCI_WINDOW_BYTES UINT64_C(0x20000000)
#define PCI_ECAM_BASE	 UINT64_C(0xe0000000)
#define PCI_ECAM_BYTES	 UINT64_C(0x100000) /* bus 0 */
#define PCI_MAX_VECTORS	 32

struct pci_identity {
	uint16_t vendor;
	uint16_t device;
	uint16_t subsystem_vendor;
	uint16_t subsystem;
	uint8_t revision;
	uint32_t class_code; /* 24 bits: base class, sub-class, interface */
};

/* What a device wants to hear; each may be NULL. */
struct pci_device_ops {
	/* The machine is being reset; configuration space is reset already. */
	void (*reset)(void *context);
	void (*free)(void *context);
	/* The machine goes on after a pause, or the guest lets the device master the bus. */
	void (*resume)(void *context);
	/* BAR "index" answers at this GPA from now on; 0: nowhere. For doorbells. */
	void (*move_bar)(void *context, uint32_t index, uint64_t gpa);
	/*
	 * What the guest can change and see beyond configuration space and MSI-X, in sections of
	 * its own. Saved while the machine is paused; loaded into a paused machine whose device was
	 * reset, once configuration space is loaded and the BARs are where it says.
	 */
	void (*save)(void *context, struct state_writer *writer);
	int (*load)(void *context, struct state_reader *reader);
};

/*
 * A part of configuration space behind which is more than bytes; each may be NULL. "offset": in
 * configuration space.
 */
struct pci_window {
	uint8_t offset;
	uint8_t bytes;
	/* Answers a read that begins in the window. */
	uint32_t (*read)(void *context, uint32_t offset, uint32_t bytes);
	/*
	 * Is told of a write that begins in the window; writable bits have the new value already.
	 */
	void (*write)(void *context, uint32_t offset, uint32_t bytes, uint32_t value);
};

int pci_root_new(struct platform *platform, struct pci_root **ret_root);
void pci_root_free(struct pci_root *root); /* and its devices */
/*
 * To be called once all devices are there, and at each reset. As after power-on: decoding off,
 * MSI(-X) off, devices reset. The BARs get the addresses that firmware would give them, since Linux
 * booted directly takes what it finds.
 */
void pci_root_reset(struct pci_root *root);
/* Tells all devices that the machine goes on after a pause. */
void pci_root_resume(struct pci_root *root);
/*
 * All of it with all devices (vmm/state_file.h), while the machine is paused; loading wants the
 * same devices in the same slots, after pci_root_reset(). 0 or the reader's error.
 */
void pci_root_save(struct pci_root *root, struct state_writer *writer);
int pci_root_load(struct pci_root *root, struct state_reader *reader);

/*
 * "slot": 1 to 31, -EEXIST when it is taken. The name is for logs and stays the caller's. The root
 * owns the device.
 */
int pci_device_new(struct pci_root *root, uint32_t slot, const char *name,
		   const struct pci_identity *identity, struct pci_device **ret_device);
/*
 * Takes it out again, with its own end (ops->free) when it has been given ops; for errors while it
 * is being built.
 */
void pci_device_free(struct pci_device *device);
/*
 * A 32-bit memory BAR: a power of two of at least 4096 bytes. It answers while the guest has it
 * inside the PCI window.
 */
int pci_device_add_bar(struct pci_device *device, uint32_t index, uint32_t bytes,
		       const struct bus_ops *ops, void *context);
/*
 * Appends to the list of capabilities; "bytes" with the two of its head. All of it is read-only. 0
 * or -ENOSPC.
 */
int pci_device_add_capability(struct pci_device *device, uint8_t id, uint32_t bytes,
			      uint8_t *ret_offset);
/*
 * The value after power-on, and now. Bits that are set in "writable" can be changed by the guest.
 */
void pci_device_set_config(struct pci_device *device, uint32_t offset, uint32_t bytes,
			   uint32_t value, uint32_t writable);
uint32_t pci_device_get_config(const struct pci_device *device, uint32_t offset, uint32_t bytes);
void pci_device_set_ops(struct pci_device *device, const struct pci_device_ops *ops, void *context);
/* One for each device; the struct stays the caller's. */
void pci_device_set_window(struct pci_device *device, const struct pci_window *window,
			   void *context);
bool pci_device_may_master(const struct pci_device *device); /* command register, bit 2 */

/* At most PCI_MAX_VECTORS. Table and pending bits live in BAR "index", which this adds. */
int pci_device_add_msix(struct pci_device *device, uint32_t index, uint32_t n_vectors);
int pci_device_add_msi(struct pci_device *device);
/*
 * Raises a vector (MSI: 0): sent, kept pending while masked, dropped while MSI(-X) or bus mastering
 * is off. pci_msix.c; PCI Local Bus 3.0 section 6.8.
 */
void pci_device_signal(struct pci_device *device, uint32_t vector);

#endif
