#!/usr/bin/python3
"""Outputs of pprofctl against tests/e2e/cli/golden/NAME.txt: command, exit code, standard output, standard error. scripts/bless rewrites them."""
import difflib
import glob
import json
import re
import struct
import subprocess
from pathlib import Path

from cli import SOURCE, expect, main

GOLDEN = Path(__file__).resolve().parent / "golden"

# name of the golden file: command lines that are run one after the other in a directory with pprof.db, loss.frames, notes.txt, cut.frames, static
HELP = ["record", "report", "export", "dump", "check", "doctor", "key-alias", "help", "keys", "fields", "environment"]
CASES = {
    "help": ["pprofctl help"],
    **{f"help-{topic}": [f"pprofctl help {topic}"] for topic in HELP},
    "man-record": ["pprofctl help --man record"],
    "man-libpprof": ["pprofctl help --man libpprof"],
    "completion": ["pprofctl help completion"],
    "mistakes": ["pprofctl", "pprofctl nonsense", "pprofctl --nonsense", "pprofctl report --nonsense", "pprofctl report -z", "pprofctl report --by",
                 "pprofctl report --by prompt,nonsense", "pprofctl report --sort nonsense", "pprofctl report --sort model", "pprofctl report --format xml",
                 "pprofctl report --limit many", "pprofctl report --since tomorrow", "pprofctl report --last 7", "pprofctl report --last 7d --since 7d",
                 "pprofctl report --since 2026-11-24 --until 2026-11-23", "pprofctl report a.db b.db", "pprofctl help nonsense",
                 "pprofctl help --man nonsense", "pprofctl record", "pprofctl record --quiet=1 true"],
    "files": ["pprofctl report missing.db", "pprofctl report ''", "pprofctl report notes.txt", "pprofctl check notes.txt", "pprofctl export .", "pprofctl dump notes.txt",
              "pprofctl dump missing.db", "pprofctl dump .", "pprofctl dump empty", "pprofctl dump cut.frames"],
    "record-refuses": ["pprofctl record -- no-such-command", "pprofctl record -- ./notes.txt", "pprofctl record -- ./static",
                       "pprofctl record -o notes.txt -- true", "pprofctl record -o no/such/directory/x.db -- true"],
    "doctor": ["pprofctl doctor -- ./static", "pprofctl doctor -- no-such-command", "pprofctl doctor -- ./notes.txt", "pprofctl doctor -- ./gone.sh", "pprofctl doctor -- ./"],
    "report-text": ["pprofctl report"],
    "report-width": ["pprofctl report --width 80", "pprofctl report --width 120 --by model,status", "pprofctl report --width 40"],
    "report-keys": ["pprofctl report --by service,host,team,executable,operation --width 100", "pprofctl report --by hour,key,api --width 100",
                    "pprofctl report --by version,provider,stream,error --sort provider --width 100"],
    "report-md": ["pprofctl report --format md --by prompt,model --limit 4"],
    "report-csv": ["pprofctl report --format csv --by prompt,model"],
    "report-json": ["pprofctl report --format json --by prompt,model --limit 3"],
    "report-period": ["pprofctl report --since 2026-11-24T05:10 --until 2026-11-24T05:15Z --width 80", "pprofctl report --until 2020-01-01",
                      "pprofctl report --since 2026-11-24T05:29:30 --format json", "pprofctl report --sort output_tokens --limit 2 --width 80"],
    "export": ["pprofctl export --until 2026-11-24T05:03"],
    "dump": ["pprofctl dump loss.frames", "pprofctl dump --statistics"],
    "check": ["pprofctl check"],
    "key-alias": ["pprofctl key-alias on-the-command-line", "sh -c 'printf sk-a | LIBPPROF_HASH_KEY=fleet pprofctl key-alias'",
                  "sh -c 'printf \"Bearer sk-a\\r\\nx\" | LIBPPROF_HASH_KEY=fleet pprofctl key-alias'", "pprofctl key-alias </dev/null"],
}


def machine():
    """The ELF number of this machine, as this very Python has it."""
    with open("/proc/self/exe", "rb") as program:
        return struct.unpack_from("<H", program.read(20), 18)[0]


def prepare(bench):
    bench.make_store()
    expect(bench.run(bench.bin / "make_store", "--frames", "loss.frames").returncode == 0, "make_store --frames failed")
    frames = (bench.scratch / "loss.frames").read_bytes()
    (bench.scratch / "cut.frames").write_bytes(frames[:-10])
    (bench.scratch / "notes.txt").write_text("Buy bread.\n" * 200)
    (bench.scratch / "empty").write_bytes(b"")
    # An ELF header with one segment and no loader: linked statically. It is never run.
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, machine(), 1, 0x400078, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 120, 120, 4096)
    (bench.scratch / "static").write_bytes(header + segment)
    (bench.scratch / "static").chmod(0o755)
    (bench.scratch / "gone.sh").write_text("#!/no/such/interpreter\n")
    (bench.scratch / "gone.sh").chmod(0o755)


def transcript(bench, lines):
    out = ""
    for line in lines:
        done = bench.run("sh", "-c", "exec " + line)
        out += f"$ {line}\n" + done.stdout.decode()
        out += "".join(f"! {text}\n" for text in done.stderr.decode().splitlines())
        out += f"= {done.returncode}\n"
    out = out.replace(str(bench.scratch), "SCRATCH")
    return re.sub(r"\d+\.\d KiB\. ", "SIZE. ", out)  # of a store: SQLite's pages


def make_test(name, lines):
    def test(bench):
        prepare(bench)
        actual = transcript(bench, lines)
        path = GOLDEN / f"{name}.txt"
        if bench.bless:
            path.write_text(actual)
        expected = path.read_text() if path.exists() else ""
        difference = "\n".join(difflib.unified_diff(expected.splitlines(), actual.splitlines(), "expected", "actual", lineterm=""))
        expect(actual == expected, f"differs from {path.name} (scripts/bless if that is right):\n{difference}")

    test.__name__ = name
    return test


def data_formats_are_valid(bench):
    """What programs read can be read, and the sums are those of the exported calls."""
    prepare(bench)
    exported = [json.loads(line) for line in bench.run(bench.pprofctl, "export").stdout.decode().splitlines()]
    report = json.loads(bench.run(bench.pprofctl, "report", "--format", "json").stdout)
    expect(len(exported) == report["total"]["calls"] == 60, "calls differ")
    for key, column in (("gen_ai.usage.input_tokens", "input_tokens"), ("gen_ai.usage.output_tokens", "output_tokens")):
        stated = [span[key] for span in exported if key in span]
        expect(sum(stated) == report["total"][column], f"{column} differ")
        expect(len(stated) == report["total"][column + "_calls"], f"{column}_calls differ")
    expect(sum(row["calls"] for row in report["rows"]) == 60, "rows do not add up")
    expect("queue_share" not in report["total"], "an unseen value is missing in json")
    totals = sorted(span["pprof.phase.total_ns"] for span in exported)
    expect(report["total"]["total_p50_ns"] == totals[29], "the median of 60 calls is exact")


def docs_are_current(bench):
    """docs/*.md and the table in README.md are what the lists say."""
    pages = {"dialects": [bench.bin / "dialects_page"]}
    pages.update({topic: [bench.pprofctl, "help", topic, "--format", "md"] for topic in ("fields", "environment")})
    for topic, command in pages.items():
        path = SOURCE / "docs" / f"{topic}.md"
        text = bench.run(*command).stdout.decode()
        if bench.bless:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        expect(path.exists() and path.read_text() == text, f"docs/{topic}.md is not current; run scripts/bless")
    table = "".join(line for line in text.splitlines(True) if line.startswith("|"))  # of the last topic: the environment
    readme = SOURCE / "README.md"
    before, rest = readme.read_text().split("<!-- environment: made by scripts/bless from span/env.def -->\n")
    after = rest.split("<!-- environment: end -->")[1]
    current = f"{before}<!-- environment: made by scripts/bless from span/env.def -->\n{table}<!-- environment: end -->{after}"
    if bench.bless:
        readme.write_text(current)
    expect(readme.read_text() == current, "the table of the environment in README.md is not current; run scripts/bless")


def completion_works(bench):
    """bash itself completes verbs, options and values."""
    script = """eval "$(pprofctl help completion)"
complete_line() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _pprofctl; echo "${COMPREPLY[@]}"; }
complete_line pprofctl rep
complete_line pprofctl report --f
complete_line pprofctl report --format m
complete_line pprofctl export pprof
complete_line pprofctl help env"""
    done = bench.run("bash", "-c", "touch pprof.db; " + script)
    expect(done.stdout.decode().split("\n")[:5] == ["report", "--format", "md", "pprof.db", "environment"], done.stdout.decode() + done.stderr.decode())


def manual_pages_are_clean(bench):
    """groff has nothing to complain about."""
    for page in ["pprofctl", "libpprof", "pprofd"] + HELP[:7]:
        help_text = bench.run(bench.bin / "pprofd", "--help").stdout if page == "pprofd" else b""
        text = bench.run(bench.pprofctl, "help", "--man", page, input=help_text).stdout
        expect(len(text) > 300, f"{page} is empty")
        done = bench.run("groff", "-man", "-Tutf8", "-ww", "-z", input=text)
        expect(done.returncode == 0 and done.stderr == b"", f"{page}: {done.stderr.decode()}")


def extensions_are_said_where_they_are(bench):
    """Of an interpreter doctor says which extensions it may load that use libcurl: those that are there."""
    extensions = {("perl", "WWW::Curl"): ["/usr/lib/*/perl5/*/auto/WWW/Curl/Curl.so", "/usr/local/lib/*/perl/*/auto/WWW/Curl/Curl.so"],
                  ("perl", "Net::Curl"): ["/usr/lib/*/perl5/*/auto/Net/Curl/Curl.so", "/usr/local/lib/*/perl/*/auto/Net/Curl/Curl.so"],
                  ("lua", "Lua-cURL"): ["/usr/lib/*/lua/5.*/lcurl.so", "/usr/lib/*/lua/5.*/cURL.so", "/usr/lib/*/lua/5.*/curl.so"],
                  ("R", "the R package RCurl"): ["/usr/lib/R/site-library/RCurl/libs/RCurl.so", "/usr/local/lib/R/site-library/RCurl/libs/RCurl.so"]}
    for (program, extension), patterns in extensions.items():
        (bench.scratch / program).write_bytes(Path("/bin/true").read_bytes())
        (bench.scratch / program).chmod(0o755)
        said = bench.run(bench.pprofctl, "doctor", "--", f"./{program}").stdout.decode()
        expect((f"{extension}, when the program loads it" in said) == any(glob.glob(pattern) for pattern in patterns), f"{program}: {said}")
        expect(("LWP and HTTP::Tiny" in said) == (program == "perl"), f"{program}: {said}")


def full_disk_is_an_error(bench):
    prepare(bench)
    with open("/dev/full", "wb") as full:
        for verb in (["report"], ["export"], ["help"], ["check"], ["doctor"], ["dump"], ["dump", "--raw"]):
            done = subprocess.run([bench.pprofctl, *verb], cwd=bench.scratch, env=bench.environment, stdout=full, stderr=subprocess.PIPE)
            expect(done.returncode == 1 and b"could not be written" in done.stderr, f"{verb}: {done.returncode} {done.stderr}")


if __name__ == "__main__":
    main([make_test(name, lines) for name, lines in CASES.items()] +
         [data_formats_are_valid, docs_are_current, completion_works, manual_pages_are_clean, extensions_are_said_where_they_are, full_disk_is_an_error], leaks=True)
