"""Selectors: lines that other tools keep or drop by platform (the optional part of CEP 24). Here every line counts."""

from __future__ import annotations

import re
from collections.abc import Iterator

_COMMENT = re.compile(r"#[ ]?\[(?P<expression>[^\[\]]+)\]\s*\Z")
_KEY = re.compile(r"sel\([^()]*\)\Z")
_WORDS = frozenset({
    "and", "or", "not", "linux", "osx", "win", "unix", "linux32", "linux64", "osx64", "win32", "win64", "x86", "x86_64",
    "x64", "arm64", "aarch64", "armv6l", "armv7l", "ppc64le", "s390x", "riscv64",
})  # fmt: skip


def comments(text: str) -> Iterator[tuple[int, int, str]]:
    """Find selectors in comments (`- pywin32  # [win]`) as (line, column, selector), both counted from 1.

    A whole line in a comment has none, nor has a remark in brackets of other words.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        found = _COMMENT.search(line)
        if found and not line.lstrip().startswith("#") and _is_selector(found["expression"]):
            yield number, found.start() + 1, found[0].strip()


def is_key(word: str) -> bool:
    """Whether the key of a dependency is a selector (`sel(linux): gxx_linux-64`)."""
    return bool(_KEY.match(word))


def _is_selector(expression: str) -> bool:
    words = expression.replace("(", " ").replace(")", " ").split()
    return bool(words) and set(words) <= _WORDS
