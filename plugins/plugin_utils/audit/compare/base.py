"""The base and conda's configuration."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from ...core.text import some
from ...desired.declared import Declared
from .drift import DRIFT, NOTE, Drift, section
from .kinds import Kind
from .packages import pip_lines


def base_drift(declared: Declared, seen: Mapping[str, Any]) -> Iterator[Drift]:
    """Miniconda: its version, its frozen marks, and packages that its installer did not bring."""
    if declared.base_version is None:
        return
    base, drifts = section(seen, "base")
    yield from drifts
    if not base:
        return
    if base["state"] != "present":
        yield Drift(
            Kind.BASE_MISSING, "base", f"{declared.base_prefix} is {base['state']}", "present", str(base["state"])
        )
        return
    if base["version"] != declared.base_version:
        what = f"is {base['version']}" if base["version"] else "has no mark of Lockstep"
        line = f"{what}, and {declared.base_version} is declared"
        yield Drift(Kind.BASE_VERSION, "base", line, declared.base_version, str(base["version"]))
    for path, state in base.get("frozen", {}).items():
        wanted = declared.frozen.get(path.rsplit("/", 1)[-1])
        if wanted and state != wanted:
            what = "is missing" if state == "missing" else "is not ours"
            yield Drift(
                Kind.BASE_THAWED, "base", f"{path} {what}: conda or pip can change the base", wanted, str(state)
            )
    severity = NOTE if base.get("adopted") else DRIFT
    extra, missing = base.get("extra", []), base.get("missing", [])
    if extra or missing:
        words = [f"{word} {some(items)}" for word, items in (("extra:", extra), ("gone:", missing)) if items]
        yield Drift(
            Kind.BASE_PACKAGES, "base", "packages are not the installer's; " + "; ".join(words), severity=severity
        )
    if base.get("baseline"):
        line = "conda-meta/initial-state.explicit.txt is gone, so nobody can say what was added to it"
        yield Drift(Kind.BASE_PACKAGES, "base", line)
    if base.get("pip"):
        yield Drift(Kind.BASE_PACKAGES, "base", f"pip installed {some(pip_lines(base['pip']))}", severity=severity)


def shell_drift(declared: Declared, seen: Mapping[str, Any]) -> Iterator[Drift]:
    """The line in the connecting user's ~/.bashrc, where it is asked for."""
    if not declared.shell_line:
        return
    found, drifts = section(seen, "shell")
    yield from drifts
    if found and not found.get("line"):
        yield Drift(Kind.SHELL_LINE, "base", f"~/.bashrc lacks `{declared.shell_line}`", declared.shell_line)


def condarc_drift(declared: Declared, seen: Mapping[str, Any]) -> Iterator[Drift]:
    """The base's own configuration."""
    if declared.condarc_sha256 is None:
        return
    found, drifts = section(seen, "condarc")
    yield from drifts
    path = f"{declared.base_prefix}/.condarc"
    if found.get("missing") and (seen.get("base") or {}).get("state") == "missing":
        pass  # said already, by the base
    elif found.get("missing"):
        yield Drift(Kind.CONDARC, "condarc", f"{path} is missing", declared.condarc_sha256)
    elif "sha256" in found and found["sha256"] != declared.condarc_sha256:
        lines = difflib.ndiff((declared.condarc or "").splitlines(), str(found.get("text", "")).splitlines())
        changes = [f"{'added' if line[0] == '+' else 'gone'} `{line[2:].strip()}`" for line in lines if line[0] in "+-"]
        yield Drift(Kind.CONDARC, "condarc", f"{path} differs: {some(changes, 4) or 'only in white space or secrets'}",
                    declared.condarc_sha256, str(found["sha256"]))  # fmt: skip
    if found.get("mode"):
        yield Drift(Kind.CONDARC, "condarc", f"{path} has mode {found['mode']}", "0644", str(found["mode"]))


def strays_drift(declared: Declared, seen: Mapping[str, Any]) -> Iterator[Drift]:
    """Other configuration of conda: ahead of ours it can loosen it, after ours it cannot."""
    if declared.condarc_sha256 is None:
        return
    for stray in seen.get("strays") or []:
        keys = f" sets {some(stray.get('keys') or [])}" if stray.get("keys") else ""
        after = stray.get("order") == "after"
        when = "after ours, which settles what matters" if after else "ahead of ours, or beside it"
        yield Drift(Kind.CONDARC_STRAY, "condarc", f"{stray['path']}{keys}; conda reads it {when}",
                    severity=NOTE if after else DRIFT)  # fmt: skip
