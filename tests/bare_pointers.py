#!/usr/bin/python3
"""Pointers that stand as a condition by themselves (`if (p)`, `!p`, `p && q`): here one writes `p != NULL`.
Usage: bare_pointers.py DIRECTORY FILE...

DIRECTORY holds compile_commands.json. Prints path:line: the pointer. Exit code 1 when there is one. Run by scripts/lint;
clang-tidy's check for it (readability-implicit-bool-conversion) knows C++ only. What a macro's body says is not looked at.
"""
import functools
import json
import shlex
import sys
from pathlib import Path

import clang.cindex as clang

ROOT = Path(__file__).resolve().parent.parent
KIND = clang.CursorKind


def inner(cursor):
    """Without parentheses and what the compiler puts in by itself."""
    while cursor.kind in (KIND.PAREN_EXPR, KIND.UNEXPOSED_EXPR):
        children = list(cursor.get_children())
        if len(children) != 1:
            break
        cursor = children[0]
    return cursor


def is_pointer(cursor):
    return inner(cursor).type.get_canonical().kind == clang.TypeKind.POINTER


def operator(cursor, left):
    """Of a binary operator, whose left side is given."""
    return next((token.spelling for token in cursor.get_tokens() if token.extent.start.offset >= left.extent.end.offset and token.spelling != ")"), "")


def conditions(cursor, children):
    """The children of the cursor that are asked for truth."""
    if cursor.kind in (KIND.IF_STMT, KIND.WHILE_STMT, KIND.CONDITIONAL_OPERATOR):
        return children[:1]
    if cursor.kind == KIND.DO_STMT:
        return children[-1:]
    if cursor.kind == KIND.FOR_STMT: # which of its parts are there is not said; a plain name can be the condition alone
        return [c for c in children[:-1] if inner(c).kind in (KIND.DECL_REF_EXPR, KIND.MEMBER_REF_EXPR)]
    if cursor.kind == KIND.UNARY_OPERATOR and children:
        first = next(cursor.get_tokens(), None)
        return children if first is not None and first.spelling == "!" else []
    if cursor.kind == KIND.BINARY_OPERATOR and len(children) == 2 and operator(cursor, children[0]) in ("&&", "||"):
        return children
    return []


def find(cursor, found):
    children = list(cursor.get_children())
    for child in filter(is_pointer, conditions(cursor, children)):
        place, first = child.extent, next(child.get_tokens(), None)
        path = Path(place.start.file.name).resolve()
        text = path.read_bytes()[place.start.offset:place.end.offset].decode(errors="replace")
        if first is not None and text.startswith(first.spelling): # else it is a macro's
            found.add((str(path.relative_to(ROOT)), place.start.line, text))
    for child in children:
        find(child, found)


@functools.cache
def is_ours(name):
    return Path(name).resolve().is_relative_to(ROOT)


def main():
    commands = {entry["file"]: entry["command"] for entry in json.loads((Path(sys.argv[1]) / "compile_commands.json").read_text())}
    index, found = clang.Index.create(), set()
    seen_by = {}  # of each place in our files the first source that had it: what headers say is looked at once
    for name in sys.argv[2:]:
        words = shlex.split(commands[name])
        arguments = [w for i, w in enumerate(words) if w.startswith(("-D", "-I", "-std")) or "-isystem" in words[max(i - 1, 0):i + 1]]
        for cursor in index.parse(name, args=arguments).cursor.get_children():
            file = cursor.location.file
            if file is not None and seen_by.setdefault((file.name, cursor.extent.start.offset), name) == name and is_ours(file.name):
                find(cursor, found)
    for path, line, text in sorted(found):
        print(f"{path}:{line}: {text}: a pointer is compared with NULL")
    sys.exit(bool(found))


main()
