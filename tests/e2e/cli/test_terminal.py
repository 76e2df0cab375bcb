#!/usr/bin/python3
"""pprofctl report on a terminal: the width is kept, colours appear there and nowhere else."""
import re
import unicodedata

from cli import Terminal, expect, main

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(bench, columns, *words, **environment):
    """Runs the words on a terminal of this width; returns what appeared there."""
    # The width is there before the program is.
    script = "import fcntl, os, struct, sys, termios; fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 40, int(sys.argv[1]), 0, 0)); os.execvp(sys.argv[2], sys.argv[2:])"
    with Terminal(bench, "/usr/bin/python3", "-c", script, columns, *words, **environment) as terminal:
        out = terminal.rest()
        code = terminal.wait()
    expect(code == 0, f"exit code {code}: {out.decode()}")
    return out.decode().replace("\r\n", "\n")


def columns_of(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in ESCAPE.sub("", line))


def widths(bench):
    bench.make_store()
    seen = set()
    for width in (40, 60, 80, 100, 132, 300):
        lines = on_terminal(bench, width, bench.pprofctl, "report").split("\n")
        rule = next(i for i, line in enumerate(lines) if line.startswith("─"))
        table = lines[rule - 1:next(i for i, line in enumerate(lines) if i > rule and line == "")]
        expect(max(map(columns_of, table)) <= width, f"a line of the table is longer than {width}")
        expect("calls" in table[0] and "prompt" in table[0], "calls are always shown")
        seen.add(len(table[0].split()))
        everything = "\n".join(lines)
        expect(("Left out for the width" in everything) == (width <= 132), f"at {width} the columns left out are named")
    expect(len(seen) >= 5, f"wider terminals show more: {seen}")


def columns_variable_wins(bench):
    bench.make_store()
    lines = on_terminal(bench, 200, bench.pprofctl, "report", COLUMNS="60").split("\n")
    table = [line for line in lines if "@" in line or line.startswith("─")]
    expect(max(map(columns_of, table)) <= 60, "COLUMNS")


def colours(bench):
    bench.make_store()
    expect("\x1b[1m" in on_terminal(bench, 100, bench.pprofctl, "report"), "titles are bold on a terminal")
    expect("\x1b" not in on_terminal(bench, 100, bench.pprofctl, "report", NO_COLOR="1"), "NO_COLOR is honoured")
    expect("\x1b" not in on_terminal(bench, 100, bench.pprofctl, "report", TERM="dumb"), "a dumb terminal gets none")
    expect(b"\x1b" not in bench.run(bench.pprofctl, "report").stdout, "a pipe gets none")


def pipe_has_every_column(bench):
    bench.make_store()
    text = bench.run(bench.pprofctl, "report").stdout.decode()
    expect("decode" in text and "Left out" not in text, "nothing is left out where there is no width")


def outside_text_is_harmless(bench):
    """A preview with an escape sequence does not reach the terminal as one, in no format."""
    bench.make_store()
    for form in ("text", "md", "csv", "json"):
        out = bench.run(bench.pprofctl, "report", "--format", form).stdout
        expect(b"\x1b" not in out and b"[31mred" in out, form)


def collector_says_harmless_names(bench):
    """What pprofd says of paths and words that it was given cannot move a terminal: no escapes, no line breaks, no hidden or turning characters."""
    bad = "x\x1b[31m\u202ey\u009b1m\nz\u00fc"
    for words, code in ((["--store", f"/proc/none/{bad}.db", "--once"], 1), ([f"--{bad}"], 2), ([bad], 2), (["--socket", "/" + bad * 400], 2),
                        (["--store", f"{bench.scratch}/s.db", "--socket", f"/proc/none/{bad}"], 1)):
        done = bench.run(bench.bin / "pprofd", *words)
        said = done.stderr.decode()
        expect(done.returncode == code and said.startswith("pprofd: ") and said.count("\n") == 1, f"{words}: {done.returncode} {said!r}")
        expect(not any(c in said for c in "\x1b\u202e\u009b"), repr(said))
    done = bench.run(bench.bin / "pprofd", "--store", f"{bench.scratch}/{bad}.db", "--once")
    expect(done.returncode == 0 and b"x?[31m?y?1m z\xc3\xbc.db" in done.stderr and done.stderr.count(b"\n") == 1, repr(done.stderr))


if __name__ == "__main__":
    main([widths, columns_variable_wins, colours, pipe_has_every_column, outside_text_is_harmless, collector_says_harmless_names])
