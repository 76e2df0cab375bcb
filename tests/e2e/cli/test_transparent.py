#!/usr/bin/python3
"""A program under record is as alone: it sees each signal once, stops and continues, has no child that it did not make, keeps what exec keeps, and
nobody but itself holds its pipes open. As process 1, record takes in the children of others. No times are asserted; waits have an end."""
import ctypes
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from cli import Skip, Terminal, expect, main, state, until
from test_record import Model, record

PROBE = str(Path(__file__).resolve().parent / "signal_probe.py")
PYTHON = "/usr/bin/python3"
MARKER = 63  # a real-time signal; those that came before are taken before it
libc = ctypes.CDLL(None, use_errno=True)
libc.sigqueue.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]


class Probe:
    """signal_probe.py under record, or alone, in a process group of its own."""

    def __init__(self, bench, *how, alone=False):
        words = [PYTHON, PROBE, *how] if alone else [bench.pprofctl, "record", "--quiet", "-o", "probe.db", "--", PYTHON, PROBE, *how]
        self.process = subprocess.Popen(words, cwd=bench.scratch, env=bench.environment, stdout=subprocess.PIPE, process_group=0)
        self.pid = self.process.pid
        ready = self.process.stdout.readline().split()
        expect(ready[:1] == [b"ready"], f"the probe did not start: {ready}")
        self.program, self.parent, self.group, self.children = map(int, ready[1:])
        self.marks = 0

    def seen(self):
        """What came since the last call. The marker goes through record, so whatever record had to pass on has come before it."""
        self.marks += 1
        expect(libc.sigqueue(self.pid, MARKER, self.marks) == 0, "sigqueue")
        lines = []
        while True:
            line = self.process.stdout.readline()
            expect(line, f"the program has ended: {lines}")
            if line == b"beat\n":
                continue
            number, code, _, value = map(int, line.split())
            if number == MARKER:
                expect((code, value) == (-1, self.marks), f"the queued signal lost its value: {line}")
                return lines
            lines.append(number)

    def beats(self):
        """Whether it runs: two new beats."""
        os.set_blocking(self.process.stdout.fileno(), False)
        try:
            while self.process.stdout.read(4096):
                pass
            until(lambda: b"beat" in (self.process.stdout.read(4096) or b""), "the program goes on")
            until(lambda: b"beat" in (self.process.stdout.read(4096) or b""), "the program goes on")
        finally:
            os.set_blocking(self.process.stdout.fileno(), True)

    def both(self, wanted):
        return all((state(pid) == "T") == (wanted == "T") for pid in {self.pid, self.program})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in {self.program, self.pid}:
            if state(pid) not in ("gone", "Z"):
                os.kill(pid, signal.SIGKILL)
        self.process.stdout.close()
        self.process.wait(30)


EVERY = [n for n in range(1, 65) if n not in (signal.SIGKILL, signal.SIGSTOP, 32, 33, MARKER, signal.SIGRTMAX)]


def each_signal_comes_once(bench):
    """By process id, to the group, to the group as an ordinary user's script does it again and again: as alone, each once."""
    for alone in (True, False):
        with Probe(bench, alone=alone) as probe:
            for send in (lambda n: os.kill(probe.pid, n), lambda n: os.killpg(probe.group, n)):
                for number in EVERY:
                    send(number)
                    seen = probe.seen()
                    expect(seen == [number], f"signal {number}: came as {seen}, alone={alone}")
            for i in range(40):
                for number in (signal.SIGTERM, signal.SIGINT):
                    os.killpg(probe.group, number)
                    seen = probe.seen()
                    expect(seen == [number], f"to the group, the {i}th time: {seen}, alone={alone}")
                os.kill(probe.pid, signal.SIGTERM)
                expect(probe.seen() == [signal.SIGTERM], "to the process alone, between those to the group")


def one_by_one(bench):
    """A service manager signals every process of a service by itself: still once."""
    with Probe(bench) as probe:
        members = [int(p) for p in os.listdir("/proc") if p.isdigit() and parent_of(int(p)) == probe.pid] + [probe.pid]
        expect(probe.program in members and len(members) >= 3, f"record's family: {members}")
        for order in (sorted(members), sorted(members, reverse=True)):
            for pid in order:
                os.kill(pid, signal.SIGTERM)
            expect(probe.seen() == [signal.SIGTERM], f"in the order {order}")


def helpers_of(probe):
    return [int(p) for p in os.listdir("/proc") if p.isdigit() and parent_of(int(p)) == probe.pid and int(p) != probe.program]


def parent_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def queued_signals(bench):
    """Real-time signals queue, with their values, whoever they go to."""
    with Probe(bench) as probe:
        for value in range(1, 30):
            libc.sigqueue(probe.pid, 39, value)
        got = probe.seen()
        expect(got == [39] * 29, f"29 to record: {got}")
        for _ in range(10):
            os.killpg(probe.group, 38)
        got = probe.seen()
        expect(got == [38] * 10, f"ten to the group: {got}")
        libc.sigqueue(probe.pid, signal.SIGUSR1, 7)
        expect(probe.seen() == [signal.SIGUSR1], "an ordinary one with a value")


def stops_and_continues(bench):
    """Whoever is stopped and whoever is continued, by process id, the program's or record's, or as a group: both stop, both go on."""
    with Probe(bench, "default") as probe:
        who = {"record": lambda n: os.kill(probe.pid, n), "program": lambda n: os.kill(probe.program, n),
               "group": lambda n: os.killpg(probe.group, n)}
        for number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN):
            for stopped, stop in who.items():
                for continued, go_on in who.items():
                    stop(number)
                    until(lambda: probe.both("T"), f"{number!r} to the {stopped}: both are stopped")
                    go_on(signal.SIGCONT)
                    until(lambda: not probe.both("T") and probe.both("R"), f"{number!r} to the {stopped}, CONT to the {continued}: both run")
                    probe.beats()


def stop_and_continue_at_once(bench):
    """No SIGCONT is lost however close it follows, and nothing is left stopped."""
    with Probe(bench, "default") as probe:
        for number in (signal.SIGSTOP, signal.SIGTSTP):
            for target in (lambda n: os.kill(probe.pid, n), lambda n: os.kill(probe.program, n), lambda n: os.killpg(probe.group, n)):
                for i in range(40):
                    target(number)
                    if i % 4:
                        time.sleep(0.004 * (i % 8))
                    target(signal.SIGCONT)
                until(lambda: probe.both("R"), f"{number!r}")
                probe.beats()
        os.kill(probe.pid, signal.SIGTERM)
        expect(signal.SIGTERM in probe.seen(), "signals still come through")


def stop_after_continue_at_once(bench):
    """A stop of the group close behind its SIGCONT holds, also when record's helpers get no time between the two: nobody continues the program again."""
    with Probe(bench, "default") as probe:
        witness = until(lambda: [pid for pid in helpers_of(probe) if Path(f"/proc/{pid}/comm").read_text() == "(signals)\n"], "the witness")[0]
        processor = min(os.sched_getaffinity(witness))
        os.sched_setaffinity(witness, {processor})
        os.sched_setscheduler(witness, os.SCHED_IDLE, os.sched_param(0))
        busy = subprocess.Popen([PYTHON, "-c", f"import os\nos.sched_setaffinity(0, {{{processor}}})\nwhile True: pass"])
        try:
            for number in (signal.SIGTSTP, signal.SIGTTIN):
                for i in range(12):
                    os.killpg(probe.group, signal.SIGCONT)
                    time.sleep(0.003 * (i % 4))
                    os.killpg(probe.group, number)
                    until(lambda: probe.both("T"), f"{number!r} behind SIGCONT holds, the {i}th time")
        finally:
            busy.kill()
            busy.wait()
        os.killpg(probe.group, signal.SIGCONT)
        probe.beats()


def the_terminal_speaks_once(bench):
    """Keys, a new size and hang-up reach the program, though record leads the session and is the only one whom the kernel tells of a hang-up."""
    log = bench.scratch / "log"
    script = f"import os, sys; os.dup2(os.open('{log}', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 1); sys.argv = ['probe']; exec(open('{PROBE}').read())"
    with Terminal(bench, bench.pprofctl, "record", "--quiet", "--", PYTHON, "-c", script) as terminal:
        keys_and_hang_up(terminal, log)


def keys_and_hang_up(terminal, log):
    until(lambda: log.exists() and "ready" in log.read_text(), "the program begins")
    got = lambda n: sum(line.split()[0] == str(int(n)) for line in log.read_text().splitlines()[1:])
    for key, number in ((b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT), (b"\x1a", signal.SIGTSTP)):
        terminal.type(key)
        until(lambda: got(number), f"{number!r} by key")
    fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
    until(lambda: got(signal.SIGWINCH), "the new size")
    terminal.close()
    until(lambda: got(signal.SIGHUP), "hang-up")
    os.kill(terminal.pid, signal.SIGRTMAX)  # the probe's end
    terminal.wait()
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGWINCH, signal.SIGHUP):
        expect(got(number) == 1, f"{number!r} came {got(number)} times")


def job_control(bench):
    """An interactive shell stops it by ctrl-Z, sees it stopped, and continues it in the foreground and in the background."""
    with Terminal(bench, "/bin/bash", "--norc", "-i", PS1="$ ") as terminal:
        terminal.type(b"pprofctl record --quiet -- sh -c 'echo pid=$$=be\"\"gun; read a; echo \"got:\"$a; exit 3'\n")
        program = int(terminal.until(b"=begun").rsplit(b"=", 1)[1])
        job = parent_of(program)

        def runs():
            """The shell says that it continues a job before it does so, and a key that comes in between stops nobody."""
            until(lambda: terminal.foreground() == job and not {"T", "gone"} & {state(job), state(program)}, lambda: f"in the foreground: {terminal.all}")

        for _ in range(3):
            runs()
            terminal.type(b"\x1a")
            terminal.until(b"Stopped")
            terminal.type(b"jobs; fg\n")
            terminal.until(b"Stopped")
        runs()
        terminal.type(b"\x1a")
        terminal.until(b"Stopped")
        terminal.type(b"bg; wa\"\"it; echo after: $?; fg\n")  # it reads in the background: SIGTTIN stops it
        terminal.until(b"after:")
        terminal.type(b"hello\n")
        terminal.until(b"got:hello")
        terminal.type(b"echo code: $?; exit\n")
        terminal.until(b"code: 3")
        terminal.close()
        terminal.wait()


def no_child_of_ours(bench):
    with Probe(bench) as probe:
        expect(probe.children == 0, "the program has children that it did not make")
        expect(probe.parent == probe.pid and probe.group == probe.pid, "its parent is record and its group is record's")
        helpers = helpers_of(probe)
        for pid in helpers:
            fds = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            expect(not any("pipe" in fd and fd == os.readlink(f"/proc/{probe.program}/fd/1") for fd in fds), f"a helper holds the program's output: {fds}")
            expect(b"pprofctl" not in Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/comm").read_bytes(),
                   "who looks for record by its name would meet a helper")
        os.kill(probe.program, signal.SIGKILL)
        expect(probe.process.wait(30) == -signal.SIGKILL, "record ends as the program did")
        expect([pid for pid in helpers if state(pid) not in ("gone", "Z")] == [], "helpers outlive record")


def record_killed(bench):
    """SIGKILL to record: the program goes on, also when it was stopped at that moment with record; the helpers go."""
    for stopped in (False, True):
        with Probe(bench, "default") as probe:
            helpers = helpers_of(probe)
            if stopped:
                os.kill(probe.pid, signal.SIGSTOP)
                until(lambda: probe.both("T"), "both are stopped")
            os.kill(probe.pid, signal.SIGKILL)
            probe.beats()
            until(lambda: all(state(pid) in ("gone", "Z") for pid in helpers), "the helpers end")


def what_exec_keeps(bench):
    """Timers, signals that wait, dispositions, the parent's death signal: a program that is exec'd has them, so a recorded one has."""
    prefix = [bench.pprofctl, "record", "--quiet", "--"]
    for words in ([], prefix):
        done = bench.run("perl", "-e", "alarm 1; exec @ARGV", *words, PYTHON, "-c", "import time; time.sleep(50)")
        expect(done.returncode == -signal.SIGALRM, f"alarm: {done}")
        script = "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]); os.kill(os.getpid(), signal.SIGUSR2); os.execv(sys.argv[1], sys.argv[1:])"
        show = "import signal; print(signal.sigtimedwait([signal.SIGUSR2], 20).si_signo)"
        done = bench.run(PYTHON, "-c", script, *words, PYTHON, "-c", show)
        expect(done.stdout == b"%d\n" % signal.SIGUSR2, f"a signal that waited: {done}")
        done = bench.run(PYTHON, "-c", "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])", *words,
                         PYTHON, "-c", "import os, signal, sys; os.killpg(0, 2); os.kill(os.getppid(), 2) if len(sys.argv) > 1 else 0; print(signal.getsignal(2) == signal.SIG_IGN)", *words[:1],
                         process_group=0)
        expect(done.stdout == b"True\n" and done.returncode == 0, f"ignored: {done}")
        script = ("import ctypes, os, subprocess, sys; p = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, preexec_fn=lambda: ctypes.CDLL(None).prctl(1, 9));"
                  "print(p.stdout.readline().decode(), flush=True); os._exit(0)")
        done = bench.run(PYTHON, "-c", script, *words, PYTHON, "-c", "import os, time; print(os.getpid(), flush=True); os.close(1); os.close(2); time.sleep(50)")
        expect(done.stdout.strip().isdigit(), f"the program's pid: {done}")
        until(lambda: state(int(done.stdout)) in ("gone", "Z"), "the program dies with the parent that asked for it")


def pipes_are_the_programs(bench):
    """Who reads its output sees the end when the program closes it; who feeds it gets EPIPE when it no longer reads; other descriptors too."""
    program = "import os, sys, time; os.close(0); os.close(1); os.close(int(sys.argv[1])); time.sleep(100)"
    feed_r, feed_w = os.pipe()
    more_r, more_w = os.pipe()
    process = subprocess.Popen([bench.pprofctl, "record", "--quiet", "--", PYTHON, "-c", program, str(more_w)], cwd=bench.scratch, env=bench.environment,
                               stdin=feed_r, stdout=subprocess.PIPE, pass_fds=[more_w])
    os.close(feed_r)
    os.close(more_w)
    expect(process.stdout.read() == b"", "the end of standard output")
    expect(os.read(more_r, 1) == b"", "the end of another pipe")

    def broken():
        try:
            os.write(feed_w, b"x" * 4096)
        except BrokenPipeError:
            return True
        return False

    until(broken, "who feeds it gets EPIPE")
    process.terminate()
    expect(process.wait(30) == -signal.SIGTERM, "ended")
    for fd in (feed_w, more_r):
        os.close(fd)


def as_process_1(bench):
    """In a PID namespace of its own record takes in the orphans that end, passes signals on and stores its program's calls."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True).returncode != 0:
        raise Skip("no PID namespace may be made here")
    enter = ["unshare", "--pid", "--fork", "--mount-proc"]
    with Model() as model:
        call = " ".join(f"'{word}'" for word in model.call())
        script = f"""test $PPID = 1 || exit 90
            for i in 1 2 3 4 5 6 7 8; do (sh -c 'sleep 0.2' & ) ; done; {call} >/dev/null
            n=0; while pgrep -x sleep >/dev/null || grep -q '^State:.Z' /proc/[0-9]*/status; do n=$((n+1)); test $n -lt 100 || exit 91; perl -e "select undef, undef, undef, .1"; done; exit 7"""
        done = bench.run(*enter, bench.pprofctl, "record", "--", "sh", "-c", script)
    expect((done.returncode, done.stdout) == (7, b""), f"zombies, or not as alone: {done}")
    expect(b"1 request, 0 errors" in done.stderr, f"{done.stderr}")
    process = subprocess.Popen([*enter, bench.pprofctl, "record", "--quiet", "--", "sh", "-c", "trap 'echo got; exit 4' TERM; echo ready; while :; do sleep 0.05; done"],
                               cwd=bench.scratch, env=bench.environment, stdout=subprocess.PIPE)
    expect(process.stdout.readline() == b"ready\n", "begins")
    first = next(int(p) for p in os.listdir("/proc") if p.isdigit() and parent_of(int(p)) == process.pid)
    os.kill(first, signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    expect((process.returncode, out) == (4, b"got\n"), f"TERM to process 1: {process.returncode} {out}")


def daemons_and_double_forks(bench):
    """A program that leaves others behind: they get to the reaper that they would have had alone, and record does not wait for them."""
    script = ("import os, sys, time\nif os.fork():\n    os.wait(); sys.exit(5)\nif os.fork():\n    os._exit(0)\nos.setsid()\n"
              "time.sleep(0.3)\nopen(sys.argv[1], 'w').write(str(os.getppid()))\n")
    parents = []
    for name, words in (("alone", []), ("recorded", [bench.pprofctl, "record", "--quiet", "--"])):
        done = bench.run(*words, PYTHON, "-c", script, bench.scratch / name)
        expect(done.returncode == 5, f"{done}")
        parents.append(until(lambda: (bench.scratch / name).exists() and (bench.scratch / name).read_text(), name))
    expect(parents[0] == parents[1], f"another parent than alone: {parents}")


def under_other_parents(bench):
    """timeout, nohup, setsid, a shell that ignores SIGCHLD, sh in the background: as without record."""
    words = [bench.pprofctl, "record", "--quiet", "--"]
    for command in (["timeout", "1", "@", "sleep", "50"], ["timeout", "-s", "INT", "1", "@", "sh", "-c", "trap 'echo i; exit 3' INT; while :; do sleep 0.05; done"],
                    ["nohup", "@", "sh", "-c", "kill -HUP $$; echo alive"], ["setsid", "-w", "@", "sh", "-c", "exit 6"],
                    ["sh", "-c", "trap '' CHLD; exec \"$@\"", "sh", "@", "sh", "-c", "sh -c 'exit 4'; exit $?"],
                    ["sh", "-c", "\"$@\" & wait $!", "sh", "@", "sh", "-c", "kill -INT $$; kill -QUIT $$; exit 8"]):
        results = []
        for middle in ([], words):
            line = [word for part in command for word in (middle if part == "@" else [part])]
            done = bench.run(*line)
            results.append((done.returncode, done.stdout, done.stderr))
        expect(results[0] == results[1], f"{command}: {results}")


if __name__ == "__main__":
    main([each_signal_comes_once, one_by_one, queued_signals, stops_and_continues, stop_and_continue_at_once, stop_after_continue_at_once, the_terminal_speaks_once, job_control,
          no_child_of_ours, record_killed, what_exec_keeps, pipes_are_the_programs, as_process_1, daemons_and_double_forks, under_other_parents])
