# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_fork_driver.py - carrel-vmm on /dev/kvm: a sealed machine goes on in others: vmm_fork_driver.py TEST
import os
import resource
import struct
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../lib'))
import bare_machine  # noqa: E402
import contained  # noqa: E402
import proc_figures  # noqa: E402
import vmm_fork  # noqa: E402
import vmm_link  # noqa: E402
from vmm_fork import expect_refusal, expect_untouched  # noqa: E402

# vmm/state_file.h; base/vmm_exit.h
HEAD = struct.Struct('<QIIQII')
SECTION_BYTES = 44
PAGES_HEAD_BYTES = 80  # vmm/pages_file.h
CANNOT_START, FOREIGN = 1, 4

# tests/guests/guest_fork.c: what it writes to, and what it uses besides
DIRTY_PAGES = 1000
FEW_PAGES = 100
TICK_LIMIT_NS = 100_000_000  # of the guest's time
OLD_S = 3  # three times the step that its clocks may make

# tests/guests/guest_balloon.c: so many are given, and as many reported; the kernel counts a process' pages for each of its
# CPUs, and a few at a time
PAGE_BYTES = 4096
BALLOON_PAGES = 256
MISCOUNTED_PAGES = 128

FORKS = 20

# A storm, and what a fork takes of what this machine may limit: descriptors here, memory that io_uring locks, memory
TOGETHER, FEWEST = 32, 2
FORK_FDS = 16
FORK_LOCKED_BYTES = 16 << 10
FORK_KIB = 32 << 10


def find_note(machine, what):
    found = [line for line in machine.lines if line.startswith(f'note: {what} ')]
    if len(found) != 1:
        bare_machine.fail(f'it did not say its {what} once: {found}')
    return found[0]


def expect_different(machines):
    """No two have the same generation or the same random numbers."""
    for what in ('genid', 'random'):
        said = [find_note(machine, what) for machine in machines]
        if len(set(said)) != len(said):
            bare_machine.fail(f'two forks have the same {what}: {said}')


def check_genid(machine):
    """Its guest has just the one that it was given."""
    words = [int.from_bytes(bytes.fromhex(machine.json['genid'])[i:i + 8], 'little') for i in (0, 8)]
    machine.has('note: genid ' + ' '.join(f'{word:#x}' for word in words))


def list_sections(state):
    """Each one's name, where its head is, and how many bytes follow that."""
    at = HEAD.size
    while at < len(state):
        size = struct.unpack_from('<I', state, at + 36)[0]
        yield state[at:at + 32].rstrip(b'\0').decode(), at, size
        at += SECTION_BYTES + size


def find_section(state, name):
    """Where its head is, and how many bytes follow that."""
    return next((at, size) for found, at, size in list_sections(state) if found == name)


def read_sealed_ns(template):
    """KVM's clock when it was sealed, the last of its section: kvm_save()"""
    state = read_file(template.state)
    at, size = find_section(state, 'kvm')
    return struct.unpack_from('<Q', state, at + SECTION_BYTES + size - 8)[0]


def check_ticks(template, machine):
    """Soon after the seal by the guest's own clock, less what the host ran meanwhile instead of it, all its CPUs' timers tick."""
    sealed_ns = read_sealed_ns(template)
    for cpu in range(template.cpus):
        first_ns, stolen_ns = (int(word) for word in find_note(machine, f'tick-{cpu}').split()[2:])
        if not 0 <= first_ns - sealed_ns < TICK_LIMIT_NS + stolen_ns:
            bare_machine.fail(f'sealed at {sealed_ns} ns, CPU {cpu} has its first tick at {first_ns} ns, {stolen_ns} ns of them stolen')


def test_fork():
    """
    One after another, with one CPU and with two: each goes on, its timers soon, and none is like another. One begins so long after
    the seal that the guest would see it, were that time its own.
    """
    for cpus in (1, 2):
        template = vmm_fork.Template(cpus=cpus)
        hashes = template.get_hashes()
        machines = [template.fork(f'fork-{i}') for i in range(FORKS // 2)]
        for machine in machines:
            if machine is machines[-1]:
                vmm_fork.wait_until_old(template, OLD_S)
            machine.run()
            check_genid(machine)
            check_ticks(template, machine)
        expect_different(machines)
        expect_untouched(template, hashes)


def get_limit(what):
    limit = resource.getrlimit(what)[0]
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit


def count_fitting():
    """As many forks at once as a storm has, or as this machine's limits allow."""
    fitting = min(TOGETHER, get_limit(resource.RLIMIT_NOFILE) // FORK_FDS,
                  get_limit(resource.RLIMIT_MEMLOCK) // FORK_LOCKED_BYTES,
                  proc_figures.read('/proc/meminfo', 'MemAvailable') // FORK_KIB)
    if fitting < TOGETHER:
        print(f"this machine's limits (ulimit -n, ulimit -l, memory) allow {fitting} forks at once, not {TOGETHER}")
    if fitting < FEWEST:
        bare_machine.fail('that is no storm')
    return fitting


def start_storm(template, count):
    """They begin at once, and are all there when each has found itself as it should be."""
    machines = [template.fork(f'storm-{i}') for i in range(count)]
    for machine in machines:
        machine.start()
    for machine in machines:
        machine.read_until('note: rests')
        check_genid(machine)
    return machines


def end_storm(machines):
    """Each answers while all the others are there, too, and comes to its end."""
    controls = [vmm_link.Control(machine.control_path) for machine in machines]
    for control in controls:
        if control.status()['state'] != vmm_link.STATE_RUNNING:
            bare_machine.fail(f'a fork of {len(machines)} does not run: {control.status()}')
    for control in controls:
        control.ask(vmm_link.POWERDOWN)
    for machine in machines:
        machine.finish()


def test_fork_storm():
    """Many at once: each goes on and answers, none is like another, and none takes more memory than one does that is alone."""
    for cpus in (1, 2):
        template = vmm_fork.Template(cpus=cpus, mode='rests')
        hashes = template.get_hashes()
        alone = start_storm(template, 1)
        usual = count_own_pages(alone[0])
        end_storm(alone)
        machines = start_storm(template, count_fitting())
        own = [count_own_pages(machine) for machine in machines]
        if max(own) > usual + 2 * MISCOUNTED_PAGES:
            bare_machine.fail(f'forks have up to {max(own)} pages of their own, one alone has {usual}')
        expect_different(machines)
        end_storm(machines)
        expect_untouched(template, hashes)


def test_fork_again():
    """A machine that was sealed goes on itself, too; and what its fork becomes, a reset takes back to a boot."""
    template = vmm_fork.Template()
    machine = template.fork()
    machine.start()
    machine.read_until('ok: it is another generation')
    control = vmm_link.Control(machine.control_path)
    control.ask(vmm_link.RESET)
    machine.read_until('note: is settled')
    machine.stop()


def sign(state, at, size):
    """The checksum of the section there is right."""
    state[at + 40:at + 44] = bytes(4)
    struct.pack_into('<I', state, at + 40, zlib.crc32(state[at:at + SECTION_BYTES + size]))


def forge(fd, section, offset, data):
    """A copy of the state in which this is changed, all checksums right."""
    state = bytearray(read_file(fd))
    at, size = find_section(state, section)
    begin = at + SECTION_BYTES + (offset if offset >= 0 else size + offset)
    state[begin:begin + len(data)] = data
    sign(state, at, size)
    return write_file(state)


def make_later(state, section):
    """One whose section is of a later version."""
    later = bytearray(state)
    at, size = find_section(state, section)
    version = struct.unpack_from('<I', state, at + 32)[0]
    struct.pack_into('<I', later, at + 32, version + 1)
    sign(later, at, size)
    return later, FOREIGN, f"section '{section}': it is version {version + 1}, this carrel-vmm reads {version}"


def read_file(fd):
    return os.pread(fd, os.fstat(fd).st_size, 0)


def write_file(data):
    fd = os.memfd_create('state')
    os.write(fd, data)
    return fd


def make_short_states(state):
    """Cut off in the first section, in one that is long, in the last, and between two."""
    *_, (last, _, _) = list_sections(state)
    for name in ('machine', 'cpu 0', last):
        at, size = find_section(state, name)
        yield state[:at + SECTION_BYTES + size - 1], CANNOT_START, f"section '{name}': it is cut off"
    yield state[:find_section(state, 'cpu 0')[0]], CANNOT_START, "it is cut off behind section 'memory'"


def make_bad_states(template):
    """What is wrong with the state, carrel-vmm's exit status, and what it says."""
    state = read_file(template.state)
    yield from make_short_states(state)
    for name in ('machine', 'cpu 0', 'kvm', 'devices', 'rtc', 'virtio-blk 03'):
        yield make_later(state, name)
    later = bytearray(state)
    struct.pack_into('<I', later, 8, 2)
    damaged = bytearray(state)
    damaged[HEAD.size + SECTION_BYTES] ^= 1
    yield state + b'x', CANNOT_START, 'it goes on after its last section'
    yield b'', CANNOT_START, 'a file of 0 bytes is no machine'
    yield bytes(len(state)), CANNOT_START, "the file is no machine's state"
    yield damaged, CANNOT_START, "section 'machine': it is damaged"
    yield later, FOREIGN, 'its format is version 2, this carrel-vmm reads 1'


def make_forgeries():
    """The same for one section's bytes, from "offset" on."""
    yield 'machine', 0, b'carrel-9\0', FOREIGN, "section 'machine': it is of machine type 'carrel-9'"
    yield 'machine', 64, b'other\0', FOREIGN, "section 'machine': it is of processor model 'other'"
    yield 'machine', 128, b'\2', FOREIGN, "section 'machine': it has not the same number of processors"
    yield 'machine', 132, b'\2', FOREIGN, "section 'machine': it has not the same amount of memory"
    yield 'machine', 144, b'\xff\xff', CANNOT_START, "section 'machine': "
    yield 'machine', 156, b'\xff', FOREIGN, "section 'machine': this host's processor is another: CPUID 0"
    yield 'cpu 0', -12, b'\x78\x56\x34\x12', FOREIGN, "this host's KVM does not take MSR 0x12345678 of cpu 0"
    yield 'devices', 0, b'\7', FOREIGN, "section 'devices': it was saved with serial=7"
    yield 'acpi-pm', 0, b'\xff' * 8, CANNOT_START, "section 'acpi-pm': "


def refuse_seal(control, fds, problem):
    try:
        control.ask(vmm_link.SEAL, fds=fds)
    except OSError as error:
        if problem in str(error):
            return
        bare_machine.fail(f"a seal was refused with '{error}', not '{problem}'")
    bare_machine.fail('a seal was not refused')


def test_fork_refusals():
    """A state that is damaged, or not of this host, is refused by the name of the section; then a good one is taken."""
    template = vmm_fork.Template()
    for data, status, problem in make_bad_states(template):
        expect_refusal(template.fork(state=write_file(data)), status, problem)
    for section, offset, data, status, problem in make_forgeries():
        expect_refusal(template.fork(state=forge(template.state, section, offset, data)), status, problem)
    machine = template.fork()
    machine.json['memory_private'] = False
    expect_refusal(machine, CANNOT_START, "'state_fd' needs 'memory_private'")
    machine = template.fork()
    machine.start()
    machine.read_until('starting -> running')
    control = vmm_link.Control(machine.control_path)
    state = os.memfd_create('state')
    refuse_seal(control, [state], 'the machine is running')
    machine.finish()


def suspend(machine, told, crashes=False):
    """When it has said this, and with nothing said behind that."""
    machine.read_until(told)
    return vmm_fork.Suspended(machine, crashes)


def press_button(machine):
    machine.start()
    machine.read_until('starting -> running')
    vmm_link.Control(machine.control_path).ask(vmm_link.POWERDOWN)


def count_kept(suspended):
    """vmm/pages_file.h"""
    return struct.unpack_from('<Q', os.pread(suspended.pages, 32, 0), 24)[0]


def test_fork_suspend():
    """
    A fork is suspended, and what was resumed once more: memory, disk, clocks and timers go on, its identity stays. The second time
    it stays suspended for so long that the guest would see it, were that time its own. When it is saved the process may end in any
    way: nothing that was written to the disk is missing.
    """
    for cpus in (1, 2):
        template = vmm_fork.Template(cpus=cpus, mode='suspended')
        hashes = template.get_hashes()
        machine = template.fork()
        machine.start()
        for name in ('first', 'second'):
            suspended = suspend(machine, 'note: is dirty', crashes=name == 'second')
            kept = count_kept(suspended)
            if not DIRTY_PAGES <= kept <= DIRTY_PAGES + FEW_PAGES:
                bare_machine.fail(f'{kept} pages are kept, not {DIRTY_PAGES} and a few')
            if name == 'second':
                vmm_fork.wait_until_old(suspended, OLD_S)
            machine = template.resume(suspended, name)
            press_button(machine)
        machine.finish()
        expect_untouched(template, hashes)


def make_bad_pages(suspended, others):
    """What is wrong with the pages, carrel-vmm's exit status, and what it says; the state is right."""
    pages = read_file(suspended.pages)
    later = bytearray(pages)
    struct.pack_into('<I', later, 8, 2)
    damaged = bytearray(pages)
    damaged[PAGES_HEAD_BYTES] ^= 1
    yield pages[:-1], CANNOT_START, 'the file is not as long as it should be'
    yield b'', CANNOT_START, 'the file is cut off'
    yield bytes(len(pages)), CANNOT_START, 'the file has no pages of a machine'
    yield damaged, CANNOT_START, 'or one behind it is damaged'
    yield later, FOREIGN, "the file's format is version 2, this carrel-vmm reads 1"
    yield read_file(others[0].pages), CANNOT_START, 'they belong to another state'
    yield read_file(others[1].pages), CANNOT_START, 'they belong to another template'


def with_pages(machine, data):
    machine.json['pages_fd'] = machine.open(f'/proc/self/fd/{write_file(data)}')
    return machine


def start_dirty(template, name):
    machine = template.fork(name)
    machine.start()
    machine.read_until('note: is dirty')
    return machine


def refuse_files(template):
    """A fork is asked to go into wrong files, and then into good ones."""
    machine = start_dirty(template, 'wrong')
    control = vmm_link.Control(machine.control_path)
    state, pages = os.memfd_create('state'), os.memfd_create('pages')
    refuse_seal(control, [state, pages], 'the machine is running')
    control.ask(vmm_link.PAUSE)
    refuse_seal(control, [state], 'its state needs one file, its own pages another')
    refuse_seal(control, [state, os.dup(state)], 'its state and its pages cannot go into one file')
    refuse_seal(control, [state, machine.overlay], 'is one that it uses')
    refuse_seal(control, [template.memory, pages], 'is one that it uses')
    refuse_seal(control, [state, os.open('/dev/null', os.O_RDWR)], 'no file that is open for writing')
    refuse_seal(control, [state, os.open(f'/proc/self/fd/{pages}', os.O_RDONLY)], 'no file that is open for writing')
    control.ask(vmm_link.RESUME)
    return vmm_fork.Suspended(machine)


def test_fork_suspend_refusals():
    """Pages that are damaged, or not of this state and template, are refused; then the good ones are taken."""
    template = vmm_fork.Template(mode='suspended')
    other_template = vmm_fork.Template(mode='suspended')
    hashes = template.get_hashes()
    suspended = refuse_files(template)
    others = [vmm_fork.Suspended(start_dirty(of, 'other')) for of in (template, other_template)]
    for data, status, problem in make_bad_pages(suspended, others):
        expect_refusal(with_pages(template.resume(suspended), data), status, problem)
    for machine, problem in (
            (template.fork(state=suspended.state), 'it was saved with pages of its own, which are missing'),
            (other_template.resume(suspended), 'it was saved with another memory'),
            (with_pages(template.fork(), read_file(suspended.pages)), 'it was saved without pages of its own')):
        expect_refusal(machine, CANNOT_START, "section 'memory': " + problem)
    machine = template.resume(suspended)
    press_button(machine)
    suspend(machine, 'note: is dirty')
    expect_untouched(template, hashes)


def count_own_pages(machine):
    """Of memory that it shares with nobody, not even a file."""
    return proc_figures.read(f'/proc/{contained.find_pid(machine.process)}/status', 'RssAnon') * 1024 // PAGE_BYTES


def expect_fewer_pages(machine, before, fewer):
    now = count_own_pages(machine)
    if now > before - fewer + MISCOUNTED_PAGES:
        bare_machine.fail(f'of {before} pages of its own it has {now}, not {fewer} fewer')


def test_fork_balloon():
    """Pages that a fork has changed and then gives or reports are the host's again, and it has its template's in their place."""
    template = vmm_fork.Template(guest='balloon', mode='forked')
    hashes = template.get_hashes()
    machine = template.fork()
    machine.start()
    machine.read_until('starting -> running')
    control = vmm_link.Control(machine.control_path)
    control.set_balloon(PAGE_BYTES)
    machine.read_until('note: touched')
    before = count_own_pages(machine)
    control.set_balloon(BALLOON_PAGES * PAGE_BYTES)
    machine.read_until('note: given')
    expect_fewer_pages(machine, before, BALLOON_PAGES)
    control.set_balloon((BALLOON_PAGES + 1) * PAGE_BYTES)
    machine.read_until('note: reported')
    expect_fewer_pages(machine, before, 2 * BALLOON_PAGES)
    control.set_balloon(0)
    machine.finish()
    expect_untouched(template, hashes)


bare_machine.run_test({name[5:]: function for name, function in globals().items() if name.startswith('test_')})
