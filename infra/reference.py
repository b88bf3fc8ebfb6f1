"""Write the tables of all keys into PAGE: `python -m infra.reference` (with --check: only compare)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

from .model import Cluster, Rule
from .reader import required, rules, without_none

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "stack-configuration.md"
BEGIN, END = "<!-- reference: begin (made by python -m infra.reference) -->", "<!-- reference: end -->"
NAMES = {str: "text", int: "number", bool: "true, false"}


def _inner(bare: Any) -> Any:
    """Give what a key's type is made of: of a list or mapping, its items."""
    bare, _ = without_none(bare)
    return get_args(bare)[-1] if get_origin(bare) in (list, dict) else bare


def _type(bare: Any) -> str:
    bare = without_none(bare)[0]
    if get_origin(bare) is list:
        return f"list of {_type(get_args(bare)[0])}"
    if get_origin(bare) is dict:
        return f"name: {_type(get_args(bare)[1])}"
    name = str(bare.__name__)
    return f"[{name}](#{name.lower()})" if is_dataclass(bare) else NAMES[bare]


def _takes(bare: Any, rule: Rule) -> str:
    if rule.choices:
        return ", ".join(f"`{choice}`" for choice in rule.choices)
    kind = _type(bare)
    if rule.least is not None:
        return f"{kind}, {rule.least} to {rule.most}"
    return f"{kind}, {rule.form}" if rule.form else kind


def _default(one: Field[Any], rule: Rule) -> str:
    if required(one):
        return "**needed**"
    if rule.show:
        return rule.show
    value = one.default if one.default_factory is MISSING else one.default_factory()
    if value is None or value in ({}, []):
        return "none"
    if isinstance(value, list):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _classes(kind: type) -> Iterator[type]:
    """Give a class and those that its keys are made of, each once, in reading order."""
    seen: list[type] = [kind]
    for one in seen:
        for _, bare, _ in rules(one).values():
            inner = _inner(bare)
            if is_dataclass(inner) and isinstance(inner, type) and inner not in seen:
                seen.append(inner)
    return iter(seen)


def reference() -> str:
    """Write the tables of all keys."""
    parts = []
    for kind in _classes(Cluster):
        rows = ["| key | takes | default | |", "|---|---|---|---|"]
        for name, (one, bare, rule) in rules(kind).items():
            cells = (f"`{name}`", _takes(bare, rule), _default(one, rule), rule.doc)
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append(f"### {kind.__name__}\n\n{kind.__doc__}\n\n" + "\n".join(rows))
    return "\n\n".join(parts)


def filled(page: str) -> str:
    """Give the page with the tables as they should be.

    :raises ValueError: where the page has lost its markers
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE} has no place for the reference; put back the lines {BEGIN} and {END}")
    return f"{head}{BEGIN}\n\n{reference()}\n\n{END}{tail}"


def main(arguments: list[str]) -> int:
    """Write the page, or with --check tell whether it is current."""
    page = PAGE.read_text(encoding="utf-8")
    made = filled(page)
    if "--check" in arguments:
        if page != made:
            print(f"{PAGE} is out of date: run python -m infra.reference", file=sys.stderr)
        return int(page != made)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
