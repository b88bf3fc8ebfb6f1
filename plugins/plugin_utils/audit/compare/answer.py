"""Parse what a host printed. A host can print anything; a malformed answer affects only the verdict on that host."""

from __future__ import annotations

import json
import math
from typing import Any

LIMIT = 48 << 20  # characters; the observation of a host with 200 damaged environments has 2 million


def read_answer(printed: str) -> Any:
    """Return the observation from a host's output, which may begin with a login banner; None if there is none.

    :raises ValueError: if the output is too long or not JSON
    """
    if len(printed) > LIMIT:
        raise ValueError(f"its answer has {len(printed) >> 20} MB, and no observation has more than {LIMIT >> 20} MB")
    lines = [line for line in printed.splitlines() if line.startswith("{")]
    if not lines:
        return None
    try:
        return json.loads(lines[-1], parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise ValueError("its answer is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"its answer is not JSON ({error})") from None


def _refused(word: str) -> None:
    raise ValueError(f"{word} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large a number")
    return value
