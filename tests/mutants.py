"""Mutants of C files, all in one program: scripts/mutate draws, builds and tries them. Needs clang's Python bindings.

A mutant is one changed token: a comparison, a logical operator, an arithmetic one, a constant, or a statement that is left out. The changed and the
unchanged form stand beside each other in the source, and MUTANT(n) says at run time which of them holds; so one build serves all mutants, and the
tests that never reach one need not run for it.

HEADER goes before every mutated file. It maps a file whose path is compiled in: the number of the mutant that holds (0: none), then one byte for each
mutant, set when it is reached. No environment variable, as tests give the programs that they start an environment of their own; and system calls of its
own on x86-64, as code of the loader runs before the C library may be called.
"""
import hashlib
import re

import clang.cindex as clang

HEADER = r"""
#ifndef PPROF_MUTANTS
#define PPROF_MUTANTS
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
static inline long mutant_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}
#else
#define mutant_call syscall
#endif
__attribute__((weak, visibility("hidden"))) unsigned char *pprof_mutants;
__attribute__((weak, visibility("hidden"))) int pprof_mutants_tried;
__attribute__((weak, visibility("hidden"), constructor(101), no_sanitize("address", "undefined"))) void pprof_mutants_map(void)
{
    if (pprof_mutants_tried++)
        return;
    const long fd = mutant_call(SYS_openat, AT_FDCWD, (long)MUTANTS_FILE, O_RDWR | O_CLOEXEC, 0, 0, 0);
    if (fd < 0)
        return;
    const long map = mutant_call(SYS_mmap, 0, MUTANTS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map > 0)
        pprof_mutants = (unsigned char *)map;
    mutant_call(SYS_close, fd, 0, 0, 0, 0, 0);
}
__attribute__((no_sanitize("address", "undefined"))) static inline int MUTANT(unsigned number)
{
    if (!pprof_mutants) {
        pprof_mutants_map();
        if (!pprof_mutants)
            return 0;
    }
    pprof_mutants[4 + number] = 1;
    return *(const volatile unsigned *)pprof_mutants == number;
}
#endif
"""

COMPARISON = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
LOGIC = {"&&": "||", "||": "&&"}
ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "<<": ">>", ">>": "<<", "&": "|", "|": "&"}
KINDS = ("comparison", "logic", "arithmetic", "constant", "statement")

_K = clang.CursorKind
_LEFT_OUT = (_K.CALL_EXPR, _K.BINARY_OPERATOR, _K.COMPOUND_ASSIGNMENT_OPERATOR, _K.UNARY_OPERATOR, _K.BREAK_STMT, _K.CONTINUE_STMT)
_BODIES = (_K.COMPOUND_STMT, _K.IF_STMT, _K.FOR_STMT, _K.WHILE_STMT)
_FIELDS = ("name", "kind", "begin", "end", "line", "function", "body", "said", "changed", "id")


class Site:
    """A place that can be changed. `begin` and `end`: in bytes of the file `name`; `said`: the change in words; `changed`: how the changed form reads;
    `body`: a hash of the function's text; `id`: what tells the mutant from all others for as long as its line stays."""

    def __init__(self, *values):
        for field, value in zip(_FIELDS, values, strict=True):
            setattr(self, field, value)

    def values(self):
        return [getattr(self, field) for field in _FIELDS]

    def __str__(self):
        return f"{self.name}:{self.line} {self.id.split(' ', 1)[1]}"

    def text(self, source, number):
        old, new = source[self.begin:self.end], self.changed.encode()
        if self.kind == "statement":
            return b"{ if (!MUTANT(%du)) " % number + old + b" }"
        return b"(MUTANT(%du) ? " % number + new + b" : " + old + b")"


class _File:
    def __init__(self, path, name, unit):
        self.path, self.name, self.source = path, name, path.read_bytes()
        self.macros = [self.extent(c) for c in unit.cursor.get_children() if c.kind == _K.MACRO_INSTANTIATION and self.is_here(c)]
        self.sites, self.seen = [], {}
        for cursor in unit.cursor.get_children():
            if cursor.kind == _K.FUNCTION_DECL and self.is_here(cursor) and cursor.is_definition():
                begin, end = self.extent(cursor)
                self.function, self.body = cursor.spelling, hashlib.sha256(self.source[begin:end]).hexdigest()[:16]
                self.walk([c for c in cursor.get_children() if c.kind == _K.COMPOUND_STMT], cursor)

    def is_here(self, cursor):
        return cursor.location.file is not None and cursor.location.file.name == str(self.path)

    @staticmethod
    def extent(cursor):
        return cursor.extent.start.offset, cursor.extent.end.offset

    def in_macro(self, begin, end):
        """Is it written by a macro, or cut by one? What holds whole macros can be changed."""
        return any(b < end and begin < e and not (begin <= b and e <= end and (begin, end) != (b, e)) for b, e in self.macros)

    def add(self, kind, begin, end, at, said, changed):
        """`at`: where the changed token stands."""
        if begin >= end or self.in_macro(begin, end):
            return
        first = self.source.rfind(b"\n", 0, at) + 1
        text = " ".join(self.source[first:self.source.find(b"\n", at)].decode(errors="replace").split())
        told = f"{self.path.name} {self.function}: {said}" + ("" if kind == "statement" else f" | {text}")
        self.seen[told] = self.seen.get(told, 0) + 1
        if self.seen[told] > 1:
            told += f" #{self.seen[told]}"
        line = self.source.count(b"\n", 0, at) + 1
        self.sites.append(Site(self.name, kind, begin, end, line, self.function, self.body, said, changed.decode(errors="replace"), told))

    def binary(self, cursor):
        begin, end = self.extent(cursor)
        operands = list(cursor.get_children())
        if len(operands) != 2:
            return
        (_, left), (right, _) = map(self.extent, operands)
        between = re.sub(rb"/\*.*?\*/", lambda m: b" " * len(m[0]), self.source[left:right], flags=re.S)
        said = between.strip().decode(errors="replace")
        at = left + between.find(between.strip())
        pointers = any(c.type.get_canonical().kind in (clang.TypeKind.POINTER, clang.TypeKind.CONSTANTARRAY) for c in operands)
        for kind, table in (("comparison", COMPARISON), ("logic", LOGIC), ("arithmetic", ARITHMETIC)):
            if said in table and not (kind == "arithmetic" and pointers):
                changed = self.source[begin:at] + table[said].encode() + self.source[at + len(said):end]
                self.add(kind, begin, end, at, f"{said} -> {table[said]}", changed)

    def negation(self, cursor):
        begin, end = self.extent(cursor)
        if self.source[begin:begin + 1] == b"!":
            self.add("logic", begin, end, begin, "! dropped", b"(_Bool)(" + self.source[begin + 1:end] + b")")

    def constant(self, cursor):
        begin, end = self.extent(cursor)
        said = self.source[begin:end].decode(errors="replace")
        self.add("constant", begin, end, begin, f"{said} -> {said} + 1", f"({said} + 1)".encode())

    def statement(self, cursor):
        begin, end = self.extent(cursor)
        rest = self.source[end:end + 40]
        if rest.lstrip()[:1] == b";":
            end += rest.index(b";") + 1
            said = b" ".join(self.source[begin:end].split()).decode(errors="replace")
            self.add("statement", begin, end, begin, f"dropped {said[:100]}", b"")

    def look(self, cursor, parent):
        if cursor.kind == _K.CASE_STMT:  # its value must be constant
            self.walk(list(cursor.get_children())[1:], cursor)
            return
        if cursor.kind == _K.VAR_DECL:
            if cursor.storage_class != clang.StorageClass.STATIC:  # nor is an array's length a token that tests could notice
                begin, end = self.extent(cursor)
                value = self.source.find(b"=", begin, end)
                self.walk([c for c in cursor.get_children() if 0 <= value < self.extent(c)[0]], cursor)
            return
        if cursor.kind in (_K.STATIC_ASSERT, _K.ENUM_DECL, _K.STRUCT_DECL, _K.CXX_UNARY_EXPR):  # the last: sizeof, which evaluates nothing
            return
        if parent.kind in _BODIES and cursor.kind in _LEFT_OUT and self.is_statement(cursor, parent):
            self.statement(cursor)
        if cursor.kind == _K.BINARY_OPERATOR:
            self.binary(cursor)
        elif cursor.kind == _K.UNARY_OPERATOR:
            self.negation(cursor)
        elif cursor.kind == _K.INTEGER_LITERAL:
            self.constant(cursor)
        self.walk(cursor.get_children(), cursor)

    @staticmethod
    def is_statement(cursor, parent):
        """Not a condition, nor what a loop's head does."""
        within = list(parent.get_children())
        return parent.kind == _K.COMPOUND_STMT or cursor == within[-1] or (parent.kind == _K.IF_STMT and cursor != within[0])

    def walk(self, cursors, parent):
        for cursor in cursors:
            self.look(cursor, parent)


def sites(path, name, arguments):
    """Every place of the file `path` that can be changed; `name`: as it is told; `arguments` of its compiler."""
    unit = clang.Index.create().parse(str(path), args=arguments, options=clang.TranslationUnit.PARSE_DETAILED_PROCESSING_RECORD)
    worst = [d for d in unit.diagnostics if d.severity >= clang.Diagnostic.Error]
    if worst:
        raise ValueError(f"{name}: {worst[0]}")
    return _File(path, name, unit).sites


def draw(all_sites, count, seed, without=()):
    """`count` sites that do not lie in each other: each kind as often as the others, however common. Decided by a hash of each mutant's id, so that a
    change elsewhere leaves the others drawn. `without`: ids that cannot be built."""
    def dice(site):
        return hashlib.sha256(f"{seed} {site.id}".encode()).digest()

    heaps = [sorted((s for s in all_sites if s.kind == kind and s.id not in without), key=dice, reverse=True) for kind in KINDS]
    chosen = []
    while len(chosen) < count and any(heaps):
        for heap in heaps:
            while heap and len(chosen) < count:
                site = heap.pop()
                if all(site.end <= other.begin or other.end <= site.begin for other in chosen if other.name == site.name):
                    chosen.append(site)
                    break
    return chosen


def numbered(chosen, most):
    """{number from 1 to `most`: site}; a mutant's number depends on its id, so that little is compiled again when others come and go."""
    numbers = {}
    for site in sorted(chosen, key=lambda s: s.id):
        number = int.from_bytes(hashlib.sha256(site.id.encode()).digest()[:4], "little") % most + 1
        while number in numbers:
            number = number % most + 1
        numbers[number] = site
    return numbers


def mutated(source, numbers):
    """The file's text with the mutants {number: site}."""
    for number, site in sorted(numbers.items(), key=lambda item: -item[1].begin):
        source = source[:site.begin] + site.text(source, number) + source[site.end:]
    return source
