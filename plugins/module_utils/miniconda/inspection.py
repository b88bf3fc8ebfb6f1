"""Inspect which Miniconda is at a prefix, and decide what to do with it, for the role and the audit.

Python 3.9, standard library. It only reads.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
from typing import Any, NamedTuple

from ..host.errors import Problem
from ..host.reading import LARGE, read

BASE_MARKER = ".lockstep-base.json"
BASELINE = "conda-meta/initial-state.explicit.txt"
MESSAGE = "The base is shared and never changed in place: use an environment (docs/how-to/write-an-env.md)"
FROZEN = json.dumps({"message": MESSAGE}) + "\n"
MANAGED = "[externally-managed]\nError=The base is shared and never changed. Make a virtual environment of your own.\n"


class Base(NamedTuple):
    """The observed state of the prefix.

    `state`: "absent", "unfinished" (an installation was killed), "half-updated" (an update was killed), "ours",
    "damaged" (ours, and parts are missing), "foreign" (another installation of conda) or "other" (not conda);
    `reason`: why it is in that state or, where it is foreign, cannot be adopted; `adopted`: whether another
    installation became ours; `unfrozen`: files of `frozen_files` that are missing or altered.
    """

    state: str
    version: str = ""
    reason: str = ""
    adopted: bool = False
    unfrozen: tuple[str, ...] = ()


def intent(root: str) -> str:
    """Return the file that says what is under way, and where; it outlives a killed run."""
    return os.path.join(root, "state", "miniconda.installing")


def inspect(root: str, prefix: str) -> Base:
    """Inspect the prefix.

    :raises OSError: if it cannot be read
    """
    if os.path.islink(prefix):
        return Base(
            "other", reason=f"{prefix} is a symbolic link; prefixes stand inside files, so it must be a real folder"
        )
    if not os.path.exists(prefix):
        return Base("absent")
    if not os.path.isdir(prefix):
        return Base("other", reason=f"{prefix} is not a folder")
    killed = _under_way(root, prefix)
    if killed == "install" and not os.path.exists(os.path.join(prefix, BASE_MARKER)):
        return Base("unfinished")
    if not os.listdir(prefix):
        return Base("absent")
    damaged = ""
    try:
        marker = _object(os.path.join(prefix, BASE_MARKER))
        version, adopted = str(marker["version"]), bool(marker.get("adopted"))
        missing = missing_part(prefix)
        if killed or missing:
            reason = f"{missing} is missing" if missing else ""
            return Base("half-updated" if killed else "damaged", version, reason, adopted)
        return Base("ours", version, "", adopted, tuple(unfrozen(prefix)))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError) as error:
        damaged = f"{BASE_MARKER} is damaged: {error}"
    if not os.path.isdir(os.path.join(prefix, "conda-meta")):
        return Base("other", reason=f"{prefix} holds files, but no conda installation")
    return Base("foreign", found_version(prefix), damaged or why_not_adopt(prefix))


def decide(found: Base, prefix: str, version: str) -> str:
    """Return the action that is needed: `install`, `reinstall`, `update`, `reupdate`, `adopt`, `freeze` or "".

    :raises Problem: if the prefix must not be changed
    """
    if found.state == "absent":
        return "install"
    if found.state == "unfinished":
        return "reinstall"
    if found.state == "damaged":
        raise Problem(
            f"the base at {prefix} is damaged",
            found.reason,
            "move it away and run again, so that it is installed anew; environments do not depend on it",
        )
    if found.state == "other":
        raise Problem(f"{prefix} is in the way", found.reason, "move it away, or choose another lockstep_root")
    if found.state == "foreign":
        reason = found.reason
        if not reason and found.version != bare(version):
            reason = f"it is {found.version or 'of no known version'}, and {version} is declared"
        if reason:
            raise Problem(
                f"the installation at {prefix} was not made by Lockstep and cannot be adopted",
                reason,
                "declare the version it has (miniconda_version), or move it away so that Lockstep can install its own",
            )
        return "adopt"
    if found.version != version:
        if _order(found.version) > _order(version):
            raise Problem(
                f"the base at {prefix} is {found.version}, newer than the declared {version}",
                "the installer cannot go back",
                "declare the newer version, or move the base away; environments do not depend on it",
            )
        return "update"
    if found.state == "half-updated":
        return "reupdate"
    return "freeze" if found.unfrozen else ""


def missing_part(prefix: str) -> str:
    """Return what the base at a prefix lacks and cannot work without, "" where nothing is missing."""
    for path in ("bin/conda", "bin/python"):
        if not os.access(os.path.join(prefix, path), os.X_OK):
            return path
    if not os.path.isdir(os.path.join(prefix, "conda-meta")):
        return "conda-meta"
    lib = os.path.join(prefix, "lib")
    names = os.listdir(lib) if os.path.isdir(lib) else []
    found = any(name.startswith("python3.") and os.path.isdir(os.path.join(lib, name)) for name in names)
    return "" if found else "lib/python3.*"


def frozen_files(prefix: str) -> dict[str, str]:
    """Return the files that freeze the base, by relative path: CEP 22 for conda, PEP 668 for pip."""
    libs = sorted(glob.glob(os.path.join(glob.escape(prefix), "lib", "python3.*", "")))
    files = {os.path.join("conda-meta", "frozen"): FROZEN}
    files.update({os.path.join(os.path.relpath(lib, prefix), "EXTERNALLY-MANAGED"): MANAGED for lib in libs})
    return files


def unfrozen(prefix: str) -> list[str]:
    """Return those of `frozen_files` that are missing or altered."""
    wrong = []
    for path, text in frozen_files(prefix).items():
        try:
            if read(os.path.join(prefix, path)) != text.encode():
                wrong.append(path)
        except OSError:
            wrong.append(path)
    return wrong


def found_version(prefix: str) -> str:
    """Return Python and conda of a prefix, like an installer's version without its build: `py312_26.5.3`."""
    python, conda = _record(prefix, "python").get("version", ""), _record(prefix, "conda").get("version", "")
    minor = "".join(str(python).split(".")[:2])
    return f"py{minor}_{str(conda).partition('+')[0]}" if minor and conda else ""


def why_not_adopt(prefix: str) -> str:
    """Return why a conda installation that Lockstep did not make cannot become the base; "" where it can."""
    if os.stat(prefix).st_uid != os.geteuid():
        return f"it belongs to uid {os.stat(prefix).st_uid}, and this run is uid {os.geteuid()}"
    if not os.access(os.path.join(prefix, "bin", "conda"), os.X_OK):
        return "it has no bin/conda"
    if not os.path.exists(os.path.join(prefix, BASELINE)):
        return f"it has no {BASELINE}, so what was added to it since is unknown"
    return ""


def bare(version: str) -> str:
    """Return `py312_26.5.3-1+local` without the installer's own build and label: `py312_26.5.3`."""
    return re.sub(r"-\d+(\+.*)?$", "", version).split("+")[0]


def _order(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", bare(version))]


def _object(path: str, limit: int = LARGE) -> dict[str, Any]:
    """Read a JSON object.

    :raises OSError, ValueError: if there is none
    """
    try:
        found = json.loads(read(path, limit))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    return found


def _record(prefix: str, name: str) -> dict[str, Any]:
    """Return the conda-meta record of one package, {} where there is none."""
    for path in glob.glob(os.path.join(glob.escape(prefix), "conda-meta", f"{name}-*.json")):
        with contextlib.suppress(OSError, ValueError):
            record = _object(path)
            if record.get("name") == name:
                return record
    return {}


def _under_way(root: str, prefix: str) -> str:
    """Return what a killed run was doing at the prefix: `install`, `update`, or "" where none was."""
    try:
        found = _object(intent(root))
        return str(found["action"]) if found["prefix"] == prefix else ""
    except (OSError, ValueError, KeyError):
        return ""
