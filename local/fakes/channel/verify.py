"""Check a channel against itself: every archive's hash as indexed, every dependency satisfiable by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def channel(folder: Path) -> list[str]:
    """Problems of a channel folder, in words; empty when all is right."""
    problems: list[str] = []
    records = {}
    for subdir in ("linux-64", "noarch"):
        index = json.loads((folder / subdir / "repodata.json").read_text())
        listed = {**index.get("packages", {}), **index.get("packages.conda", {})}
        files = {p.name for p in (folder / subdir).glob("*.conda")}
        problems += [f"{subdir}/{name}: not in the index" for name in sorted(files - set(listed))]
        problems += [
            f"{subdir}/{name}: in the index, but there is no such file" for name in sorted(set(listed) - files)
        ]
        for name in sorted(files & set(listed)):
            if hashlib.sha256((folder / subdir / name).read_bytes()).hexdigest() != listed[name]["sha256"]:
                problems.append(f"{subdir}/{name}: sha256 differs from the index")
            records[name] = listed[name]
    names = {record["name"] for record in records.values()}
    for file, record in sorted(records.items()):
        for spec in record["depends"]:
            name = spec.split(" ")[0]
            if not name.startswith("__") and name not in names:
                problems.append(f"{file}: needs {name}, which the channel does not have")
    return problems
