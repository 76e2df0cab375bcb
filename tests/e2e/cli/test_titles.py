#!/usr/bin/python3
"""Programs that overwrite what they were started with. Not at the same time as other recordings: whose they are can no longer be read, so they count for each run that is older."""
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from cli import Skip, expect, main, until
from test_left import journal_of, reported, start_recording
from test_record import Model, record


def own_titles(bench):
    """Programs that overwrite what they were started with, as servers do to show a title: one in a call keeps its run's folder; what comes when the folder has gone comes into no other run's store."""
    if subprocess.run(["/usr/bin/python3", "-c", "import pycurl"], capture_output=True).returncode != 0:
        raise Skip("pycurl is not installed")
    silent = socket.create_server(("127.0.0.1", 0))
    for fifo in ("on", "go"):
        os.mkfifo(bench.scratch / fifo)
    with Model() as model:
        (bench.scratch / "titled.py").write_text(f"""
import pycurl, sys
start, end = (int(field) for field in open("/proc/self/stat").read().rsplit(")", 1)[1].split()[47:49])
with open("/proc/self/mem", "r+b", 0) as memory:
    memory.seek(start); memory.write(bytes(end - start))
open("titled", "w").close()
if sys.argv[2] == "later": open("go").read()
c = pycurl.Curl(); c.setopt(c.URL, sys.argv[1]); c.setopt(c.WRITEFUNCTION, lambda data: None)
c.setopt(c.HTTPHEADER, ['Content-Type: application/json']); c.setopt(c.POSTFIELDS, '{{"model":"test-1","messages":[{{"role":"user","content":"Hi"}}]}}'); c.perform()
open("done", "w").close()
""")
        script = "echo $LIBPPROF_SPOOL; /usr/bin/python3 titled.py {} {} >out 2>&1 & echo $!; read x < on"
        process = start_recording(bench, script.format(f"http://127.0.0.1:{silent.getsockname()[1]}/v1/chat/completions", "now"), "-o", "a.db")
        folder, pid = Path(process.stdout.readline().decode().strip()), int(process.stdout.readline())
        until(lambda: journal_of(folder), "its journal")
        (bench.scratch / "on").write_text("on\n")
        said = process.communicate(timeout=60)[1].decode()
        expect("1 program is still running" in said and "No loss is known of: " in said and folder.is_dir(), f"in a call: {said}")
        os.kill(pid, signal.SIGKILL)
        until(lambda: reported(bench, "a.db") == 1, "its call is its run's")
        (bench.scratch / "titled").unlink()
        for store in ("b.db", "gone.db"):
            process = start_recording(bench, script.format(model.url, "later"), "-o", store)
            folder = Path(process.stdout.readline().decode().strip())
            until((bench.scratch / "titled").exists, "it has its title")
            (bench.scratch / "on").write_text("on\n")
            said = process.communicate(timeout=60)[1].decode()
            expect("1 program is still running" in said and folder.is_dir(), f"before its first call: {said}")
            if store == "gone.db":
                shutil.rmtree(folder)
            (bench.scratch / "go").write_text("go\n")
            until((bench.scratch / "done").exists, "its call")
            until(lambda: list(folder.glob("*.frames")), "what it left")
            if store == "b.db":
                until(lambda: reported(bench, "b.db") == 1, "its later call is its run's")
            for file in ("titled", "done"):
                (bench.scratch / file).unlink()
    record(bench, "-o", "c.db", "--", "true")
    expect(reported(bench, "c.db") == 0, "not the next run's")
    done = bench.run(bench.bin / "pprofd", "--once", "--store", "d.db", "--spool", "off")
    expect(done.returncode == 0 and reported(bench, "d.db") >= 1 and not folder.exists(), f"pprofd takes it in: {done.stderr}")
    silent.close()


if __name__ == "__main__":
    main([own_titles])
