"""Inspect the base: Miniconda's version, whether it is frozen, and packages that its installer did not bring."""

from __future__ import annotations

import os
import re

from ..host.reading import LARGE, read, read_text
from ..miniconda.inspection import BASELINE, inspect
from ..prefix.packages import RECORD_BYTES, metadata_files, package_names, site_packages
from .notes import Notes, Obs
from .pip_packages import describe_dist


def see_shell(home: str, line: str) -> Obs:
    """Return whether the connecting user's ~/.bashrc has a line, compared as ansible.builtin.lineinfile does.

    :raises OSError: if the file cannot be read
    """
    try:
        text = read(os.path.realpath(os.path.join(home, ".bashrc")), LARGE).decode("utf-8", "replace")
    except FileNotFoundError:
        text = ""
    return {"line": line in [found.rstrip("\r") for found in text.split("\n")]}


def see_base(root: str, base: str, notes: Notes) -> Obs:
    """Return Miniconda's version, whether it is frozen, and packages that its installer did not bring."""
    found = inspect(root, base)
    result: Obs = {"prefix": base, **found._asdict()}
    if found.state not in ("ours", "foreign"):
        return result
    baseline = read_text(os.path.join(base, BASELINE), LARGE)
    if baseline is None and not os.path.lexists(os.path.join(base, BASELINE)):
        result["baseline"] = "missing"
        return result
    if baseline is None:
        notes.error("base packages", f"{BASELINE} cannot be read, so what was added is unknown")
        return result
    brought = set(re.findall(r"/([^/#\s]+?)(?:\.conda|\.tar\.bz2)(?:[#\s]|\Z)", baseline))
    names = set(package_names(base))
    result["packages"] = len(names)
    if names - brought:
        result["extra"] = sorted(names - brought)[:100]
    if brought - names:
        result["missing"] = sorted(brought - names)[:100]
    claimed: set[bytes] = set()
    for name in sorted(os.listdir(os.path.join(base, "conda-meta"))):
        if name.endswith(".json"):
            notes.deadline.check()
            text = read(os.path.join(base, "conda-meta", name), RECORD_BYTES)
            claimed.update(re.findall(rb"site-packages/([^/\"]+\.(?:dist-info|egg-info|egg-link))", text))
    strangers = [path for site in site_packages(base) for path in metadata_files(base, site)
                 if os.fsencode(path.split("/site-packages/")[1].split("/")[0]) not in claimed]  # fmt: skip
    if strangers:
        result["pip"] = [describe_dist(base, path) for path in strangers[:50]]
    return result
