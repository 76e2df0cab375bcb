#!/usr/bin/python3
"""What scripts/lint remembers, and what makes it look again: on a small tree of its own, with a clang-tidy that writes down what it is asked. Usage:
lint_remembers.py. Exit code 77: a checker is not installed.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TAKEN = ("scripts/lint", "tests/bare_pointers.py", ".clang-tidy", ".clang-format", ".gitignore", ".ci/run")
DIVIDED = "static inline int one(void)\n{\n    const int none = 0;\n    return 1 / none;\n}\n"
SOUND = "static inline int one(void)\n{\n    return 1;\n}\n"
BARE = "static inline int one(void)\n{\n    const char *const name = \"x\";\n    return name ? 1 : 0;\n}\n"
SOURCE = '/* {0}. */\n#include "{1}"\nint {0}(void);\nint {0}(void)\n{{\n    return one();\n}}\n'


class Tree:
    """shim/a.c includes shim/inner.h by way of shim/outer.h; span/b.c nothing of ours."""

    def __init__(self, path):
        self.path = Path(path)
        for name in TAKEN:
            self.write(name, (ROOT / name).read_text())
            (self.path / name).chmod(0o755)
        self.write("scripts/say", "#!/usr/bin/env bash\necho \"$1\"\n")
        self.write("shim/a.c", SOURCE.format("a", "shim/outer.h"))
        self.write("shim/outer.h", '/* Outer. */\n#include "shim/inner.h"\n')
        self.write("shim/inner.h", SOUND)
        self.write("span/b.c", "/* b. */\nint b(void);\nint b(void)\n{\n    return 2;\n}\n")
        self.compile("")
        self.write("bin/clang-tidy", f'#!/bin/sh\nfor last; do :; done\necho "$last" >>{self.path}/asked\nexec {shutil.which("clang-tidy")} "$@"\n')
        (self.path / "bin/clang-tidy").chmod(0o755)
        subprocess.run(["git", "init", "-q"], cwd=self.path, check=True)

    def write(self, name, text):
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text)

    def compile(self, defined):
        entries = [{"directory": str(self.path), "file": str(self.path / name), "command": f"/usr/bin/cc {defined} -I{self.path} -o x.o -c {self.path / name}"}
                   for name in ("shim/a.c", "span/b.c")]
        self.write("build/compile_commands.json", json.dumps(entries))

    def lint(self):
        """Exit code, what it said, and which sources clang-tidy was asked about."""
        self.write("asked", "")
        done = subprocess.run([self.path / "scripts/lint", self.path / "build"], cwd=self.path, capture_output=True, text=True,
                              env={**os.environ, "PATH": f"{self.path}/bin:{os.environ['PATH']}"})
        return done.returncode, done.stdout + done.stderr, sorted(Path(line).name for line in (self.path / "asked").read_text().split())


def missing():
    try:
        import clang.cindex  # noqa: F401
    except ImportError:
        return "python3-clang"
    return next((tool for tool in ("clang-tidy", "clang-format", "shellcheck", "git", "cc") if shutil.which(tool) is None), None)


def steps(tree):
    """What is done to the tree; the exit code then, a word of the output, and which sources clang-tidy must be asked about."""
    both = ["a.c", "b.c"]
    yield "a clean checkout", lambda: None, 0, "2 sources", both
    yield "nothing changed", lambda: None, 0, "2 sources", []
    yield "a fault in a header that a header includes", lambda: tree.write("shim/inner.h", DIVIDED), 1, "Division by zero", ["a.c"]
    yield "the fault is still there", lambda: None, 1, "Division by zero", ["a.c"]
    yield "the header as it was", lambda: tree.write("shim/inner.h", SOUND), 0, "0 with faults", []
    yield "a pointer as a condition in the header", lambda: tree.write("shim/inner.h", BARE), 1, "compared with NULL", ["a.c"]
    yield "again, and the rest of it sound", lambda: None, 1, "compared with NULL", []
    yield "the compiler is told otherwise", lambda: (tree.write("shim/inner.h", f"#ifdef OTHER\n{DIVIDED}#else\n{SOUND}#endif\n"), tree.compile("-DOTHER")), \
        1, "Division by zero", both
    yield "told as before", lambda: tree.compile(""), 0, "0 with faults", both
    yield "other checks", lambda: tree.write(".clang-tidy", (tree.path / ".clang-tidy").read_text() + "# \n"), 0, "0 with faults", both
    yield "another clang-tidy", lambda: tree.write("bin/clang-tidy", (tree.path / "bin/clang-tidy").read_text() + "# \n"), 0, "0 with faults", both
    yield "a layout", lambda: tree.write("span/c.h", "/* C. */\nint  c;\n"), 1, "clang-format", []
    yield "the layout still", lambda: None, 1, "clang-format", []
    yield "the layout right", lambda: tree.write("span/c.h", "/* C. */\nint c;\n"), 0, "0 with faults", []
    yield "another layout is wanted", lambda: tree.write(".clang-format", "BasedOnStyle: LLVM\nIndentWidth: 3\n"), 1, "clang-format", []
    yield "the usual one", lambda: tree.write(".clang-format", (ROOT / ".clang-format").read_text()), 0, "0 with faults", []
    yield "a fault in a script", lambda: tree.write("scripts/say", "#!/usr/bin/env bash\necho $1\n"), 1, "SC2086", []
    yield "the script still", lambda: None, 1, "SC2086", []


def main():
    lacks = missing()
    if lacks:
        print(f"SKIPPED: there is no {lacks}")
        return 77
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        tree = Tree(directory)
        for name, change, code, word, asked in steps(tree):
            change()
            got = tree.lint()
            right = got[0] == code and word in got[1] and got[2] == asked
            failed += not right
            print(f"{'ok  ' if right else 'FAIL'} {name}" + ("" if right else f": exit code {got[0]}, asked about {got[2]} instead of {asked}: {got[1][-600:]}"))
    return failed > 0


sys.exit(main())
