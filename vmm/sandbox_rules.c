/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox_rules.c - the system calls that each kind of carrel-vmm's threads may make (compile-filters)
 *
 * A vCPU's thread runs device code, too: all that the guest does by port and register, but not what
 * it does by doorbell. The loop's filter stays on while the machine is taken apart.
 */
#include "vmm/sandbox_rules.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define ANY(name, why)                          \
	{                                       \
		.call = (name), .reason = (why) \
	}
#define ONLY(name, number, wanted, why)                                                    \
	{                                                                                  \
		.call = (name), .reason = (why), .argument = (number), .mask = 0xffffffff, \
		.value = (wanted)                                                          \
	}
#define IOCTL(request, why) ONLY("ioctl", 1, (uint32_t)(request), why)
#define NO_EXEC(name, number, why)                                                        \
	{                                                                                 \
		.call = (name), .reason = (why), .argument = (number), .mask = PROT_EXEC, \
		.value = 0                                                                \
	}
#define OWN(name, why)                                               \
	{                                                            \
		.call = (name), .reason = (why), .own_process = true \
	}
#define SELDOM(name, why)                                       \
	{                                                       \
		.call = (name), .reason = (why), .seldom = true \
	}
#define SELDOM_ONLY(name, number, wanted, why)                                             \
	{                                                                                  \
		.call = (name), .reason = (why), .argument = (number), .mask = 0xffffffff, \
		.value = (wanted), .seldom = true                                          \
	}
#define SELDOM_NO_EXEC(name, number, why)                                                 \
	{                                                                                 \
		.call = (name), .reason = (why), .argument = (number), .mask = PROT_EXEC, \
		.value = 0, .seldom = true                                                \
	}

/* clang-format off */
const struct sandbox_rule sandbox_loop_rules[] = {
	ANY("epoll_wait", "the loop waits"),
	ANY("epoll_ctl", "sources come, go, and wait for room in a socket"),
	ANY("read", "eventfds, timerfds and the signalfd say what they have"),
	ANY("write", "wakes by eventfd; lines of the log"),
	ANY("getpid", "lines of the log, and pthread_kill(3)"),
	ANY("close", "connections, surfaces, and everything at the end"),
	ANY("futex", "locks, and waiting for vCPUs"),
	ANY("timerfd_settime", "timers"),
	OWN("tgkill", "gets a vCPU out of the guest"),
	ANY("rt_sigprocmask", "pthread_kill(3) blocks signals meanwhile"),

	ANY("accept4", "control and display connect"),
	ONLY("getsockopt", 2, SO_PEERCRED, "who connects"),
	ONLY("getsockopt", 2, SO_DOMAIN, "whether a LINK's new descriptor is a unix socket"),
	ONLY("getsockopt", 2, SO_TYPE, "for a stream"),
	ONLY("getsockopt", 2, SO_ACCEPTCONN, "and not a listening one"),
	ANY("recvmsg", "what control and display say"),
	ANY("sendmsg", "what they are told; frames and ports' bytes for the host"),
	ANY("recvfrom", "frames from passt's socket"),
	ANY("readv", "what comes to a port"),
	ANY("writev", "frames to a tap device"),
	ANY("getrandom", "random numbers for the guest"),
	ONLY("fcntl", 1, F_SETFL, "a LINK's new tap device must not block"),
	IOCTL(TUNGETIFF, "whether it is a tap device"),
	IOCTL(TUNSETVNETHDRSZ, "the header before its frames"),
	IOCTL(TUNSETOFFLOAD, "what the driver accepted, for its new tap device"),

	ANY("memfd_create", "a surface for carrel-display"),
	ANY("ftruncate", "its size, a screenshot's and a state's"),
	ONLY("fcntl", 1, F_ADD_SEALS, "it keeps that size"),
	NO_EXEC("mmap", 2, "surfaces and large pieces of memory"),
	ANY("munmap", "the same, when they go"),
	ANY("mremap", "realloc(3) of a large piece: a picture's list of pages"),
	ANY("brk", "small pieces of memory"),
	ANY("madvise", "a stack that is kept for the next thread; RAM that the guest gives back"),

	ANY("io_uring_enter", "disks"),
	ONLY("io_uring_register", 1, IORING_REGISTER_FILES_UPDATE, "a disk that is detached or freed"),
	SELDOM("clock_nanosleep", "disk_io_drain(), when the kernel has no memory for a request"),
	ANY("pread64", "a reset loads the kernel again; a home's overlay is read; a fork's own pages are found"),
	SELDOM_ONLY("preadv2", 5, RWF_NOWAIT, "a fork that idles compares what it has copied with its template's file, if that is on a disk"),
	ANY("lseek", "a home's size"),
	ONLY("fcntl", 1, F_GETFL, "whether a home may be written"),
	ONLY("fcntl", 1, F_DUPFD_CLOEXEC, "the lock of its file lives as long as the disk"),
	ONLY("fcntl", 1, F_OFD_SETLK, "one machine at a time may have that"),
	ANY("fallocate", "room for a home's new overlay, and whether its file system makes holes"),
	ANY("pwrite64", "a home's new overlay, a seal's state and pages"),
	ONLY("newfstatat", 3, AT_EMPTY_PATH, "fstat(2) of the kernel's file, and of a new descriptor"),

	IOCTL(KVM_IRQ_LINE, "interrupt lines"),
	IOCTL(KVM_SIGNAL_MSI, "message-signalled interrupts"),
	IOCTL(KVM_IOEVENTFD, "doorbells go with their devices"),
	IOCTL(KVM_SET_IRQCHIP, "reset of the interrupt controllers"),
	IOCTL(KVM_SET_PIT2, "reset of the timer"),
	IOCTL(KVM_SET_MP_STATE, "reset of a vCPU, and so on to KVM_SET_VCPU_EVENTS"),
	IOCTL(KVM_SET_REGS, "reset"),
	IOCTL(KVM_SET_SREGS, "reset"),
	IOCTL(KVM_GET_SREGS, "reset: the boot vCPU's segments; a seal"),
	IOCTL(KVM_SET_XSAVE, "reset"),
	IOCTL(KVM_SET_XCRS, "reset"),
	IOCTL(KVM_SET_DEBUGREGS, "reset"),
	IOCTL(KVM_SET_LAPIC, "reset"),
	IOCTL(KVM_SET_MSRS, "reset"),
	IOCTL(KVM_SET_VCPU_EVENTS, "reset"),

	IOCTL(KVM_GET_MP_STATE, "a seal, and so on to KVM_GET_PIT2"),
	IOCTL(KVM_GET_REGS, "a seal"),
	IOCTL(KVM_GET_XSAVE, "a seal"),
	IOCTL(KVM_GET_XCRS, "a seal"),
	IOCTL(KVM_GET_DEBUGREGS, "a seal"),
	IOCTL(KVM_GET_LAPIC, "a seal"),
	IOCTL(KVM_GET_MSRS, "a seal"),
	IOCTL(KVM_GET_VCPU_EVENTS, "a seal"),
	IOCTL(KVM_GET_TSC_KHZ, "a seal"),
	IOCTL(KVM_GET_IRQCHIP, "a seal"),
	IOCTL(KVM_GET_PIT2, "a seal"),

	IOCTL(KVM_GET_CLOCK, "a pause: KVM's clock stands"),
	IOCTL(KVM_SET_CLOCK, "and goes on"),

	SELDOM("clock_gettime", "where the vDSO cannot read the host's clock"),
	SELDOM("restart_syscall", "the host was suspended, or a debugger looked at it, in the middle of a timed wait"),
	ANY("exit_group", "the end"),
};

const struct sandbox_rule sandbox_vcpu_rules[] = {
	IOCTL(KVM_RUN, "the guest runs"),
	IOCTL(KVM_KVMCLOCK_CTRL, "the guest's watchdogs learn that it stood"),
	IOCTL(KVM_GET_REGS, "where the guest was when KVM itself could not go on"),
	IOCTL(KVM_IRQ_LINE, "interrupt lines"),
	IOCTL(KVM_SIGNAL_MSI, "an interrupt that waited until the guest unmasked it"),
	IOCTL(KVM_IOEVENTFD, "doorbells of a device that starts or is reset"),
	ANY("futex", "locks"),
	ANY("rt_sigreturn", "after the kick out of the guest"),
	ANY("rt_sigprocmask", "the thread ends"),
	ANY("madvise", "the thread ends: its stack is kept for the next"),
	ANY("exit", "the thread ends"),
	ANY("write", "wakes the loop; lines of the log"),
	ANY("getpid", "lines of the log"),
	ANY("timerfd_settime", "timers of the clock and the power management"),
	ANY("epoll_ctl", "a socket is full, or its peer is dropped"),
	ANY("sendmsg", "control and display are told what the guest has done"),
	ANY("close", "a surface goes, or a connection"),
	IOCTL(TUNSETOFFLOAD, "what the driver accepted, for the tap device"),
	ANY("munmap", "the surface goes"),
	SELDOM("brk", "memory, when what has been freed does not suffice"),
	SELDOM_NO_EXEC("mmap", 2, "the same, when that lies in brk(2)'s way"),
	SELDOM("io_uring_enter", "a disk is reset with requests in flight, which the kernel may have done before"),
	SELDOM("clock_nanosleep", "the same, when the kernel has no memory for a request"),
	SELDOM("clock_gettime", "where the vDSO cannot read the host's clock"),
};
/* clang-format on */

const size_t sandbox_n_loop_rules = sizeof(sandbox_loop_rules) / sizeof(sandbox_loop_rules[0]);
const size_t sandbox_n_vcpu_rules = sizeof(sandbox_vcpu_rules) / sizeof(sandbox_vcpu_rules[0]);
