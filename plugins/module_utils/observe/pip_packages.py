"""Find what pip changed in a generation, and the package that a path belongs to."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable
from typing import Any

from ..host.reading import read_text
from ..host.redaction import redact
from ..prefix.damage import Damage, DamageKind
from ..prefix.packages import METADATA, RECORD


def owners(records: list[dict[str, Any]], paths: list[str]) -> dict[str, str]:
    """Map each of the paths to the package whose record lists it."""
    wanted, found = set(paths), {}
    for record in records:
        label = "{}-{}".format(record.get("name"), record.get("version"))
        listed = record.get("files")
        for path in listed if isinstance(listed, list) else []:
            if isinstance(path, str) and path in wanted:
                found[path] = label
    for path in wanted:
        match = RECORD.match(path)
        if match:
            found[path] = match.group(1).rsplit("-", 1)[0]
    return found


def normal(name: str) -> str:
    """Return a Python distribution's name in the normal form of PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def describe_dist(tree: str, path: str) -> dict[str, str]:
    """Return name, version and origin of a distribution that pip installed."""
    match = METADATA.match(path)
    name, _unused, version = (match.group(1) if match else os.path.basename(path)).partition("-")
    text = read_text(os.path.join(tree, path), 1 << 20) or ""
    for line in text.split("\n\n", 1)[0].split("\n"):
        key, _unused, value = line.partition(":")
        if key.lower() == "name" and value.strip():
            name = value.strip()[:100]
        elif key.lower() == "version" and value.strip():
            version = value.strip()[:60]
    found = {"name": name, "version": version}
    folder = os.path.dirname(os.path.join(tree, path))
    direct = read_text(os.path.join(folder, "direct_url.json")) if path.endswith("/METADATA") else None
    if direct:
        with contextlib.suppress(ValueError, RecursionError, AttributeError):
            data = json.loads(direct)
            editable = bool(data.get("dir_info", {}).get("editable"))
            how = "editable" if editable else "git" if data.get("vcs_info") else "direct"
            found["from"] = "{} {}".format(how, redact(str(data.get("url", "")))[:200])
    elif path.endswith("egg-link"):
        found["from"] = "editable"
    return found


def find_pip(tree: str, damage: list[Damage], known: Iterable[str]) -> tuple[list[dict[str, str]], list[str]]:
    """Return what pip added, and which of conda's packages it overwrote or doubled, from the extra metadata.

    :param known: the paths that belong to the tree
    """
    changed = (DamageKind.EXTRA, DamageKind.ALTERED)
    extra = [item.path for item in damage if item.kind in changed and METADATA.match(item.path)]
    missing = {item.path for item in damage if item.kind is DamageKind.MISSING}
    added = [describe_dist(tree, path) for path in sorted(extra)[:50]]
    conda = {}
    for path in known if added else ():
        match = METADATA.match(path)
        if match:
            name, _unused, version = match.group(1).partition("-")
            conda[normal(name)] = (version, path)
    clobbered = []
    for item in added:
        version, path = conda.get(normal(item["name"]), ("", ""))
        if path in missing:
            clobbered.append(f"{item['name']}: conda's {version} was replaced by pip's {item['version']}")
        elif path:
            clobbered.append(f"{item['name']}: pip's {item['version']} lies over conda's {version}")
    return added, clobbered
