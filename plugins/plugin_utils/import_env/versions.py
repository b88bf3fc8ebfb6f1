"""Loosen pinned versions."""

from __future__ import annotations

import re
from dataclasses import replace

from .discovered import Requested


def looser(version: str) -> list[str]:
    """Return looser forms of a pinned version, step by step: for 1.26.4 these are 1.26.* and 1.*."""
    match = re.fullmatch(r"(?:==)?([0-9][^*|,<>=!~]*?)([.][*])?", version)
    if not match:
        return []
    parts = match[1].split(".")
    forms = [".".join(parts[:count]) + ".*" for count in (2, 1) if count < len(parts) or (count == 2 and not match[2])]
    return [form for form in dict.fromkeys(forms) if form != version]


def series(one: Requested) -> Requested:
    """Return a copy whose version, if exact or of three parts or more, is loosened to its series."""
    forms = [form for form in looser(one.version) if form.count(".") == 2]
    return replace(one, version=forms[0] if forms else one.version)


def free(one: Requested) -> Requested:
    """Return a copy without a version; python keeps its version."""
    return one if one.name == "python" else replace(one, version="")
