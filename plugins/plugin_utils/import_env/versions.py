"""Looser forms of a pinned version."""

from __future__ import annotations

import re
from dataclasses import replace

from .discovered import Wish


def looser(version: str) -> list[str]:
    """Return ever looser forms of a pinned version: 1.26.4 is 1.26.*, then 1.*."""
    found = re.fullmatch(r"(?:==)?([0-9][^*|,<>=!~]*?)([.][*])?", version)
    if not found:
        return []
    parts = found[1].split(".")
    forms = [".".join(parts[:count]) + ".*" for count in (2, 1) if count < len(parts) or (count == 2 and not found[2])]
    return [form for form in dict.fromkeys(forms) if form != version]


def series(one: Wish) -> Wish:
    """Loosen a version of three parts or more, or an exact one, to its series."""
    forms = [form for form in looser(one.version) if form.count(".") == 2]
    return replace(one, version=forms[0] if forms else one.version)


def free(one: Wish) -> Wish:
    """Let go of a version, but not of python's."""
    return one if one.name == "python" else replace(one, version="")
