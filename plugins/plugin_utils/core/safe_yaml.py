"""Read YAML that comes from outside without letting it hurt the reader.

libyaml crashes the interpreter on some tens of thousands of nested brackets, and a few hundred bytes of merge keys can
cost seconds, so the events of the text are inspected before anything recurses into it. Refused are: too much text, deep
nesting, anchors, aliases, tags, merge keys, keys that are not plain scalars, and the same key twice in one mapping
(which YAML readers disagree about, and PyYAML silently accepts).
"""

from __future__ import annotations

from typing import Any

import yaml

MAX_CHARACTERS = 32 << 20
MAX_DEPTH = 8


class YamlError(ValueError):
    """Text that is not acceptable YAML; `line` and `column` count from 1, and are 0 where there is no place to name."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column

    def at(self, source: str) -> str:
        """Return the message behind `source:line:column`."""
        place = f"{source}:{self.line}:{self.column}" if self.line else source
        return f"{place}: {self.message}"


def load(text: str) -> Any:
    """Return the plain data of the one document in `text`; raises YamlError."""
    _inspect(text)
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise _explain(error) from None


def compose(text: str) -> Any:
    """Return the node graph of the one document in `text` (None if empty), whose nodes know their place; raises
    YamlError.
    """
    _inspect(text)
    try:
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        raise _explain(error) from None


def _inspect(text: str) -> None:
    """Raise YamlError for what no lock or spec needs, before anything recurses into it."""
    if len(text) > MAX_CHARACTERS:
        raise YamlError(f"{len(text)} characters; more than {MAX_CHARACTERS >> 20} MiB are not read")
    keys: list[set[str] | None] = []  # for each open collection: the keys of a mapping, None for a sequence
    expects_key: list[bool] = []
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.CollectionEndEvent):
                keys.pop()
                expects_key.pop()
                continue
            if not isinstance(event, yaml.NodeEvent):
                continue
            _refuse_extras(event)
            if keys and keys[-1] is not None:
                if expects_key[-1]:
                    _remember_key(event, keys[-1])
                expects_key[-1] = not expects_key[-1]
            if isinstance(event, yaml.CollectionStartEvent):
                keys.append(set() if isinstance(event, yaml.MappingStartEvent) else None)
                expects_key.append(True)
                if len(keys) > MAX_DEPTH:
                    raise _refusal(f"nested deeper than {MAX_DEPTH} levels", event)
    except (yaml.YAMLError, UnicodeError) as error:
        raise _explain(error) from None


def _refuse_extras(event: yaml.NodeEvent) -> None:
    if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
        raise _refusal("anchors and aliases (& and *) are not allowed here: write the value out", event)
    if event.tag is not None:  # type: ignore[attr-defined]  # every node event but an alias has one
        raise _refusal("tags (!) are not allowed here: write the plain value", event)


def _remember_key(event: yaml.NodeEvent, known: set[str]) -> None:
    if not isinstance(event, yaml.ScalarEvent):
        raise _refusal("a key must be a plain word", event)
    if event.value == "<<":
        raise _refusal("merge keys (<<) are not allowed here: write the values out", event)
    if event.value in known:
        raise _refusal(f"the key {event.value[:60]!r} is there twice: remove one", event)
    known.add(event.value)


def _refusal(message: str, event: yaml.NodeEvent) -> YamlError:
    mark = event.start_mark
    return YamlError(message, mark.line + 1, mark.column + 1) if mark else YamlError(message)


def _explain(error: Exception) -> YamlError:
    """Turn an exception of PyYAML into one sentence with a place."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error) or type(error).__name__
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    return YamlError(f"not acceptable YAML: {str(problem).splitlines()[0]}", line, column)
