"""Compare the Miniconda base and conda's configuration."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from ....module_utils.host.errors import Problem
from ....module_utils.miniconda.inspection import Base, decide
from ...core.text import some
from ...desired.model import DesiredState
from .drift import DRIFT, NOTE, Drift, section
from .kinds import Kind
from .packages import pip_lines


def base_drift(desired: DesiredState, seen: Mapping[str, Any]) -> Iterator[Drift]:
    """Compare Miniconda: its version, whether it is frozen, and packages that its installer did not bring."""
    if desired.base_version is None:
        return
    base, drifts = section(seen, "base")
    yield from drifts
    if not base:
        return
    found = Base(**{key: base[key] for key in Base._fields if key in base})
    action = blocked = ""
    try:
        action = decide(found, desired.base_prefix, desired.base_version)
    except Problem as problem:
        blocked = str(problem)
    what = found.version or "of no known version"
    if blocked:
        yield Drift(Kind.BASE_BLOCKED, "base", blocked, desired.base_version, found.version)
    elif action in ("update", "adopt") and found.state != "half-updated":
        who = ", and was not installed by Lockstep" if action == "adopt" else ""
        line = f"is {what}{who}; {desired.base_version} is declared"
        yield Drift(Kind.BASE_VERSION, "base", line, desired.base_version, found.version)
    elif action != "freeze" and action:
        line = f"{desired.base_prefix} is {found.state}"
        yield Drift(Kind.BASE_MISSING, "base", line, "ours", found.state)
    for path in found.unfrozen:
        yield Drift(Kind.BASE_NOT_FROZEN, "base", f"{path} is missing or altered: conda or pip can change the base")
    severity = NOTE if base.get("adopted") else DRIFT
    extra, missing = base.get("extra", []), base.get("missing", [])
    if extra or missing:
        words = [f"{word} {some(items)}" for word, items in (("extra:", extra), ("gone:", missing)) if items]
        yield Drift(
            Kind.BASE_PACKAGES, "base", "packages are not the installer's; " + "; ".join(words), severity=severity
        )
    if base.get("baseline"):
        line = "conda-meta/initial-state.explicit.txt is missing, so what was added to the base is unknown"
        yield Drift(Kind.BASE_PACKAGES, "base", line)
    if base.get("pip"):
        yield Drift(Kind.BASE_PACKAGES, "base", f"pip installed {some(pip_lines(base['pip']))}", severity=severity)


def shell_drift(desired: DesiredState, seen: Mapping[str, Any]) -> Iterator[Drift]:
    """Compare the line in the connecting user's ~/.bashrc, if one is declared."""
    if not desired.shell_line:
        return
    found, drifts = section(seen, "shell")
    yield from drifts
    if found and not found.get("line"):
        yield Drift(Kind.SHELL_LINE, "base", f"~/.bashrc lacks `{desired.shell_line}`", desired.shell_line)


def condarc_drift(desired: DesiredState, seen: Mapping[str, Any]) -> Iterator[Drift]:
    """Compare the base's own configuration."""
    if desired.condarc_sha256 is None:
        return
    found, drifts = section(seen, "condarc")
    yield from drifts
    path = f"{desired.base_prefix}/.condarc"
    if found.get("missing") and (seen.get("base") or {}).get("state") == "absent":
        pass  # the missing base is reported
    elif found.get("missing"):
        yield Drift(Kind.CONDARC, "condarc", f"{path} is missing", desired.condarc_sha256)
    elif "sha256" in found and found["sha256"] != desired.condarc_sha256:
        lines = difflib.ndiff((desired.condarc or "").splitlines(), str(found.get("text", "")).splitlines())
        changes = [f"{'added' if line[0] == '+' else 'gone'} `{line[2:].strip()}`" for line in lines if line[0] in "+-"]
        yield Drift(Kind.CONDARC, "condarc", f"{path} differs: {some(changes, 4) or 'only in white space or secrets'}",
                    desired.condarc_sha256, str(found["sha256"]))  # fmt: skip
    if found.get("mode"):
        yield Drift(Kind.CONDARC, "condarc", f"{path} has mode {found['mode']}", "0644", str(found["mode"]))


def unmanaged_drift(desired: DesiredState, seen: Mapping[str, Any]) -> Iterator[Drift]:
    """Report other configuration files of conda: drift if conda reads them before ours, a note if after."""
    if desired.condarc_sha256 is None:
        return
    for file in seen.get("unmanaged_condarc") or []:
        keys = f" sets {some(file.get('keys') or [])}" if file.get("keys") else ""
        after = file.get("order") == "after"
        when = "after ours, which settles what matters" if after else "ahead of ours, or beside it"
        yield Drift(Kind.CONDARC_UNMANAGED, "condarc", f"{file['path']}{keys}; conda reads it {when}",
                    severity=NOTE if after else DRIFT)  # fmt: skip
