"""The engine, and the project's own programs on a host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...core.text import some
from ...desired.declared import Declared
from .drift import SHOWN, Drift, section
from .kinds import Kind


def engine_drift(declared: Declared, seen: Mapping[str, Any], platform: str) -> Iterator[Drift]:
    """The engine: there, finished, and made from the pinned wheel."""
    if declared.engine is None:
        return
    engine, drifts = section(seen, "engine")
    yield from drifts
    wanted, name = declared.engine_wheels.get(platform), f"rattler-{declared.engine}"
    versions = engine.get("versions", {})
    if engine and not versions.get(name):
        others = f"; there is {some(sorted(versions))}" if versions else ""
        yield Drift(Kind.ENGINE, "engine", f"{name} is missing or unfinished{others}", name)
    elif engine and wanted and versions[name] != wanted:
        yield Drift(Kind.ENGINE, "engine", f"{name} was not made from the pinned wheel", wanted, str(versions[name]))


def tools_drift(declared: Declared, seen: Mapping[str, Any]) -> Iterator[Drift]:
    """The project's own programs, many of one folder in one line."""
    if not declared.files:
        return
    files, drifts = section(seen, "files")
    yield from drifts
    folders: dict[str, list[str]] = {}
    for path in files:
        folders.setdefault("/".join(path.split("/")[:2]) if path.startswith("engine/") else path, []).append(path)
    for folder, paths in folders.items():
        if len(paths) > SHOWN:
            have = some([name for name in (seen.get("engine") or {}).get("tools") or [] if name not in folder])
            line = f"{folder}: {len(paths)} files are missing or altered" + (f"; the host has {have}" if have else "")
            yield Drift(Kind.TOOLS, "engine", line)
            continue
        for path in paths:
            state = str(files[path])
            what = state if state == "missing" or " " in state else "altered"
            line = f"{path} is {what}" if what in ("missing", "altered") else f"{path}: {what}"
            yield Drift(Kind.TOOLS, "engine", line, declared.files.get(path, ("", 0))[0], state)
