# SPDX-License-Identifier: GPL-3.0-or-later
# vmm_fork_kill_driver.py - carrel-vmm on /dev/kvm is killed while it loads a machine, or saves one: vmm_fork_kill_driver.py TEST
#
# Where it is killed is no matter of luck. While it starts, its lines go through a pipe that holds one: when one is read, it
# waits with the next but one. While it saves, the kernel ends it with the first byte that it writes to any file behind the one
# that is named (RLIMIT_FSIZE), so that the files have all lengths that a kill can leave. That signal spares the init of a pid
# namespace, so who saves here has no namespaces.
import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../lib'))
import bare_machine  # noqa: E402
import contained  # noqa: E402
import vmm_fork  # noqa: E402
import vmm_link  # noqa: E402
import vmm_start  # noqa: E402

CPUS = 2
CANNOT_START = 1  # base/vmm_exit.h
ONE_LINE = 4096  # a pipe's least
LINES_BEHIND = 2  # that one may say which is killed: the pipe has one, another is being written
FIRST_STEP, LAST_STEP = 'program loaded', 'vCPUs let go'
STEP = 'step at '
STATE_HEAD_BYTES = 32  # vmm/state_file.h
PAGES_HEAD_BYTES = 80  # vmm/pages_file.h: it is written last


def get_step(line):
    """What the line says is done, if it is about a step."""
    return line.rsplit(': ', 1)[1] if STEP in line else None


def list_steps(machine):
    machine.start()
    machine.read_until(f': {LAST_STEP}')
    machine.process.kill()
    machine.read_until()
    steps = [step for step in map(get_step, machine.log) if step]
    if steps[:1] != [FIRST_STEP] or LAST_STEP not in steps or len(set(steps)) != len(steps):
        bare_machine.fail(f'these are not the steps of a start: {steps}')
    return steps


def start_line_by_line(machine):
    lines, output = os.pipe2(os.O_CLOEXEC | os.O_DIRECT)  # what is written at once is read at once
    fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, ONE_LINE)
    machine.process = vmm_start.start(bare_machine.VMM, machine, stdin=subprocess.DEVNULL, stdout=output,
                                      stderr=subprocess.STDOUT)
    os.close(output)
    machine.process.stdout = os.fdopen(lines, errors='replace')


def kill(machine):
    """Its lines are read when it can say no more; unshare(1), which started it, is not to say that it was killed."""
    pid = contained.find_pid(machine.process)
    machine.process.send_signal(signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    machine.process.kill()
    machine.process.wait()
    machine.read_until()
    machine.check(-signal.SIGKILL)


def kill_at_steps(make, expect_whole):
    """One that make() describes is killed at each step that it says."""
    os.environ['CARREL_DEBUG'] = '1'
    for step in list_steps(make('whole')):
        machine = make('killed')
        start_line_by_line(machine)
        machine.read_until(f': {step}')
        said = len(machine.log)
        kill(machine)
        if len(machine.log) > said + LINES_BEHIND:
            bare_machine.fail(f"it was not killed at '{step}'")
        expect_whole()
    del os.environ['CARREL_DEBUG']


def start_until(machine, line):
    machine.start()
    machine.read_until(line)


def test_start():
    """Of a template, and of a suspended machine: the files stay as they were, and the next one goes on."""
    template = vmm_fork.Template(cpus=CPUS, mode='suspended')
    hashes = template.get_hashes()
    kill_at_steps(template.fork, lambda: vmm_fork.expect_untouched(template, hashes))
    machine = template.fork()
    start_until(machine, 'note: is dirty')
    suspended = vmm_fork.Suspended(machine)
    files = [suspended.state, suspended.pages, suspended.overlay]
    saved = [vmm_fork.get_hash(fd) for fd in files]

    def expect_whole():
        if [vmm_fork.get_hash(fd) for fd in files] != saved:
            bare_machine.fail('what was suspended is not as it was')

    kill_at_steps(lambda name: template.resume(suspended, name), expect_whole)
    vmm_fork.expect_untouched(template, hashes)
    machine = template.resume(suspended)
    start_until(machine, 'starting -> running')
    vmm_link.Control(machine.control_path).ask(vmm_link.POWERDOWN)
    machine.read_until('note: is dirty')
    machine.stop()


# How a machine ends that is asked to save itself; the files are its state's and, of a fork, its pages'.

def send(control, fds):
    control.send(vmm_link.SEAL, fds=fds)


def end_before(machine, control, fds):
    """With the request unread."""
    machine.process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, machine.process.pid, os.WSTOPPED)
    send(control, fds)
    kill(machine)


def end_behind(size):
    """With the first byte of any file behind so many."""
    def end(machine, control, fds):
        resource.prlimit(machine.process.pid, resource.RLIMIT_CORE, (0, 0))
        resource.prlimit(machine.process.pid, resource.RLIMIT_FSIZE, (size, size))
        send(control, fds)
        machine.read_until()
        machine.check(-signal.SIGXFSZ)
    return end


def end_answered(machine, control, fds):
    """With the answer unread."""
    send(control, fds)
    head = control.socket.recv(vmm_link.HEAD.size, socket.MSG_PEEK)
    if vmm_link.HEAD.unpack(head)[::2] != (vmm_link.SEAL, 0):
        bare_machine.fail(f'a seal was answered with {head}')
    kill(machine)


def leave_namespaces(machine):
    machine.json['sandbox'] = False


class Sealed(vmm_fork.Template):
    """A machine that ends like this when it is to be sealed."""

    def __init__(self, end):
        self.end = end
        super().__init__('go', CPUS, change=leave_namespaces)

    def seal(self, machine):
        self.end(machine, self.control, [self.state])


class Suspended:
    """A fork that ends like this when it is to be suspended."""

    def __init__(self, template, end):
        machine = template.fork('suspended')
        self.genid = machine.json['genid']
        self.overlay = machine.overlay
        self.state, self.pages = os.memfd_create('state'), os.memfd_create('pages')
        start_until(machine, 'starting -> running')
        control = vmm_link.Control(machine.control_path)
        control.ask(vmm_link.PAUSE)
        end(machine, control, [self.state, self.pages])


def expect_size(what, fd, size):
    found = os.fstat(fd).st_size
    if found != size:
        bare_machine.fail(f'there are {found} bytes of its {what}, not {size}')


def expect_go(machine):
    machine.start()
    machine.read_until(': go')
    machine.stop()


def list_state_ends(state_bytes, first=0):
    """How it ends while it writes its state, how many bytes of that are there, and what the next one says."""
    for size in (first, state_bytes // 2, state_bytes - 1):
        problem = 'it is cut off' if size >= STATE_HEAD_BYTES else f"a file of {size} bytes is no machine's state"
        yield end_behind(size), size, problem


def test_seal():
    """A machine is killed while it is sealed: nobody goes on from what is not whole; when it is, each fork does."""
    template = Sealed(end_answered)
    state_bytes = os.fstat(template.state).st_size
    vmm_fork.let_go(template.memory)
    expect_go(template.fork())
    for end, size, problem in [(end_before, 0, "a file of 0 bytes is no machine's state"), *list_state_ends(state_bytes)]:
        killed = Sealed(end)
        expect_size('state', killed.state, size)
        vmm_fork.expect_refusal(killed.fork(), CANNOT_START, problem)


def test_suspend():
    """
    A fork is killed while it is suspended: nobody goes on from what is not whole, nor from whole pages with an unfinished
    state; the template stays as it was. The guest touches next to nothing, so its pages are fewer bytes than its state.
    """
    template = vmm_fork.Template('go', CPUS, change=leave_namespaces)
    hashes = template.get_hashes()
    whole = Suspended(template, end_answered)
    pages_bytes, state_bytes = (os.fstat(fd).st_size for fd in (whole.pages, whole.state))
    if pages_bytes > state_bytes // 2:
        bare_machine.fail(f'{pages_bytes} bytes of pages are too many beside {state_bytes} of state')
    no_state = "a file of 0 bytes is no machine's state"
    pages_ends = [(end_before, 0, 'its pages: the file is cut off'), (end_behind(0), 0, 'its pages: the file is cut off')]
    pages_ends += [(end_behind(size), size, 'its pages: the file has no pages of a machine')
                   for size in (PAGES_HEAD_BYTES + 1, pages_bytes - 1)]
    for end, size, problem in pages_ends:
        killed = Suspended(template, end)
        expect_size('pages', killed.pages, size)
        expect_size('state', killed.state, 0)
        vmm_fork.expect_refusal(template.resume(killed), CANNOT_START, no_state)
        killed.state = whole.state
        vmm_fork.expect_refusal(template.resume(killed), CANNOT_START, problem)
    for end, size, problem in list_state_ends(state_bytes, pages_bytes):
        killed = Suspended(template, end)
        expect_size('pages', killed.pages, pages_bytes)
        expect_size('state', killed.state, size)
        vmm_fork.expect_refusal(template.resume(killed), CANNOT_START, problem)
    vmm_fork.expect_untouched(template, hashes)
    vmm_fork.let_go(template.memory)
    expect_go(template.fork())
    expect_go(template.resume(whole))


bare_machine.run_test({name[5:]: function for name, function in globals().items() if name.startswith('test_')})
