#!/usr/bin/python3
"""pprofctl record passes everything through: streams, exit codes, signals, job control, the environment; and leaves nothing behind."""
import http.server
import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading

from cli import Terminal, expect, main, state, until

CURL = "/usr/bin/curl"
ANSWER = json.dumps({"id": "chatcmpl-1", "object": "chat.completion", "model": "test-1", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}}).encode()
QUESTION = json.dumps({"model": "test-1", "messages": [{"role": "system", "content": "You are brief."}, {"role": "user", "content": "Hi"}]})


def record(bench, *words, **changes):
    return bench.run(bench.pprofctl, "record", *words, **changes)


def nothing_left(bench):
    left = [name for name in os.listdir(bench.scratch) if name.startswith("pprof-")]
    expect(left == [], f"left behind: {left}")


class Model:
    """An endpoint that answers like OpenAI's chat completions."""

    def __enter__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(ANSWER)))
                self.end_headers()
                self.wfile.write(ANSWER)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1/chat/completions"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def call(self):
        return [CURL, "-sS", self.url, "-H", "Content-Type: application/json", "-d", QUESTION]


def streams_and_codes(bench):
    plain = "cat; echo out; echo err >&2; exit 7"
    done = record(bench, "--quiet", "--", "sh", "-c", plain, input=b"in\0put\n")
    expect((done.returncode, done.stdout, done.stderr) == (7, b"in\0put\nout\n", b"err\n"), f"{done}")
    for code in (0, 1, 2, 125, 126, 127, 255):
        expect(record(bench, "--quiet", "sh", "-c", f"exit {code}").returncode == code, f"exit code {code}")
    nothing_left(bench)


def arguments_are_untouched(bench):
    done = record(bench, "--quiet", "printf", "%s|", "-o", "--quiet", "--", "a b", "", "$HOME")
    expect(done.stdout == b"-o|--quiet|--|a b||$HOME|", f"{done.stdout}")


def closed_descriptors(bench):
    """A program that is started without standard input or output finds it so."""
    script = "for fd in 0 1; do test -e /proc/self/fd/$fd && echo open >&2 || echo closed >&2; done; exit 3"
    for close in ("<&-", ">&-", "<&- >&-"):
        plain = bench.run("sh", "-c", f"exec sh -c '{script}' {close}")
        done = bench.run("sh", "-c", f"exec {bench.pprofctl} record --quiet -- sh -c '{script}' {close}")
        expect((done.returncode, done.stderr) == (3, plain.stderr) and b"closed" in plain.stderr, f"{close}: {done}")


def no_descriptors_leak(bench):
    show = "ls -l /proc/self/fd | sed 's/.* \\([0-9]*\\) ->.*/\\1/' | sort -n | tr '\\n' ' '"
    plain = bench.run("sh", "-c", show).stdout
    expect(record(bench, "--quiet", "sh", "-c", show).stdout == plain, "the program has descriptors that it did not open")


def signal_state(bench):
    """Mask and dispositions are inherited as record found them."""
    show = "grep -E '^Sig(Blk|Ign)' /proc/self/status"
    for setup in ("", "trap '' INT HUP PIPE CHLD; "):
        plain = bench.run("sh", "-c", setup + show).stdout
        seen = bench.run("sh", "-c", setup + f"exec {bench.pprofctl} record --quiet -- {show}").stdout
        expect(seen == plain, f"{setup!r}: {seen} instead of {plain}")


def killed_by_signal(bench):
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT, signal.SIGUSR1):
        done = record(bench, "--quiet", "sh", "-c", f"kill -{int(number)} $$")
        expect(done.returncode == -number, f"{number!r}: {done.returncode}")
    nothing_left(bench)


def start(bench, script):
    process = subprocess.Popen([bench.pprofctl, "record", "--quiet", "--", "sh", "-c", script], cwd=bench.scratch, env=bench.environment,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    expect(process.stdout.readline() == b"ready\n", "the program did not start")
    return process


def signals_are_passed_on(bench):
    for name in ("TERM", "HUP", "INT", "QUIT", "USR1", "USR2"):
        process = start(bench, f"trap 'echo got; exit 9' {name}; echo ready; while :; do sleep 0.05; done")
        os.kill(process.pid, getattr(signal, "SIG" + name))
        out, _ = process.communicate(timeout=30)
        expect((process.returncode, out) == (9, b"got\n"), f"{name}: {process.returncode} {out}")
    nothing_left(bench)


def stops_with_the_program(bench):
    process = start(bench, "echo ready; kill -STOP $$; echo on")
    until(lambda: state(process.pid) == "T", "record stops with the program")
    os.kill(process.pid, signal.SIGCONT)
    out, _ = process.communicate(timeout=30)
    expect((process.returncode, out) == (0, b"on\n"), f"{process.returncode} {out}")


def terminal(bench):
    """On a terminal the program is in the foreground: it reads, sees a terminal, and ctrl-C reaches it once and record not at all."""
    script = "trap 'echo caught' INT; test -t 0 && test -t 1 && echo ready; read line; echo got $line; read line; echo $line; exit 5"
    with Terminal(bench, bench.pprofctl, "record", "--quiet", "--", "bash", "-c", script) as on:
        on.until(b"ready")
        on.type(b"hello\n")
        on.until(b"got hello")
        on.type(b"\x03")
        on.until(b"caught")
        on.type(b"bye\n")
        on.until(b"bye\r\nbye\r\n")
        code = on.wait()
        expect(code == 5, f"{code} {on.all}")
        expect(on.all.count(b"caught") == 1, "ctrl-C came more than once")


def environment(bench):
    show = "echo $LD_PRELOAD; echo $LIBPPROF_PREVIEW"
    library = record(bench, "--quiet", "sh", "-c", show).stdout.decode().split("\n")
    expect(library[0].endswith("/libpprof.so") and library[1] == "60", f"{library}")
    changed = {"LD_PRELOAD": "/usr/lib/x86_64-linux-gnu/libz.so.1", "LIBPPROF_PREVIEW": "9"}
    done = record(bench, "--quiet", "sh", "-c", show, environment=changed).stdout.decode().split("\n")
    expect(done[0] == changed["LD_PRELOAD"] + ":" + library[0] and done[1] == "9", f"{done}")
    expect(record(bench, "--quiet", "--no-preview", "sh", "-c", show).stdout.decode().split("\n")[1] == "0", "--no-preview")
    shutil.copy(library[0], bench.scratch / "a name.so")
    done = record(bench, "--quiet", "sh", "-c", show, environment={"LIBPPROF_SO": str(bench.scratch / "a name.so")}).stdout.decode()
    expect(" " not in done.split("\n")[0], "a blank would split the name")
    nothing_left(bench)


def a_run_is_recorded(bench):
    with Model() as model:
        done = record(bench, "--", *model.call())
        expect((done.returncode, done.stdout) == (0, ANSWER), f"{done}")
        said = done.stderr.decode()
        expect("1 request, 0 errors; input tokens 12, output tokens 3" in said, said)
        expect("pprofctl: 1 prompt\n" in said, said)
        expect("pprofctl report pprof.db" in said and "Lost" not in said, said)
        again = record(bench, "--", "sh", "-c", " ".join(f"'{word}'" for word in model.call()) + " >/dev/null; exit 4")
        expect(again.returncode == 4 and "1 request, 0 errors" in again.stderr.decode(), "only this run is summed up, and children are followed")
    spans = [json.loads(line) for line in bench.run(bench.pprofctl, "export").stdout.decode().splitlines()]
    expect(len(spans) == 2, f"both runs are in the file: {len(spans)}")
    expect(all(span["gen_ai.request.model"] == "test-1" and span["process.executable.name"] == "curl" for span in spans), f"{spans}")
    report = bench.run(bench.pprofctl, "report").stdout.decode()
    expect("brief" not in report and re.search(r"\n[0-9a-f]{16} ", report), f"until a text has come three times the prompt's id names it: {report}")
    with Model() as model:
        record(bench, "--", *model.call())
    report = bench.run(bench.pprofctl, "report").stdout.decode()
    expect('"You are brief."' in report, f"then its text does, over all programs: {report}")
    expect(bench.run(bench.pprofctl, "check").returncode == 0, "the store is sound")
    nothing_left(bench)


def no_preview(bench):
    with Model() as model:
        record(bench, "--no-preview", "--", *model.call())
    expect("brief" not in bench.run(bench.pprofctl, "report").stdout.decode(), "no prompt text is kept")
    expect(b"brief" not in (bench.scratch / "pprof.db").read_bytes(), "no prompt text is kept")


def nothing_seen(bench):
    said = record(bench, "--", "true").stderr.decode()
    expect("no request to a language model was seen" in said and "doctor" in said, said)
    said = record(bench, "--", "true", environment={"LIBPPROF_DISABLE": "1"}).stderr.decode()
    expect("LIBPPROF_DISABLE is set" in said, said)


def a_background_program_does_not_hold_it(bench):
    os.mkfifo(bench.scratch / "go")
    with Model() as model:
        call = " ".join(f"'{word}'" for word in model.call())
        done = record(bench, "--", "sh", "-c", f"{call} >/dev/null; (read x < go; echo $x > gone) >/dev/null 2>&1 & exit 0")
    expect(done.returncode == 0 and "1 request" in done.stderr.decode(), done.stderr.decode())
    (bench.scratch / "go").write_text("on\n")  # only now may it end
    until(lambda: (bench.scratch / "gone").exists(), "the program in the background goes on")


def who_keeps_no_journal_is_waited_for(bench):
    """A program that runs on and of which a connection is all that is known has a moment, a second, for its last words. A busy machine makes it longer."""
    program = """
import os, socket, sys, time
collector = socket.socket(socket.AF_UNIX)
collector.connect(os.environ["LIBPPROF_SOCKET"])
begun = time.monotonic()
if os.fork() == 0:
    collector.recv(1)
    open("waited", "w").write(str(time.monotonic() - begun))
"""
    done = record(bench, "--quiet", "--", "/usr/bin/python3", "-c", program)
    expect(done.returncode == 0, f"{done}")
    waited = float((bench.scratch / "waited").read_text())
    expect(waited >= 1, f"record hung up after {waited} s")


def what_cannot_be_preloaded(bench):
    """One sentence, nothing run, no file made; with --anyway it runs and what it starts is seen."""
    launcher = bench.bin / "static_launcher"
    done = record(bench, "--", launcher, "echo", "ran")
    said = done.stderr.decode()
    expect(done.returncode == 125 and done.stdout == b"" and said.count("\n") == 1 and "linked statically" in said and "--anyway" in said, f"{done}")
    expect(not (bench.scratch / "pprof.db").exists(), "a file was made for nothing")
    expect(record(bench, "--quiet", "--anyway", "--", launcher).returncode == 42, "--anyway runs it")
    with Model() as model:
        done = record(bench, "--anyway", "--", launcher, *model.call())
    expect(done.stdout == ANSWER and "1 request" in done.stderr.decode(), f"{done}")


def raised_privileges(bench):
    """The loader ignores LD_PRELOAD in a setuid program of somebody else; its owner may run it. Only root can try."""
    if os.geteuid() != 0:
        print("        (raised_privileges needs root: skipped)")
        return
    tool = bench.scratch / "tool"
    tool.write_bytes(open("/bin/true", "rb").read())
    os.chmod(tool, 0o4755)
    os.chown(tool, 65534, 65534)
    os.chmod(tool, 0o4755)
    done = record(bench, "--", tool)
    expect(done.returncode == 125 and "raised privileges" in done.stderr.decode(), f"{done}")
    os.chown(tool, 0, 0)
    os.chmod(tool, 0o4755)
    expect(record(bench, "--quiet", "--", tool).returncode == 0, "a setuid program of the user's own is an ordinary one")


def other_files_survive(bench):
    """FILE that is something else is refused and stays as it is, byte for byte; an empty file and a damaged store too."""
    (bench.scratch / "notes").write_bytes(b"dear diary" * 100)
    other = sqlite3.connect(bench.scratch / "other.db")
    other.execute("create table t(x)")
    other.commit()
    other.close()
    store = bytearray(bench.make_store("damaged.db").read_bytes())
    store[100:400] = bytes(300)
    (bench.scratch / "damaged.db").write_bytes(store)
    for name in ("notes", "other.db", "damaged.db"):
        before = (bench.scratch / name).read_bytes()
        done = record(bench, "-o", name, "--", "echo", "ran")
        expect(done.returncode == 125 and done.stdout == b"" and done.stderr.count(b"\n") == 1, f"{name}: {done}")
        expect((bench.scratch / name).read_bytes() == before, f"{name} was changed")
    nothing_left(bench)


def two_runs_into_one_file(bench):
    """Two recordings at the same time into the same FILE: both are kept, or one is refused in a sentence; nothing is lost."""
    with Model() as model:
        call = " ".join(f"'{word}'" for word in model.call())
        words = [bench.pprofctl, "record", "--", "sh", "-c", f"for i in 1 2 3 4 5; do {call} >/dev/null; done"]
        runs = [subprocess.Popen(words, cwd=bench.scratch, env=bench.environment, stderr=subprocess.PIPE) for _ in range(2)]
        said = [run.communicate(timeout=90)[1].decode() for run in runs]
    kept = len(bench.run(bench.pprofctl, "export").stdout.splitlines())
    accepted = sum(run.returncode == 0 for run in runs)
    expect(accepted >= 1 and kept == 5 * accepted, f"{kept} calls kept of {accepted} runs: {said}")
    expect(bench.run(bench.pprofctl, "check").returncode == 0, "the store is sound")


def limit_files(kilobytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (kilobytes * 1024, resource.RLIM_INFINITY))


def a_full_disk_does_not_hurt_the_program(bench):
    """The store cannot grow (a file size limit): the program runs to its end, record says that calls were not stored."""
    bench.make_store()
    with Model() as model:
        call = " ".join(f"'{word}'" for word in model.call())
        script = f"ulimit -S -f unlimited; for i in 1 2 3 4 5 6 7 8; do {call}; done >/dev/null; echo done; exit 6"

        done = record(bench, "--", "sh", "-c", script, preexec_fn=lambda: limit_files(40))
    expect((done.returncode, done.stdout) == (6, b"done\n") and b"could not be stored" in done.stderr, f"{done}")
    expect(bench.run(bench.pprofctl, "check").returncode == 0, "what was there before is sound")
    spool = re.search(rb"--spool (\S+)`", done.stderr)
    expect(spool is not None, f"the calls are kept: {done}")
    done = bench.run(bench.bin / "pprofd", "--once", "--store", "pprof.db", "--spool", spool.group(1).decode())
    expect(done.returncode == 0, f"{done}")
    expect(len(bench.run(bench.pprofctl, "export").stdout.splitlines()) == 60 + 8, "nothing was lost")


def a_limit_on_files_is_the_programs(bench):
    """What record writes beyond the limit is no signal for the program; what the program writes itself is, as without record."""
    bench.make_store()
    with Model() as model:
        call = " ".join(f"'{word}'" for word in model.call())
        script = f"trap 'echo got it >&2' XFSZ; for i in 1 2 3 4; do {call}; sleep 0.7; done >/dev/null; echo done; exit 6"
        done = record(bench, "--", "sh", "-c", script, preexec_fn=lambda: limit_files(40))
    expect((done.returncode, done.stdout) == (6, b"done\n") and b"got it" not in done.stderr, f"{done}")
    expect(b"could not be stored" in done.stderr, f"record met its limit: {done}")
    for script in ("exec head -c 200000 /dev/zero >big", "head -c 200000 /dev/zero >big; echo $?"):
        bare = bench.run("sh", "-c", script, preexec_fn=lambda: limit_files(160))
        done = record(bench, "-q", "-o", "other.db", "--", "sh", "-c", script, preexec_fn=lambda: limit_files(160))
        expect((done.returncode, done.stdout) == (bare.returncode, bare.stdout), f"{script}: {done}, without: {bare}")


def few_descriptors(bench):
    """record takes none of the descriptors that the program may have, and the program's limits stay what they were; where not even the hard limit leaves
    record enough, nothing is run, and the words are about that."""
    with Model() as model:
        call = " ".join(f"'{word}'" for word in model.call())
        script = f"ulimit -Sn; ulimit -Hn; exec {call}"
        for soft, hard in ((6, 4096), (8, 4096), (12, 512), (14, 100), (16, 16), (15, 15), (12, 12), (8, 8), (6, 6)):
            def limited():
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            bare = bench.run("sh", "-c", script, preexec_fn=limited)
            done = record(bench, "-o", f"{soft}-{hard}.db", "--", "sh", "-c", script, preexec_fn=limited)
            if hard < 16 and done.returncode == 125: # who may raise the hard limit is recorded
                expect(done.stdout == b"" and b"`ulimit -Hn`" in done.stderr and done.stderr.count(b"\n") == 1, f"{soft} {hard}: {done}")
                continue
            expect((done.returncode, done.stdout) == (bare.returncode, bare.stdout), f"{soft} {hard}: alone {bare}, recorded {done}")
            expect(bare.returncode != 0 or b"1 request" in done.stderr, f"{soft} {hard}: {done}")


def a_failed_beginning_leaves_no_file(bench):
    done = record(bench, "--", "echo", "ran", preexec_fn=lambda: limit_files(20))
    expect((done.returncode, done.stdout) == (125, b"") and done.stderr.count(b"\n") == 1, f"{done}")
    expect(not [name for name in os.listdir(bench.scratch) if name.startswith("pprof")], f"{os.listdir(bench.scratch)}")


if __name__ == "__main__":
    main([streams_and_codes, arguments_are_untouched, closed_descriptors, no_descriptors_leak, signal_state, killed_by_signal,
          signals_are_passed_on, stops_with_the_program, terminal, environment, a_run_is_recorded, no_preview, nothing_seen,
          a_background_program_does_not_hold_it, who_keeps_no_journal_is_waited_for, what_cannot_be_preloaded, raised_privileges, other_files_survive, two_runs_into_one_file,
          a_full_disk_does_not_hurt_the_program, a_limit_on_files_is_the_programs, few_descriptors, a_failed_beginning_leaves_no_file], leaks=True)
