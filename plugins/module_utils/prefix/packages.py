"""The packages of a prefix: conda's records, and Python's metadata. Python 3.9, standard library."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from ..host.reading import Deadline, read

RECORD = re.compile(r"conda-meta/([^/]+)\.json\Z")
METADATA = re.compile(
    r"lib/python3[^/]*/site-packages/([^/]+)\.(?:dist-info/METADATA|egg-info(?:/PKG-INFO)?|egg-link)\Z"
)
RECORD_BYTES = 64 << 20  # limit of one record


def package_names(tree: str) -> list[str]:
    """Return the packages of a prefix, `name-version-build`, from the names of their records alone (2,000 at most)."""
    try:
        names = os.listdir(os.path.join(tree, "conda-meta"))
    except OSError:
        return []
    return sorted(name[:-5] for name in names if name.endswith(".json"))[:2000]


def load_records(tree: str, deadline: Deadline) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the records of a prefix, and the file names of those that cannot be read.

    :raises OSError: if the folder cannot be listed
    :raises OutOfTime: after the deadline
    """
    found, unreadable = [], []
    folder = os.path.join(tree, "conda-meta")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            deadline.check()
            try:
                record = json.loads(read(os.path.join(folder, name), RECORD_BYTES))
                if not isinstance(record, dict):
                    raise ValueError("not an object")
                found.append(record)
            except (OSError, ValueError, RecursionError):
                unreadable.append(name)
    return found, unreadable


def site_packages(tree: str) -> list[str]:
    """Return the site-packages folders of a prefix, relative to it."""
    lib = os.path.join(tree, "lib")
    names = sorted(os.listdir(lib)) if os.path.isdir(lib) else []
    paths = [f"lib/{name}/site-packages" for name in names if name.startswith("python3")]
    return [p for p in paths if os.path.isdir(os.path.join(tree, p)) and not os.path.islink(os.path.join(tree, p))]


def metadata_files(tree: str, site: str) -> list[str]:
    """Return the METADATA (or PKG-INFO, or .egg-link) paths below one site-packages folder."""
    found = []
    for name in sorted(os.listdir(os.path.join(tree, site))):
        path = f"{site}/{name}"
        if name.endswith(".dist-info"):
            found.append(path + "/METADATA")
        elif name.endswith(".egg-info"):
            found.append(path + "/PKG-INFO" if os.path.isdir(os.path.join(tree, path)) else path)
        elif name.endswith(".egg-link"):
            found.append(path)
    return [path for path in found if os.path.lexists(os.path.join(tree, path))]
