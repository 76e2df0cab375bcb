#!/usr/bin/env python3
"""One loader case per run: the same victim without and with libpprof.so, which must make no difference.

    run.py CASE --shim libpprof.so --bin DIRECTORY --cc COMPILER

Exit code 0: right, 1: wrong (says what), 77: this machine lacks what the case needs (says what).
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "..", "golden", "shim-symbols.txt")
HOOKS = os.path.join(HERE, "..", "..", "..", "shim", "tap", "curl", "hooks.def")
FILE_URL = "file:///etc/hostname"
GLIBC_MAX = (2, 34)
TIMEOUT_S = 240  # reload and follow take half a minute on a busy machine
MUSL = "/lib/ld-musl-x86_64.so.1"


class Wrong(Exception):
    pass


class Skip(Exception):
    pass


def run(command, preload=(), environment=None, **arguments):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("LIBPPROF_", "LD_"))}
    clean["LIBPPROF_SPOOL"] = "off"
    clean["LIBPPROF_SOCKET"] = "/nonexistent/pprofd.sock"
    clean.update(environment or {})
    if preload:
        clean["LD_PRELOAD"] = ":".join(preload)
    return subprocess.run(command, env=clean, capture_output=True, text=True, timeout=TIMEOUT_S, **arguments)


def expect(condition, message):
    if not condition:
        raise Wrong(message)


def same(command, shim, preload=(), **arguments):
    """Standard output and exit code without and with the shim; returns the second run."""
    without = run(command, preload, **arguments)
    expect(without.returncode in (0, 77), f"fails without the shim too: {without}")
    if without.returncode == 77:
        raise Skip(without.stderr.strip() or "the victim cannot run here")
    result = run(command, (shim, *preload), **arguments)
    expect(result.returncode == without.returncode, f"exit code {result.returncode} instead of {without.returncode}\n{result.stderr}")
    expect("cannot be preloaded" not in result.stderr, f"not loaded at all: {result.stderr}")
    expect(result.stdout == without.stdout, f"other output:\n{result.stdout}\ninstead of\n{without.stdout}")
    return result


def tool(name):
    path = shutil.which(name)
    if path is None:
        raise Skip(f"{name} is not installed")
    return path


def compiled(options, source, directory, name="victim", **arguments):
    program = os.path.join(directory, name)
    built = subprocess.run([*options, "-x", "c", "-", "-o", program], input=source, text=True, capture_output=True, **arguments)
    if built.returncode != 0:
        raise Skip(f"{' '.join(options)} cannot build: {built.stderr.strip().splitlines()[-1]}")
    return program


HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 3; }\n'


def symbols(options):
    with open(GOLDEN, encoding="utf-8") as golden:
        wanted = golden.read().split()
    text = run(["nm", "-D", "--defined-only", options.shim]).stdout
    names = sorted(line.split()[-1] for line in text.splitlines())
    expect(not [n for n in names if "@" in n], "an exported symbol carries a version: that switches interposition off")
    with open(HOOKS, encoding="utf-8") as hooks:
        listed = re.findall(r"^(?:HOOK0?|DRIVE|SETOPT)\([^,]+, (\w+),", hooks.read(), re.M)
    own = ["dlopen", "dlsym", "dlclose", "_exit", "_Exit"]  # the loader's and the process's ends
    expect(sorted(listed + own) == names, f"exports are not hooks.def and {own}: {sorted(set(listed + own) ^ set(names))}")
    expect(names == wanted, f"exported symbols changed: +{sorted(set(names) - set(wanted))} -{sorted(set(wanted) - set(names))}")


def needed(options):
    text = run(["readelf", "-dW", options.shim]).stdout
    libraries = re.findall(r"NEEDED.*\[(.*)\]", text)
    expect(libraries == ["libc.so.6"], f"needs {libraries}, not libc.so.6 alone")
    expect("NODELETE" in text and "NOW" in text, "not linked with -z nodelete and -z now")
    expect("TEXTREL" not in text, "has text relocations")
    symbols_text = run(["readelf", "--dyn-syms", "-W", options.shim]).stdout
    strangers = set(re.findall(r"UND (\w+)$", symbols_text, re.M)) - {"_ITM_deregisterTMCloneTable", "_ITM_registerTMCloneTable", "__gmon_start__"}
    expect(not strangers, f"left to whoever has them: {sorted(strangers)}")
    newest = max(tuple(map(int, v.split("."))) for v in re.findall(r"UND \S+@GLIBC_([\d.]+)", symbols_text))
    print("newest glibc version wanted: " + ".".join(map(str, newest)))
    expect(newest <= GLIBC_MAX, f"wants glibc {newest}")
    stack = [line for line in run(["readelf", "-lW", options.shim]).stdout.splitlines() if "GNU_STACK" in line]
    expect(stack and "RWE" not in stack[0], "asks for an executable stack")


def musl(options):
    if not os.path.exists(MUSL):
        raise Skip("musl is not installed")
    have = {line.split()[-1] for line in run(["nm", "-D", "--defined-only", MUSL]).stdout.splitlines()}
    want = {line.split()[-1].split("@")[0] for line in run(["nm", "-D", "--undefined-only", options.shim]).stdout.splitlines()
            if " U " in line}
    expect(want <= have, f"musl lacks {sorted(want - have)}: its programs would not start")
    with tempfile.TemporaryDirectory() as directory:
        program = compiled([tool("musl-gcc")], HELLO, directory)
        result = run([program], (options.shim,))
        expect((result.returncode, result.stdout, result.stderr) == (3, "hello\n", ""), f"musl program disturbed: {result}")
        source = """
            #include <dlfcn.h>
            #include <stdio.h>
            #include <unistd.h>
            int main(void) {
                void *self = dlopen(0, RTLD_NOW);
                printf("%d %d %d\\n", self != 0, dlsym(self, "printf") == (void *)printf, dlsym(RTLD_DEFAULT, "nothing") == 0);
                fflush(stdout);
                _exit(4);
            }"""
        program = compiled([tool("musl-gcc")], source, directory)
        expect(run([program]).stdout == "1 1 1\n", "the musl victim is wrong")
        log = run([program], (options.shim,), {"LIBPPROF_LOG": "stderr"})
        expect((log.returncode, log.stdout) == (4, "1 1 1\n"), f"musl program disturbed: {log}")
        expect("inert" in log.stderr, f"does not say that it is inert: {log.stderr}")


def secure(options):
    if os.geteuid() != 0:
        raise Skip("needs root to make a setuid program")
    source = """
        #include <stdio.h>
        #include <string.h>
        #include <sys/auxv.h>
        int main(void) {
            char line[4096];
            int mapped = 0;
            FILE *maps = fopen("/proc/self/maps", "r");
            while (maps != 0 && fgets(line, sizeof line, maps) != 0)
                mapped |= strstr(line, "libpprof.so") != 0;
            printf("%lu %d\\n", getauxval(AT_SECURE), mapped);
            return 0;
        }"""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        os.chmod(directory, 0o755)
        shim = shutil.copy(options.shim, directory)
        program = compiled([options.cc], source, directory)
        os.chmod(program, 0o755)
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
        plain = run([program], (shim,), **nobody)
        expect(plain.stdout == "0 1\n", f"not even loaded without the bit: {plain}")
        os.chmod(program, 0o4755)
        result = run([program], (shim,), **nobody)
        if result.stdout.startswith("0"):
            raise Skip("the file system ignores the setuid bit")
        expect(result.stdout == "1 0\n", f"loaded into a setuid program: {result}")


def runpath(options):
    result = same([os.path.join(options.bin, "loader_runpath")], options.shim)
    expect(result.stdout == "42\n", "the plugin was not found")


def answers(options):
    libc = run([options.cc, "-print-file-name=libc.so.6"]).stdout.strip()
    text = run(["nm", "-D", "--defined-only", libc]).stdout
    hooked = {"dlopen", "dlsym", "dlclose", "_exit", "_Exit"}
    names = sorted({line.split()[-1].split("@")[0] for line in text.splitlines() if " T " in line or " W " in line} - hooked)
    chosen = names[:: max(1, len(names) // 500)]
    expect(len(chosen) >= 500, f"only {len(chosen)} names to ask for")
    result = same([os.path.join(options.bin, "loader_answers")], options.shim, input="\n".join(chosen))
    expect(result.stdout.count("/libc") > 1000, "hardly anything was found: the comparison says nothing")
    expect("undefined symbol\nthen none" in result.stdout, "dlerror is not what it should be")
    expect(result.stdout.count("optional curl_easy_init none\nundefined symbol\n") == 4 and "there now" in result.stdout, result.stdout[-400:])


def plugin(options, name="plugin"):
    return os.path.join(options.bin, "plugins", f"libloader_{name}.so")


def reload(options):
    same([os.path.join(options.bin, "loader_reload"), plugin(options), FILE_URL], options.shim)


def namespace(options):
    same([os.path.join(options.bin, "loader_namespace")], options.shim)


def flavours(options):
    if not os.path.exists(plugin(options, "plugin_gnutls")):
        raise Skip("libcurl-gnutls is not installed")
    command = [os.path.join(options.bin, "loader_flavours"), plugin(options), plugin(options, "plugin_gnutls")]
    result = same(command, options.shim)
    expect(result.stdout.count("right") == 12, result.stdout)


def own_perform(options):
    result = same([os.path.join(options.bin, "loader_own_perform"), FILE_URL], options.shim)
    expect("own calls 1" in result.stdout, result.stdout)


def preloads(options):
    linked = [os.path.join(options.bin, "loader_linked"), "get", FILE_URL]
    wrapper = plugin(options, "wrapper")
    without = run(linked, (wrapper,))
    expect("wrapper: 1 performs" in without.stderr, f"the wrapper does not work: {without}")
    for order in ((options.shim, wrapper), (wrapper, options.shim)):
        result = run(linked, order)
        expect((result.returncode, result.stdout) == (without.returncode, without.stdout), f"{order}: {result}")
        expect("wrapper: 1 performs" in result.stderr, f"{order}: the other preload was left out: {result.stderr}")
    for name in ("libjemalloc.so.2", "libasan.so"):
        path = run([options.cc, f"-print-file-name={name}"]).stdout.strip()
        if os.path.isabs(path):
            for order in ((path, options.shim), (options.shim, path))[: 1 if "asan" in name else 2]:
                result = run(linked, order, {"ASAN_OPTIONS": "detect_leaks=0"})
                expect((result.returncode, result.stdout) == (without.returncode, without.stdout), f"{order}: {result}")


def deepbind(options):
    for name in ("plugin", "plugin_lazy"):
        for mode in ("now", "lazy"):
            command = [os.path.join(options.bin, "loader_deepbind"), plugin(options, name), FILE_URL, mode]
            without = run(command)
            expect("bound to libcurl" in without.stderr, f"DEEPBIND has no effect here: {without}")
            result = same(command, options.shim)
            expect("bound to libpprof.so" in result.stderr, f"{name} {mode}: not taken over: {result.stderr}")
            expect("read-only" in result.stdout, f"{name} {mode}: pages left writable")


def stable(options):
    same([os.path.join(options.bin, "loader_linked"), "stable", plugin(options)], options.shim)


def static(options):
    with tempfile.TemporaryDirectory() as directory:
        for flag in ("-static", "-static-pie"):
            program = compiled([options.cc, flag], HELLO, directory)
            result = run([program], (options.shim,))
            expect((result.returncode, result.stdout, result.stderr) == (3, "hello\n", ""), f"{flag}: {result}")


def missing(options):
    with tempfile.TemporaryDirectory() as directory:
        program = compiled([options.cc], HELLO, directory)
        result = run([program], (os.path.join(directory, "libpprof.so"),))
        expect((result.returncode, result.stdout) == (3, "hello\n"), f"{result}")
        expect("cannot be preloaded" in result.stderr, "the loader says nothing")


def bits32(options):
    with tempfile.TemporaryDirectory() as directory:
        program = compiled([options.cc, "-m32"], HELLO, directory)
        try:
            run([program], ())
        except OSError as error:
            print(f"SKIPPED: this kernel does not run 32-bit programs: {error}")
            sys.exit(77)
        result = run([program], (options.shim,))
        expect((result.returncode, result.stdout) == (3, "hello\n"), f"{result}")
        expect("wrong ELF class" in result.stderr, f"the loader says nothing: {result.stderr}")


def cleared(options):
    linked = os.path.join(options.bin, "loader_linked")
    same([linked, "cleared", FILE_URL], options.shim)
    result = subprocess.run([linked, "get", FILE_URL], env={"LD_PRELOAD": options.shim}, capture_output=True, timeout=TIMEOUT_S)
    expect(result.returncode == 0 and result.stderr == b"", f"with an empty environment: {result}")


def follow(options):
    wrapper = plugin(options, "wrapper")
    show = [tool("env")]
    for order in ((options.shim,), (wrapper, options.shim), (options.shim, wrapper), (options.shim, wrapper, options.shim)):
        kept = [line for line in run(show, order).stdout.splitlines() if line.startswith("LD_PRELOAD=")]
        expect(kept == ["LD_PRELOAD=" + ":".join(order)], f"changed without being asked: {kept}")
        result = run(show, order, {"LIBPPROF_FOLLOW": "0"})
        left = [line for line in result.stdout.splitlines() if line.startswith("LD_PRELOAD=")]
        expect(left == (["LD_PRELOAD=" + wrapper] if wrapper in order else []), f"{order}: {left}")
    result = run(["sh", "-c", "env"], (options.shim,), {"LIBPPROF_FOLLOW": "0"})
    expect("LD_PRELOAD" not in result.stdout, "the children are followed")


def leave(options):
    command = [os.path.join(options.bin, "loader_linked"), "leave", FILE_URL]
    result = run(command, (options.shim,))
    expect(result.returncode == 23 and result.stdout == run(command).stdout, f"{result}")


def remembers(options):
    """The place that a call comes from is looked up once."""
    result = same([os.path.join(options.bin, "loader_remembers")], options.shim)
    expect(result.stdout == "0 more\n" and "0 at first" not in result.stderr, f"{result}")


def vfork(options):
    same([os.path.join(options.bin, "loader_linked"), "vfork", "-"], options.shim)


def disabled(options):
    for value in ("1", "yes"):
        command = [os.path.join(options.bin, "loader_deepbind"), plugin(options), FILE_URL, "now"]
        result = same(command, options.shim, environment={"LIBPPROF_DISABLE": value})
        expect("bound to libcurl" in result.stderr, "does something though it is disabled")
        same([os.path.join(options.bin, "loader_linked"), "get", FILE_URL], options.shim, environment={"LIBPPROF_DISABLE": value})


def sessions(options):
    """Realtime sessions are said to be unseen, once, and only where the program is asked to talk; nobody listens on port 9."""
    curl = tool("curl")
    upgrade = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket"]
    for arguments, said in ((["http://127.0.0.1:9/v1/realtime", *upgrade], True), (["http://127.0.0.1:9/realtime/quotes"], False),
                            (["http://127.0.0.1:9/v1/realtime", "http://127.0.0.1:9/openai/realtime"], True), (["http://127.0.0.1:9/v1/models"], False)):
        command = [curl, "-s", "-m", "5", *arguments]
        without, quiet = run(command), run(command, (options.shim,))
        expect((quiet.returncode, quiet.stdout, quiet.stderr) == (without.returncode, without.stdout, without.stderr), f"{arguments}: disturbed: {quiet}")
        log = run(command, (options.shim,), {"LIBPPROF_LOG": "stderr"})
        expect(log.returncode == without.returncode, f"{arguments}: exit code {log.returncode}")
        expect(log.stderr.count("a session with a model") == said, f"{arguments}: {log.stderr}")


def crowd(options):
    """More copies of libcurl than there are places for: each works as alone, and what was not followed is said."""
    places = 8
    listed = run(["ldd", os.path.join(options.bin, "loader_linked")]).stdout
    libcurl = re.search(r"libcurl\S* => (\S+)", listed)[1]
    with tempfile.TemporaryDirectory() as directory:
        copies = [shutil.copy(libcurl, os.path.join(directory, f"copy{i}.so")) for i in range(places + 2)]
        program = os.path.join(options.bin, "loader_crowd")
        result = same([program, FILE_URL, *copies], options.shim)
        expect(result.stdout.count(": 0\n") == len(copies), result.stdout)
        for n, wanted in ((places, False), (places + 1, True), (places + 2, True)):
            record = [os.path.join(options.bin, "..", "pprofctl"), "record", "-o", os.path.join(directory, f"{n}.db"), "--"]
            said = run([*record, program, FILE_URL, *copies[:n]], environment={"LIBPPROF_SO": options.shim, "LIBPPROF_SPOOL": "", "LIBPPROF_SOCKET": ""})
            lost = re.search(r"(\d+) calls? that could not be followed", said.stderr)
            expect(said.returncode == 0 and (lost is not None) == wanted, f"{n} copies: {said}")
            expect(not wanted or "Nothing was lost" not in said.stderr, f"{n} copies: {said}")


CASES = [symbols, needed, musl, secure, runpath, answers, reload, namespace, flavours, own_perform, preloads, deepbind, stable, static,
         missing, bits32, cleared, follow, leave, vfork, disabled, sessions, crowd, remembers]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=[c.__name__ for c in CASES])
    parser.add_argument("--shim", required=True)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--cc", default="cc")
    options = parser.parse_args()
    try:
        next(c for c in CASES if c.__name__ == options.case)(options)
    except Wrong as wrong:
        print(f"{options.case}: {wrong}", file=sys.stderr)
        return 1
    except Skip as skip:
        print(f"{options.case}: not run: {skip}", file=sys.stderr)
        return 77
    return 0


if __name__ == "__main__":
    sys.exit(main())
