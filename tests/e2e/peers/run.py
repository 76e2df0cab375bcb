#!/usr/bin/python3
"""scripts/peers on made-up trees whose tests end as told: it must notice a difference, name it, tell it from a test that is unsteady by itself, bear a
suite that hangs and servers that outlive theirs, and say which tree is missing."""
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import harness  # noqa: E402
from harness import SOURCE, expect  # noqa: E402

# Each prints the outcomes of its suite's own format; $1 and on: the tests that were asked for. {body} decides by LD_PRELOAD.
RUNTESTS = """#!/usr/bin/perl
my @asked = grep {{ /^[0-9]+$/ }} @ARGV;
my $armed = ($ENV{{LD_PRELOAD}} // "") ne "";
sub test {{ my ($n, $outcome) = @_; print "$outcome: $n - made up\\n" if !@asked || grep {{ $_ == $n }} @asked; }}
$| = 1;
{body}
"""
PYTHON = """#!/bin/sh
[ -n "$LD_PRELOAD" ] && armed=1
echo "PASSED tests/a.py::Test::one"
{body}
"""
SAME = 'test(1, "PASS"); test(2, "FAIL"); test(3, "SKIP");'
DIFFERENT = 'test(1, "PASS"); test(2, $armed ? "FAIL" : "PASS");'
MISSED = 'test(1, "PASS"); test(2, "PASS") unless $armed;'
UNSTEADY = 'open(my $f, ">>", "turns"); print $f "x"; close $f; test(1, "PASS"); test(2, (-s "turns") % 3 ? "PASS" : "FAIL");'
SERVES = 'if (!fork()) { sleep 600; exit 0; } test(1, -e ".http_server.pid" ? "FAIL" : "PASS"); open(my $f, ">", ".http_server.pid");'
HANGS = 'test(1, "PASS"); sleep 600; test(2, "PASS");'


def write(path, text, mode=0o755):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def curl_tree(directory, body):
    write(directory / "tests/runtests.pl", RUNTESTS.format(body=body))
    write(directory / "src/curl", "")
    return directory


def peers(scratch, *arguments):
    """peers needs BUILD/lib/libpprof.so and BUILD/bin/pprofd; those of this build may lie elsewhere."""
    build = scratch / "build"
    if not build.exists():
        (build / "lib").mkdir(parents=True)
        (build / "lib/libpprof.so").symlink_to(harness.SHIM)
        (build / "bin").symlink_to(harness.BIN)
    done = subprocess.run([SOURCE / "scripts/peers", "--build", build, "--keep", scratch / "kept", *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def test_no_difference():
    with harness.Scratch() as scratch:
        code, out, err = peers(scratch, "--curl", curl_tree(scratch / "curl", SAME))
        expect(code == 0 and not err and "3 tests (1 FAIL, 1 PASS, 1 SKIP), 0 different" in out, f"{code} {out} {err}")


def test_difference():
    with harness.Scratch() as scratch:
        for name, body, said in (("a", DIFFERENT, "2: PASS without the shim, FAIL with it\n"), ("b", MISSED, "2: PASS without the shim, None with it\n")):
            code, out, err = peers(scratch, "--curl", curl_tree(scratch / name, body))
            expect(code == 1 and not err and said in out and "1 different" in out, f"{code} {out} {err}")


def test_unsteady():
    with harness.Scratch() as scratch:
        code, out, err = peers(scratch, "--again", "3", "--curl", curl_tree(scratch / "curl", UNSTEADY))
        expect(code == 0 and not err and ("unsteady: not counted" in out or "0 unsteady" in out), f"{code} {out} {err}")
        expect("0 different" in out, out)


def test_suite_that_hangs():
    with harness.Scratch() as scratch:
        code, out, err = peers(scratch, "--seconds", "2", "--curl", curl_tree(scratch / "curl", HANGS))
        expect(code == 0 and not err and out.count("stopped after 2 s") == 2 and "1 tests (1 PASS)" in out, f"{code} {out} {err}")


def test_suite_that_breaks_off():
    with harness.Scratch() as scratch:
        for name, body, said in (("whole", SAME + ' print "TESTDONE: 3 tests\\n";', 0), ("broken", SAME, 2)):
            code, out, err = peers(scratch, "--curl", curl_tree(scratch / name, body))
            expect(code == 0 and not err and out.count("the suite broke off") == said, f"{name}: {code} {out} {err}")


def test_servers_that_are_left():
    """A server that outlives its suite holds nothing up, and its number, which may be another's by now, is not there for the next run to kill."""
    with harness.Scratch() as scratch:
        code, out, err = peers(scratch, "--seconds", "30", "--curl", curl_tree(scratch / "curl", SERVES))
        expect(code == 0 and not err and "stopped after" not in out and "1 tests (1 PASS), 0 different" in out, f"{code} {out} {err}")


def test_other_suites():
    with harness.Scratch() as scratch:
        write(scratch / "python", PYTHON.format(body='[ -n "$armed" ] && echo "FAILED tests/a.py::Test::two - x" || echo "PASSED tests/a.py::Test::two"'))
        write(scratch / "pycurl/tests/a.py", "")
        (scratch / "pycurl/build/lib.here").mkdir(parents=True)
        php = 'echo "PASS Test curl_init [ext/curl/tests/a.phpt] "\n[ -n "$LD_PRELOAD" ] && o=FAIL || o=PASS\necho "$o More [b] [ext/curl/tests/b.phpt] "\n'
        write(scratch / "php/sapi/cli/php", "#!/bin/sh\n" + php)
        write(scratch / "php/run-tests.php", "")
        write(scratch / "php/ext/curl/tests/a.phpt", "")
        code, out, err = peers(scratch, "--python", scratch / "python", "--pycurl", scratch / "pycurl", "--php", scratch / "php")
        expect(code == 1 and not err, f"{code} {out} {err}")
        expect("tests/a.py::Test::two: PASSED without the shim, FAILED with it" in out and "pycurl: 2 tests (2 PASSED), 1 different" in out, out)
        expect("ext/curl/tests/b.phpt: PASS without the shim, FAIL with it" in out and "php: 2 tests (2 PASS), 1 different" in out, out)


def test_missing():
    with harness.Scratch() as scratch:
        tree = curl_tree(scratch / "curl", SAME)
        silent = curl_tree(scratch / "silent", "")
        (scratch / "php").mkdir()
        os.makedirs(scratch / "pycurl/tests")
        for arguments, said in ((["--curl", scratch / "nothing"], "nothing is not there"), (["--php", scratch / "php"], "run-tests.php is not there"),
                                (["--pycurl", scratch / "pycurl"], "build the tree first"), (["--curl", silent], "ran no test"), ([], "name at least one"),
                                (["--curl", tree, "--build", scratch], "build it first")):
            code, out, err = peers(scratch, *arguments)
            expect(code == 2 and said in err, f"{arguments}: {code} {out} {err}")


TESTS = {"no_difference": test_no_difference, "difference": test_difference, "unsteady": test_unsteady, "suite_that_hangs": test_suite_that_hangs,
         "suite_that_breaks_off": test_suite_that_breaks_off, "servers_that_are_left": test_servers_that_are_left,
         "other_suites": test_other_suites, "missing": test_missing}

if __name__ == "__main__":
    harness.main(TESTS)
