#!/usr/bin/python3
"""An honest program delivers while somebody else of the same user floods the collector: connections that send noise, frames of absurd sizes, frames cut
short, more connections than one process may have, and large damaged files in the spool. Nothing of the honest one is lost, the collector's memory stays
within its bounds, the store is sound, and what was refused is counted in the report.
"""
import random
import re
import resource
import socket
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402
from harness import BIN, Failure, expect  # noqa: E402

CALLS, ROUNDS, HELD, FILES = 3, 20, 1100, 12  # HELD: more than LISTEN_PROCESS_CONNECTIONS_MAX
FILE_BYTES = 16 << 20
# Unfinished frames of one process (32 MiB), SQLite's pages (32 MiB), the rest of pprofd. Freed memory waits in a sanitizer's quarantine of 256 MiB.
MEMORY_BYTES = (96 + (512 if "/trap/" in harness.SHIM else 0)) << 20
MAGIC = b"\x89PPF"


def connect(collector):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(30)
    peer.connect(str(collector.socket))
    return peer


def send(collector, data):
    """Sends it all, unless the collector hangs up first."""
    with connect(collector) as peer:
        try:
            peer.sendall(data)
        except OSError:
            pass


def calls(server, env):
    """The honest program: three calls under the library."""
    body = '{"model":"m","messages":[{"role":"user","content":"x"}]}'
    command = ["curl", "-sS", "-f", "-H", "Content-Type: application/json", "-d", body] + [server.url + "/v1/chat/completions"] * CALLS
    code, _, err = harness.run(command, shim=True, env=env)
    expect(code == 0, f"curl: {code}: {err.decode()}")


def frames_of(scratch, server):
    """Sound frames, as a program leaves them when nobody listens."""
    spool = Path(scratch) / "other"
    calls(server, {"LIBPPROF_SOCKET": str(spool / "none"), "LIBPPROF_SPOOL": str(spool)})
    return b"".join(path.read_bytes() for path in sorted(spool.glob("*.frames")))


def flood(collector, frames, noise):
    absurd = MAGIC + struct.pack("<HHHHI", 1, 112, 2, 0, 0xFFFFFFFF) + noise.randbytes(96)
    for data in (noise.randbytes(65536), absurd * 8, frames[: len(frames) - 7], frames[:112] + noise.randbytes(5000)):
        send(collector, data)


def hold(collector, frames):
    """As many connections as one process may have, and some; each has sent a frame but for its end."""
    held = [connect(collector) for _ in range(HELD)]
    for peer in held:
        try:
            peer.sendall(frames[:-7])
        except OSError:
            pass
    return held


def memory(collector):
    text = Path(f"/proc/{collector.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1)) * 1024


def main():
    noise = random.Random(7)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with harness.Scratch() as scratch, harness.ModelServer(scratch, "0") as server, harness.Collector(scratch) as collector:
        frames = frames_of(scratch, server)
        expect(len(frames) > 200, "the spool of the other program is empty")
        collector.spool.mkdir(exist_ok=True)
        for i in range(FILES):
            part = collector.spool / f"{noise.getrandbits(128):032x}-{i}.frames"
            part.write_bytes(frames[:112] + noise.randbytes(FILE_BYTES))
        held = []
        for i in range(ROUNDS):
            if i == ROUNDS // 2:
                held = hold(collector, frames)
            flood(collector, frames, noise)
            calls(server, collector.environment())
        for peer in held:
            peer.close()
        harness.wait_for(lambda: not list(collector.spool.glob("*.frames")), 120, "the spool to be taken in")
        peak = memory(collector)
        spans = collector.wait_for_spans(CALLS * ROUNDS, 120)
        collector.stop()
        check = subprocess.run([BIN / "pprofctl", "check", collector.store], capture_output=True, text=True, check=False)
        text = subprocess.run([BIN / "pprofctl", "report", collector.store], capture_output=True, text=True, check=False)
        print(f"spans {len(spans)}, memory {peak >> 20} MiB\n{check.stdout}{text.stdout[-1500:]}{text.stderr}", flush=True)
        expect(check.returncode == 0, f"check: {check.stdout}{check.stderr}")
        expect(len(spans) == CALLS * ROUNDS, f"{len(spans)} spans of {ROUNDS} runs of {CALLS} calls")
        expect(peak < MEMORY_BYTES, f"pprofd took {peak} bytes")
        for words in ("damaged spool files", "sent something else", "beyond a bound"):
            expect(words in text.stdout + text.stderr, f"the report does not count {words!r}")


try:
    main()
except Failure as failure:
    print(f"FAIL {failure}")
    sys.exit(1)
