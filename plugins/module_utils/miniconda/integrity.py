"""What a Miniconda cannot do without: the one notion that the role and the audit have of a damaged base. Python 3.9."""

from __future__ import annotations

import os


def gone(prefix: str) -> str:
    """Return what the base at a prefix lacks, "" where all is there."""
    for path in ("bin/conda", "bin/python"):
        if not os.access(os.path.join(prefix, path), os.X_OK):
            return path
    if not os.path.isdir(os.path.join(prefix, "conda-meta")):
        return "conda-meta"
    lib = os.path.join(prefix, "lib")
    names = os.listdir(lib) if os.path.isdir(lib) else []
    found = any(name.startswith("python3.") and os.path.isdir(os.path.join(lib, name)) for name in names)
    return "" if found else "lib/python3.*"
