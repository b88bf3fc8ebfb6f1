"""Read untrusted YAML safely.

libyaml crashes the interpreter on some ten thousand nested brackets, and a few hundred bytes of merge keys can cost
seconds. So the events of the text are inspected before anything recurses into it. Refused are: too much text, deep
nesting, anchors, aliases, tags, merge keys, keys that are not plain scalars, and the same key twice in one mapping
(YAML readers treat it differently; PyYAML silently accepts it).
"""

from __future__ import annotations

from typing import Any

import yaml

MAX_CHARACTERS = 32 << 20
MAX_DEPTH = 8


class YamlError(ValueError):
    """Refused YAML; `line` and `column` count from 1, and are 0 if the place is not known."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column

    def at(self, source: str) -> str:
        """Return `source:line:column: message`."""
        place = f"{source}:{self.line}:{self.column}" if self.line else source
        return f"{place}: {self.message}"


def load(text: str) -> Any:
    """Return the data of the one document in `text`.

    :raises YamlError: if the text is refused
    """
    _inspect(text)
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise _explain(error) from None


def compose(text: str) -> Any:
    """Return the node graph of the one document in `text` (None if empty); its nodes have line and column.

    :raises YamlError: if the text is refused
    """
    _inspect(text)
    try:
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        raise _explain(error) from None


def _inspect(text: str) -> None:
    """Raise YamlError for text that no lock or spec needs."""
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
    start = event.start_mark
    return YamlError(message, start.line + 1, start.column + 1) if start else YamlError(message)


def _explain(error: Exception) -> YamlError:
    """Make a YamlError with line and column from an exception of PyYAML."""
    place = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error) or type(error).__name__
    line, column = (place.line + 1, place.column + 1) if place else (0, 0)
    return YamlError(f"not acceptable YAML: {str(problem).splitlines()[0]}", line, column)
