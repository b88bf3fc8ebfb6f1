"""The environment that programs are started with. Python 3.9, standard library."""

from __future__ import annotations

import os
from typing import Optional

STEERING = ("PYTHON", "CONDA", "VIRTUAL_ENV", "PIP_", "_CE_", "MAMBA")


def clean_environment(extra: Optional[dict[str, str]] = None) -> dict[str, str]:
    """Return this process's environment with `extra`, without variables that redirect python, pip or conda."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(STEERING)}
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", **(extra or {})}
