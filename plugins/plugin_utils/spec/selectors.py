"""Find selectors: lines that other tools keep or drop by platform (optional in CEP 24), and that Lockstep refuses."""

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
    """Yield (line, column, selector) for selectors in comments (`- pywin32  # [win]`); both count from 1.

    Lines that are comments as a whole, and brackets with other words, are skipped.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        match = _COMMENT.search(line)
        if match and not line.lstrip().startswith("#") and _is_selector(match["expression"]):
            yield number, match.start() + 1, match[0].strip()


def is_key(word: str) -> bool:
    """Return whether the key of a dependency is a selector (`sel(linux): gxx_linux-64`)."""
    return bool(_KEY.match(word))


def _is_selector(expression: str) -> bool:
    words = expression.replace("(", " ").replace(")", " ").split()
    return bool(words) and set(words) <= _WORDS
