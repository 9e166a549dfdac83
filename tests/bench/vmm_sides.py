#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# vmm_sides.py - carrel-vmm and QEMU by turns, in the KVM host of the tests (nested-vmm.sh starts it there)
"""
vmm_sides.py init RUNS SETTINGS FOLDER      the smallest Linux guest: exec_to_init_ms
vmm_sides.py desktop RUNS SETTINGS FOLDER   debian-openbox: X, memory, idling, terminal, disk, network

SETTINGS is the JSON that nested-vmm.sh writes; what the guests write goes into FOLDER. Samples go to standard output, a
line each: "figure<TAB>unit<TAB>value", and for QEMU "<TAB>qemu" after it; what happens meanwhile goes to standard error.

Both get the same kernel, initrd, command line, disk and memory, and the same devices. The guest's console is where each
says that it has come so far: "init reached" (tests/guests/linux_init.c) or "bench: ..." (vmm_guest.sh).
"""
import json
import os
import re
import selectors
import shutil
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import kvm_counters  # noqa: E402
import vmm_start  # noqa: E402

CPUS, RAM_MIB = 2, 1024
GENERATION = "00112233445566778899aabbccddeeff"
GENERATION_GUID = "00112233-4455-6677-8899-aabbccddeeff"
WIDTH, HEIGHT = 1024, 768
IDLE_SETTLE_S, IDLE_S = 15, 30
LINE_S = 1200     # at most, between two lines that we wait for


def say(text):
    print(text, file=sys.stderr, flush=True)


class Side:
    """One running VMM; its lines with the time at which they came."""

    def __init__(self, settings, folder):
        self.settings = settings
        self.folder = os.path.join(folder, self.name)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.overlay = os.path.join(self.folder, "overlay")
        self.passt = None
        self.process = None
        self.rest = b""

    def start(self, initrd, command_line, disks=(), network=False):
        """disks: the golden image and the tools' disk, or none."""
        fd = self.start_passt() if network else -1
        if disks:
            self.make_overlay(disks[0])
        self.started = time.monotonic()
        self.process = self.start_process(initrd, command_line, disks, fd)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        if fd >= 0:
            os.close(fd)

    def start_passt(self):
        """As carrel-launch does; the VMM's end of the connection."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.passt = subprocess.Popen(["passt", "--foreground", "--quiet", "--fd", str(its.fileno()), "--mtu", "32000"],
                                      pass_fds=[its.fileno()], stdout=subprocess.DEVNULL)
        its.close()
        return ours.detach()

    def wait_for(self, pattern):
        """The match, and the ms since the start."""
        deadline = time.monotonic() + LINE_S
        while True:
            line, found, rest = self.rest.partition(b"\n")
            if found:
                self.rest = rest
                text = line.decode(errors="replace").rstrip()
                match = re.search(pattern, text)
                say(f"  {self.name} {self.ms():7.0f} {text}")
                if match:
                    return match, self.ms()
                continue
            if not self.selector.select(max(0, deadline - time.monotonic())):
                raise SystemExit(f"{self.name}: no '{pattern}' within {LINE_S} s")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise SystemExit(f"{self.name}: it ended without '{pattern}'")
            self.rest += data

    def ms(self):
        return (time.monotonic() - self.started) * 1000

    def stop(self):
        for process in (self.process, self.passt):
            if process:
                process.kill()
                process.wait()

    def private_kib(self):
        """Without the guest's memory, the one mapping that is so large."""
        kib = size = 0
        with open(f"/proc/{self.process.pid}/smaps", encoding="utf-8") as file:
            for line in file:
                name, value = line.split()[:2]
                if name == "Size:":
                    size = int(value)
                elif name in ("Private_Clean:", "Private_Dirty:", "Swap:") and size < RAM_MIB << 10:
                    kib += int(value)
        return kib

    def exits(self):
        return kvm_counters.read_counter(self.process.pid, "exits")


class Carrel(Side):
    name = "carrel"

    def make_overlay(self, disk):
        pass  # it makes its own

    def start_process(self, initrd, command_line, disks, network_fd):
        description = vmm_start.Description(cpus=CPUS, ram_mib=RAM_MIB)
        description.boot(self.settings["kernel"], initrd, command_line)
        description.sockets(self.folder, 1, WIDTH, HEIGHT)
        description.ports(self.folder)
        if disks:
            description.disk("disk", "root", disks[0], self.overlay)
            description.disk("home", "home", disks[1])
        description.net()
        if network_fd >= 0:
            description.json["net"].update(link=True, fd=description.add(os.dup(network_fd)))
        description.json["genid"] = GENERATION
        return vmm_start.start(self.settings["vmm"], description, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)


class Qemu(Side):
    name = "qemu"

    def make_overlay(self, disk):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", disk, self.overlay], check=True)

    def list_disks(self, disks):
        if not disks:
            return []
        return ["-object", "iothread,id=disk-thread",
                "-blockdev", f"driver=file,node-name=base,filename={disks[0]},read-only=on,locking=off,aio=io_uring",
                "-blockdev", f"driver=file,node-name=file,filename={self.overlay},discard=unmap,aio=io_uring",
                "-blockdev", "driver=qcow2,node-name=disk,file=file,backing=base,discard=unmap",
                "-device", f"virtio-blk-pci,drive=disk,num-queues={CPUS},iothread=disk-thread",
                "-blockdev", f"driver=file,node-name=tools,filename={disks[1]},read-only=on,locking=off",
                "-device", "virtio-blk-pci,drive=tools"]

    def list_ports(self):
        command = ["-device", "virtio-serial-pci,id=ports"]
        for port in ("org.carrel.agent.0", "com.redhat.spice.0"):
            command += ["-chardev", f"socket,id={port},path={os.path.join(self.folder, port)},server=on,wait=off",
                        "-device", f"virtserialport,bus=ports.0,chardev={port},name={port}"]
        return command

    def start_process(self, initrd, command_line, disks, network_fd):
        backend = f"stream,id=net,server=off,addr.type=fd,addr.str={network_fd}" if network_fd >= 0 else "hubport,id=net,hubid=0"
        command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio",
                   "-machine", "q35,vmport=off,smbus=off,sata=off,hpet=off,i8042=off", "-accel", "kvm",
                   "-cpu", "host", "-smp", str(CPUS), "-m", str(RAM_MIB),
                   "-kernel", self.settings["kernel"], "-initrd", initrd, "-append", command_line,
                   "-device", f"virtio-gpu-pci,edid=on,xres={WIDTH},yres={HEIGHT}",
                   "-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci",
                   "-object", "rng-builtin,id=entropy", "-device", "virtio-rng-pci,rng=entropy",
                   "-device", "virtio-balloon-pci,free-page-reporting=on", "-device", f"vmgenid,guid={GENERATION_GUID}",
                   *self.list_ports(), *self.list_disks(disks), "-netdev", backend,
                   "-device", "virtio-net-pci,netdev=net,romfile=,host_mtu=32000,mac=52:54:00:12:34:56"]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                pass_fds=[network_fd] if network_fd >= 0 else [])


def add(side, figure, unit, value):
    mark = "\tqemu" if side.name == "qemu" else ""
    print(f"{figure}\t{unit}\t{value:.3f}{mark}", flush=True)


def read_statistics():
    """All of KVM's counters, summed over the running guests."""
    counters = {}
    for name in os.listdir(kvm_counters.FOLDER):
        if os.path.isfile(os.path.join(kvm_counters.FOLDER, name)):
            with open(os.path.join(kvm_counters.FOLDER, name), encoding="utf-8") as file:
                counters[name] = int(file.read())
    return counters


def measure_init(side, settings):
    side.start(settings["small_initrd"], "console=ttyS0 quiet panic=-1 nowatchdog no_timer_check audit=0 end=stay")
    match, ms = side.wait_for(r"init reached: (\d+) ms")
    add(side, "exec_to_init_ms", "ms", ms)
    add(side, "boot_exits", "", side.exits())
    say(f"  {side.name} kernel={match.group(1)} " +
        " ".join(f"{name}={value}" for name, value in sorted(read_statistics().items()) if value > 100))


def measure_desktop(side, settings):
    side.start(settings["initrd"], settings["command_line"], (settings["disk"], settings["tools"]), network=True)
    _, ms = side.wait_for("bench: x answers")
    add(side, "exec_to_x_ms", "ms", ms)
    time.sleep(IDLE_SETTLE_S)
    exits = side.exits()
    time.sleep(IDLE_S)
    add(side, "idle_exits_per_second", "1/s", (side.exits() - exits) / IDLE_S)
    add(side, "vmm_private_mib", "MiB", side.private_kib() / 1024)
    side.wait_for("bench: idle ends")
    while True:
        match, _ = side.wait_for(r"bench: (?:(\w+) (\S+) ([0-9.e+]+)|(the end))$")
        if match.group(4):
            return
        add(side, match.group(1), match.group(2), float(match.group(3)))


def main(what, runs, settings_path, folder, *sides):
    with open(settings_path, encoding="utf-8") as file:
        settings = json.load(file)
    measure = {"init": measure_init, "desktop": measure_desktop}[what]
    for run in range(int(runs)):
        # each is first as often as the other
        for kind in (Carrel, Qemu) if run % 2 == 0 else (Qemu, Carrel):
            if sides and kind.name not in sides:
                continue
            side = kind(settings, folder)
            say(f"run {run + 1}: {what}, {side.name}")
            try:
                measure(side, settings)
            finally:
                side.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
