"""Compare the rattler runtime and Lockstep's own files on a host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...core.text import some
from ...desired.model import DesiredState
from .drift import SHOWN, Drift, section
from .kinds import Kind


def rattler_drift(desired: DesiredState, seen: Mapping[str, Any], platform: str) -> Iterator[Drift]:
    """Compare the rattler runtime: it is present, complete and made from the pinned wheel."""
    if desired.rattler is None:
        return
    rattler, drifts = section(seen, "rattler")
    yield from drifts
    wanted, name = desired.rattler_wheels.get(platform), str(desired.rattler)
    versions = rattler.get("versions", {})
    if rattler and not versions.get(name):
        others = f"; there is {some(sorted(versions))}" if versions else ""
        yield Drift(Kind.RATTLER, "rattler", f"py-rattler {name} is missing or unfinished{others}", name)
    elif rattler and wanted and versions[name] != wanted:
        line = f"py-rattler {name} was not made from the pinned wheel"
        yield Drift(Kind.RATTLER, "rattler", line, wanted, str(versions[name]))


def host_files_drift(desired: DesiredState, seen: Mapping[str, Any]) -> Iterator[Drift]:
    """Compare Lockstep's own files; if many files of one folder differ, report one line."""
    if not desired.files:
        return
    files, drifts = section(seen, "files")
    yield from drifts
    folders: dict[str, list[str]] = {}
    for path in files:
        folders.setdefault("/".join(path.split("/")[:2]) if path.startswith("rattler/") else path, []).append(path)
    for folder, paths in folders.items():
        if len(paths) > SHOWN:
            have = some([name for name in (seen.get("rattler") or {}).get("tools") or [] if name not in folder])
            line = f"{folder}: {len(paths)} files are missing or altered" + (f"; the host has {have}" if have else "")
            yield Drift(Kind.HOST_FILES, "rattler", line)
            continue
        for path in paths:
            state = str(files[path])
            what = state if state == "missing" or " " in state else "altered"
            line = f"{path} is {what}" if what in ("missing", "altered") else f"{path}: {what}"
            yield Drift(Kind.HOST_FILES, "rattler", line, desired.files.get(path, ("", 0))[0], state)
