"""The tables of messages in the docs: the code has each of these messages."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support.paths import CHECKOUT

OPEN = "\0"  # where the code fills something in

FILLED_IN = re.compile(r"\b[A-Z]{2,}\b|\b[AB]\b|\.\.\.|[0-9]+(?:\.[0-9]+)?|\b(?:dev|test|prod|names)\b|->|, ")
"""Placeholders in the docs for values that the code fills in, and the separators of joined messages."""


def said(node: ast.AST) -> Iterator[str]:
    """Every text of a program, `OPEN` where a value goes."""
    for part in ast.walk(node):
        if isinstance(part, ast.JoinedStr):
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else OPEN for p in part.values)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


@pytest.fixture(scope="module")
def texts() -> str:
    files = [*(CHECKOUT / "plugins").rglob("*.py")]
    found = [text for file in files for text in said(ast.parse(file.read_text(encoding="utf-8")))]
    return "\n".join([*found, *(p.read_text(encoding="utf-8") for p in (CHECKOUT / "playbooks").glob("*.yml"))])


def messages(name: str) -> list[str]:
    """The messages of a page's table on refusals or failures, in the order of the page."""
    page = (CHECKOUT / "docs" / "how-to" / name).read_text(encoding="utf-8")
    table = re.split(r"^## When it (?:refuses|fails)$", page, flags=re.MULTILINE)[1]
    first = re.findall(r"^\| (.*?) \|", table.split("\n## ")[0], re.MULTILINE)
    return [message for cell in first for message in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize(
    ("name", "least"), [("promote.md", 9), ("roll-back.md", 9), ("air-gap.md", 9), ("update.md", 5)]
)
def test_what_the_docs_quote_is_said(name: str, least: int, texts: str) -> None:
    quoted = messages(name)
    assert len(quoted) >= least
    for message in quoted:
        parts = [part.strip(" :,()") for part in FILLED_IN.split(message)]
        parts = [part for part in parts if len(part) > 3]
        assert parts, f"{message}: nothing to search for"
        missing = [part for part in parts if part not in texts]
        assert not missing, f"{name}: nothing says {missing} of `{message}`"
