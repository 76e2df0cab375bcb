#!/usr/bin/python3
"""A server says the key back, as it is and encoded, wherever it can: none of it is anywhere afterwards. Over record, a spool, a store, logs,
journals of the killed and every output."""
import base64
import http.server
import itertools
import json
import os
import signal
import subprocess
import threading
import urllib.parse
from pathlib import Path

from cli import expect, main, until
from test_record import CURL, record

KEY = "sk-proj-T3stPl4ntedKey/9f8e7d6c5b4a+3210ZyXwVu"  # with what an encoding changes
FORMS = {
    "plain": KEY,
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 of URLs": base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("="),
    "base64 of the header": base64.b64encode(f"Bearer {KEY}".encode()).decode(),
    "URL": urllib.parse.quote(KEY, safe=""),
    "URL twice": urllib.parse.quote(urllib.parse.quote(KEY, safe=""), safe=""),
    "JSON": "".join(f"\\u{ord(c):04x}" for c in KEY),
    "hex": KEY.encode().hex(),
    "HEX": KEY.encode().hex().upper(),
    "reversed": KEY[::-1],
    "tail": KEY[-20:],
}


def answer(form, where):
    """An answer or an error, with the form in one place or, for a body that quotes it, in all."""
    word = lambda place, usual: form if where in (place, "all") else usual
    if where in ("error", "message"):
        return {"error": {"message": f"Incorrect API key provided: {form}.", "type": form if where == "error" else "invalid_request_error",
                          "code": form, "param": form}}
    return {"id": word("id", "chatcmpl-1"), "object": "chat.completion", "model": word("model", "gpt-4o"), "system_fingerprint": word("id", "fp_1"),
            "service_tier": word("finish", "default"), "usage": {"prompt_tokens": 3, "completion_tokens": 5},
            "choices": [{"index": 0, "message": {"role": "assistant", "content": form, "tool_calls": [{"id": "c", "type": "function", "function": {"name": word("id", "f"), "arguments": "{}"}}]},
                         "finish_reason": word("finish", "stop")}]}


class Echo:
    """Answers request after request with another form in another place; the path's last part says that it should hang."""

    def __enter__(self):
        turns = itertools.cycle([(form, where) for form in FORMS.values() for where in ("id", "model", "finish", "all", "error", "message")])
        lock = threading.Lock()
        self.hanging = threading.Event()
        hanging = self.hanging

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    form, where = next(turns)
                body = json.dumps(answer(form, where)).encode()
                self.send_response(200 if where not in ("error", "message") else 401)
                self.send_header("Content-Type", "application/json")
                self.send_header("x-request-id", form.replace("\\", ""))
                if self.headers.get("X-Hang"):
                    self.send_header("Content-Length", str(len(body) + 1000))
                    self.end_headers()
                    self.wfile.write(body)
                    self.wfile.flush()
                    hanging.set()
                    threading.Event().wait(60)
                    return
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1/chat/completions"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def call(self, times=1, *more):
        question = json.dumps({"model": "gpt-4o", "messages": [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "Hello."}]})
        one = ["-sS", "-o", "/dev/null", self.url, "-H", "Content-Type: application/json", "-H", f"Authorization: Bearer {KEY}", "-d", question, *more]
        return [CURL, *one, *(word for _ in range(times - 1) for word in ("--next", *one))]


def nowhere(what, data):
    """In no form, whatever the case of its letters; digits that encode are found in any."""
    lower = data.lower()
    for name, form in FORMS.items():
        expect(form.lower().encode() not in lower, f"{what}: the key as {name}: {form}")


def journals(bench):
    """Of this test's programs, wherever they lie: others record at the same time."""
    found = []
    for path in (path for place in (bench.scratch, Path(f"/dev/shm/libpprof-{os.geteuid()}")) for path in place.rglob("*.live")):
        try:
            if str(bench.scratch).encode() in path.read_bytes()[:8192]:
                found.append(path)
        except OSError:
            pass  # another test's, which goes just now
    return found


def search(bench):
    files = [p for p in bench.scratch.rglob("*") if p.is_file() and not p.is_symlink()]
    files += [path for path in journals(bench) if path not in files]
    for path in files:
        nowhere(str(path), path.read_bytes())
    return files


def outputs(bench, store):
    for words in (("export", store), ("report", store), ("report", "--format", "json", store), ("report", "--format", "csv", store),
                  ("report", "--format", "md", store), ("dump", store), ("check", store), ("report", "--by", "model", store)):
        done = bench.run(bench.pprofctl, *words)
        nowhere(" ".join(words), done.stdout + done.stderr)
    out = bench.run(bench.pprofctl, "export", store).stdout
    expect(b'"gpt-4o"' in out and b'"error.type"' in out, f"what is no secret is there: {out[:2000]}")
    return out.splitlines()


def recorded(bench):
    """All forms in all places, previews on, the library's log beside."""
    log = str(bench.scratch / "shim.log")
    with Echo() as echo:
        times = 6 * len(FORMS)
        done = record(bench, "-o", "all.db", "--", *echo.call(times), environment={"LIBPPROF_LOG": log, "LIBPPROF_PREVIEW": "60,user"})
        expect(done.returncode == 0, f"{done}")
        nowhere("record", done.stdout + done.stderr)
    search(bench)
    expect(len(outputs(bench, "all.db")) == times, "each call is there")


def spooled_and_journalled(bench):
    """Nobody listens: a spool file, a journal of a killed program with a call in flight; then what a collector makes of them."""
    runtime, spool = bench.scratch / "runtime", bench.scratch / "spool"
    runtime.mkdir(mode=0o700)
    library = bench.environment.get("LIBPPROF_SO") or str(bench.bin.parent / "lib/libpprof.so")
    user = {"XDG_RUNTIME_DIR": str(runtime), "LIBPPROF_SPOOL": str(spool), "LIBPPROF_SOCKET": str(bench.scratch / "none.sock"),
            "LIBPPROF_PREVIEW": "60,user", "LIBPPROF_LOG": str(bench.scratch / "shim.log")}
    with Echo() as echo:
        times = 6 * len(FORMS)
        done = bench.run(*echo.call(times), environment={**user, "LD_PRELOAD": library})
        expect(done.returncode == 0, f"{done}")
        hangs = subprocess.Popen(echo.call(1, "-H", "X-Hang: 1"), cwd=bench.scratch, env={**bench.environment, **user, "LD_PRELOAD": library},
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        expect(echo.hanging.wait(60), "the call is in flight")
        until(lambda: journals(bench), "a journal")
        hangs.send_signal(signal.SIGKILL)
        hangs.wait()
    files = search(bench)
    kept = [p for p in files if p.is_relative_to(spool) or p.suffix == ".live"]  # on a busy machine a journal instead of the spool's file
    expect(len(kept) >= 2 and any(p.suffix == ".live" for p in kept), f"what both programs left: {files}")
    for path in files:
        if Path(path).suffix in (".frames", ".part", ".live"):
            nowhere(f"dump of {path}", bench.run(bench.pprofctl, "dump", str(path)).stdout)
    done = bench.run(bench.bin / "pprofd", "--once", "--spool", spool, "--store", "taken.db", environment=user)
    expect(done.returncode == 0, f"{done}")
    nowhere("pprofd", done.stdout + done.stderr)
    search(bench)
    stored = outputs(bench, "taken.db")
    expect(len(stored) >= times, f"each call is there: {len(stored)} of {times}; {done}")


if __name__ == "__main__":
    main([recorded, spooled_and_journalled])
