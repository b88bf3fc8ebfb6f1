"""Make text safe to show on a terminal or a page, and short."""

from __future__ import annotations

import re
from collections.abc import Sequence


def plain(text: str, limit: int = 600) -> str:
    """Return text without control characters and lone surrogates, at most `limit` characters long."""
    text = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    text = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", "\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def some(items: Sequence[str], limit: int = 5) -> str:
    """Return the first `limit` items with commas between them, and how many more there are."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(str(item) for item in items[:limit]) + more
