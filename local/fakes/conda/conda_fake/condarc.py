"""Read a `.condarc`: the part of YAML that such files use, with the comments, because `#!final` is one.

Mappings, lists (block or flow on one line), plain and quoted scalars. Anything else is an error with its line, since
half an understanding of a configuration is worse than none. Which comments count was found by asking real conda.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Scalar: TypeAlias = "str | int | float | bool | None"
Value: TypeAlias = "Scalar | list[Node] | dict[str, Node]"

_FLAGS = ("final", "top", "bottom")
_INT = re.compile(r"[-+]?\d+$")
_FLOAT = re.compile(r"[-+]?(\d+\.\d*|\.\d+)([eE][-+]?\d+)?$")


class Unreadable(ValueError):
    """The file is not understood; the message names file, line and cause."""


@dataclass
class Node:
    """A value with the comment that stands behind it."""

    value: Value
    comment: str = ""

    @property
    def flag(self) -> str | None:
        """`final`, `top`, `bottom` or None: conda takes the comment only if it holds nothing else."""
        word = self.comment.strip().strip("!#")
        return word if word in _FLAGS else None

    def plain(self) -> object:
        """The value without comments."""
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        return self.value


@dataclass
class _Line:
    number: int
    indent: int
    text: str
    comment: str = ""


@dataclass
class _Reader:
    path: str
    lines: list[_Line] = field(default_factory=list)
    at: int = 0

    def wrong(self, line: _Line, why: str) -> Unreadable:
        return Unreadable(f"{self.path}, line {line.number}: {why}")


def _split_comment(text: str) -> tuple[str, str]:
    """Split `value #comment`; a `#` inside quotes or a word is no comment."""
    quote = ""
    for i, char in enumerate(text):
        if quote:
            if char == quote and not (quote == '"' and text[i - 1] == "\\"):
                quote = ""
        elif char in "'\"" and (i == 0 or text[i - 1] in " [{,:-"):
            quote = char
        elif char == "#" and (i == 0 or text[i - 1] in " \t"):
            return text[:i].rstrip(), text[i:].strip()
    return text.rstrip(), ""


def _scalar(text: str) -> Scalar:
    """YAML 1.2: `yes` and `on` are strings (conda makes them booleans where it wants one)."""
    if text[:1] == '"':
        return str(json.loads(text))
    if text[:1] == "'":
        return text[1:-1].replace("''", "'")
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def _flow_items(text: str) -> list[str]:
    items, depth, quote, start = [], 0, "", 0
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "[{":
            depth += 1
        elif char in "]}":
            depth -= 1
        elif char == "," and depth == 0:
            items.append(text[start:i])
            start = i + 1
    items.append(text[start:])
    return [item.strip() for item in items if item.strip()]


def _inline(reader: _Reader, line: _Line, text: str) -> Value:
    if text[:1] == "[" and text[-1:] == "]":
        return [Node(_inline(reader, line, item)) for item in _flow_items(text[1:-1])]
    if text[:1] == "{" and text[-1:] == "}":
        pairs = [item.partition(":") for item in _flow_items(text[1:-1])]
        return {str(_scalar(k.strip())): Node(_inline(reader, line, v.strip())) for k, _, v in pairs}
    if text[:1] in "&*!|>@`%[{" and text:
        raise reader.wrong(line, f"cannot read {text!r} (only lists, mappings and plain or quoted values)")
    if text[:1] in "'\"" and (len(text) < 2 or text[-1] != text[0]):
        raise reader.wrong(line, "a quote is not closed on its line")
    try:
        return _scalar(text)
    except ValueError as error:
        raise reader.wrong(line, str(error)) from None


def _trailing_comment(reader: _Reader, line: _Line) -> str:
    """The comment of a line, with the comment lines that follow it: the parser that conda uses joins them."""
    parts = [line.comment] if line.comment else []
    while reader.at < len(reader.lines) and not reader.lines[reader.at].text:
        if reader.lines[reader.at].comment:
            parts.append(reader.lines[reader.at].comment)
        reader.at += 1
    return "\n".join(parts)


def _key(reader: _Reader, line: _Line) -> tuple[str, str]:
    match = re.match(r"""("[^"]*"|'[^']*'|[^\s:#'"\[\]{},][^:#]*?)\s*:(?:\s+(.*))?$""", line.text)
    if not match:
        raise reader.wrong(line, f"expected `key: value`, found {line.text!r}")
    return str(_scalar(match[1])), (match[2] or "").strip()


def _block(reader: _Reader, indent: int) -> Value:
    line = reader.lines[reader.at]
    if line.text == "-" or line.text.startswith("- "):
        items: list[Node] = []
        while reader.at < len(reader.lines) and reader.lines[reader.at].indent == indent:
            line = reader.lines[reader.at]
            if not (line.text == "-" or line.text.startswith("- ")):
                break
            text = line.text[1:].strip()
            if re.match(r"[\w.-]+:(\s|$)", text):  # a mapping inside the list: as deep as its first key
                line.indent, line.text = indent + line.text.index(text), text
                items.append(Node(_block(reader, line.indent)))
                continue
            reader.at += 1
            items.append(Node(_inline(reader, line, text), _trailing_comment(reader, line)))
        return items
    pairs: dict[str, Node] = {}
    while reader.at < len(reader.lines) and reader.lines[reader.at].indent == indent:
        line = reader.lines[reader.at]
        if line.text.startswith("- "):
            break
        key, text = _key(reader, line)
        if key in pairs:
            raise reader.wrong(line, f"the key {key!r} is there twice")
        reader.at += 1
        comment = _trailing_comment(reader, line)
        value: Value
        following = reader.lines[reader.at] if reader.at < len(reader.lines) else None
        deeper = following is not None and (
            following.indent > indent or (following.indent == indent and following.text.startswith("-"))
        )
        if text:
            if following is not None and following.indent > indent:
                raise reader.wrong(following, "a value that goes on over several lines")
            value = _inline(reader, line, text)
        elif deeper and following is not None:
            value = _block(reader, following.indent)
        else:
            value = None
        pairs[key] = Node(value, comment)
    return pairs


def loads(text: str, path: str = "<text>") -> dict[str, Node]:
    """Parse the text of a `.condarc`.

    :raises Unreadable: the file is not YAML, or YAML beyond what such files use
    """
    reader = _Reader(path)
    for number, raw in enumerate(text.splitlines(), 1):
        if raw.strip() in ("---", "...") or (number == 1 and raw.startswith("%YAML")):
            continue
        body, comment = _split_comment(raw)
        if "\t" in raw[: len(raw) - len(raw.lstrip())]:
            raise Unreadable(f"{path}, line {number}: indented with a tab")
        if body.strip() or comment:
            reader.lines.append(_Line(number, len(body) - len(body.lstrip()), body.strip(), comment))
    _trailing_comment(reader, _Line(0, 0, ""))
    if reader.at == len(reader.lines):
        return {}
    value = _block(reader, reader.lines[reader.at].indent)
    if reader.at < len(reader.lines):
        raise reader.wrong(reader.lines[reader.at], "indented in a way that fits nothing above")
    if not isinstance(value, dict):
        raise reader.wrong(reader.lines[0], "the file is no mapping of keys to values")
    return value


def load(path: Path) -> dict[str, Node]:
    """Parse a file.

    :raises Unreadable: as `loads`
    :raises OSError: it cannot be read
    """
    return loads(path.read_text(encoding="utf-8"), str(path))
