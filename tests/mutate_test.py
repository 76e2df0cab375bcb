#!/usr/bin/python3
"""scripts/mutate on a small tree of its own: which changes it makes, which of them it calls noticed, what it remembers. Usage: mutate_test.py
Skipped (77) where a user may make no namespaces."""
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
APART = ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", "--mount-proc"]

TOY = """/* What is mutated. */
#include "span/toy.h"
#define LIMIT 9
int toy_clamp(int value)
{
    static const int kept = 3;
    char room[4] = {[1] /* which cannot be built; the 4 is no site */
                    = 1};
    _Static_assert(sizeof room == 4, "");
    if (value < 0)
        return LIMIT - kept;
    switch (value) {
    case 5:
        value = 6;
        break;
    default:
        break;
    }
    return value > LIMIT || !room[1] ? LIMIT : value;
}
int toy_forgotten(int value)
{
    return value * 2;
}
"""
TEST = """/* What notices. */
#include "span/toy.h"
int main(void)
{
    return !(toy_clamp(-1) == 6 && toy_clamp(5) == 6 && toy_clamp(2) == 2 && toy_clamp(7) == 7 && toy_clamp(20) == 9%s);
}
"""
CMAKE = """cmake_minimum_required(VERSION 3.25)
project(toy C)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
enable_testing()
add_executable(test_toy test_toy.c span/toy.c)
target_include_directories(test_toy PRIVATE ${CMAKE_SOURCE_DIR})
add_test(NAME unit/toy COMMAND test_toy)
add_test(NAME unit/broken COMMAND false)
"""
# Those that are drawn: of two that lie in each other one.
SITES = """\
span/toy.c:11 toy_clamp: - -> + | return LIMIT - kept;
span/toy.c:14 toy_clamp: 6 -> 6 + 1 | value = 6;
span/toy.c:15 toy_clamp: dropped break;
span/toy.c:19 toy_clamp: ! dropped | return value > LIMIT || !room[1] ? LIMIT : value;
span/toy.c:19 toy_clamp: > -> >= | return value > LIMIT || !room[1] ? LIMIT : value;
span/toy.c:23 toy_forgotten: * -> / | return value * 2;
span/toy.c:7 toy_clamp: 1 -> 1 + 1 | char room[4] = {[1] /* which cannot be built; the 4 is no site */
span/toy.c:8 toy_clamp: 1 -> 1 + 1 | = 1};
span/toy.c:10 toy_clamp: < -> <= | if (value < 0)
"""
NOT_NOTICED = {
    "span/toy.c:15 toy_clamp: dropped break;",
    "span/toy.c:19 toy_clamp: > -> >= | return value > LIMIT || !room[1] ? LIMIT : value;",
    "span/toy.c:23 toy_forgotten: * -> / | return value * 2;",
    "span/toy.c:8 toy_clamp: 1 -> 1 + 1 | = 1};",
    "span/toy.c:10 toy_clamp: < -> <= | if (value < 0)",
}
EQUIVALENT = """\
toy.c toy_clamp: dropped break;	nothing follows it
toy.c toy_clamp: > -> >= | return value > LIMIT || !room[1] ? LIMIT : value;	either is LIMIT
toy.c toy_clamp: 1 -> 1 + 1 | = 1};	neither is 0
"""


def mutate(tree, *arguments):
    done = subprocess.run([tree / "scripts/mutate", "100", "1", *arguments], cwd=tree, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def wants(what, holds, said):
    if not holds:
        sys.exit(f"mutate_test: {what}\n{said}")


def main():
    root = [] if subprocess.run(["id", "-u"], capture_output=True, text=True).stdout == "0\n" else ["--user", "--map-current-user", "--keep-caps"]
    if subprocess.run([*APART, *root, "true"], capture_output=True).returncode:
        print("mutate_test: SKIPPED, namespaces of one's own are not allowed here")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in ("scripts", "tests", "span"):
            (tree / name).mkdir()
        for name in ("scripts/mutate", "scripts/setup", "scripts/packages", "tests/mutants.py"):
            shutil.copy(ROOT / name, tree / name)
        (tree / ".gitignore").write_text("/build/\n__pycache__/\n")
        (tree / "span/toy.c").write_text(TOY)
        (tree / "span/toy.h").write_text("/* Both. */\nint toy_clamp(int value);\nint toy_forgotten(int value);\n")
        (tree / "test_toy.c").write_text(TEST % "")
        (tree / "CMakeLists.txt").write_text(CMAKE)
        subprocess.run(["git", "init", "-q"], cwd=tree, check=True)

        status, said = mutate(tree, "--list")
        wants("the sites", status == 0 and sorted(said.splitlines()) == sorted(SITES.splitlines()), said)

        status, said = mutate(tree)
        missed = {line.split(": ", 1)[1] for line in said.splitlines() if line.startswith("NOT NOTICED")}
        wants("the survivors", missed == NOT_NOTICED, said)
        wants("the count", status == 1 and "3 of 8 noticed (37.5 %), 0 more change nothing" in said, said)
        wants("what no test reaches", "NOT NOTICED, no test reaches it: span/toy.c:23" in said, said)
        wants("a test that fails by itself", "left out, as it fails without a mutant: unit/broken" in said, said)

        (tree / "tests/mutants_equivalent.txt").write_text(EQUIVALENT)
        (tree / "test_toy.c").write_text(TEST % " && toy_clamp(0) == 0 && toy_forgotten(3) == 6")
        status, said = mutate(tree)
        wants("tries those alone that were not noticed", "toy_clamp: 6 -> 6 + 1" not in said and "toy_forgotten: * -> / | return value * 2;: unit/toy" in said, said)
        wants("the goal", "5 of 5 noticed (100.0 %), 3 more change nothing" in said and status == 0, said)
    print("mutate_test: holds")


main()
