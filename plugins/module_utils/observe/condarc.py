"""Inspect conda's configuration: the base's own, and other files that conda reads."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from typing import Any, Optional

from ..host.reading import read, reason
from ..host.redaction import redact
from .notes import Notes, Obs


def see_condarc(base: str, expected: Optional[str], notes: Notes) -> Obs:
    """Return the sha256 of the base's configuration, and its text if it is not the expected one."""
    path = os.path.join(base, ".condarc")
    result: Obs = {}
    try:
        data = read(path)
        result["sha256"] = hashlib.sha256(data).hexdigest()
        if result["sha256"] != expected:
            result["text"] = redact(data.decode("utf-8", "replace"))[:6000]
        mode = stat.S_IMODE(os.lstat(path).st_mode)
        if mode != 0o644:
            result["mode"] = f"{mode:04o}"
    except FileNotFoundError:
        result["missing"] = True
    except OSError as error:
        notes.error(path, error)
        result["error"] = redact(reason(error))
    return result


def condarc_places(base: str, home: str, environ: Any) -> list[tuple[str, str]]:
    """Return the other places of conda's configuration: (`before`, `beside` or `after` ours, path).

    The order is that of conda's documentation ("Using the .condarc configuration file", search order). A file
    `before` ours can set a key with `#!final` first; our final keys override a file `after` ours.
    """
    names = (".condarc", "condarc", "condarc.d")
    places = [("before", os.path.join(folder, name)) for folder in ("/etc/conda", "/var/lib/conda") for name in names]
    places += [("beside", os.path.join(base, name)) for name in names[1:]]
    if environ.get("XDG_CONFIG_HOME"):
        places += [("after", os.path.join(environ["XDG_CONFIG_HOME"], "conda", name)) for name in names]
    places += [("after", os.path.join(home, ".config/conda", name)) for name in names]
    places += [("after", os.path.join(home, ".conda", name)) for name in names]
    places.append(("after", os.path.join(home, ".condarc")))
    if environ.get("CONDARC"):
        places.append(("after", environ["CONDARC"]))
    return list(dict.fromkeys(places))


def see_unmanaged(base: str, home: str, environ: Any, notes: Notes) -> list[Obs]:
    """Return conda's other configuration files for the user of the play, with the keys that they set."""
    found: list[Obs] = []
    for order, place in condarc_places(base, home, environ):
        paths = [place]
        try:
            if place.endswith("condarc.d"):
                inside = sorted(name for name in os.listdir(place) if name.endswith((".yml", ".yaml")))
                paths = [os.path.join(place, name) for name in inside[:20]]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            notes.error(place, error)
            continue
        for path in paths:
            if not os.path.lexists(path) or os.path.isdir(path):
                continue
            try:
                text = read(os.path.realpath(path)).decode("utf-8", "replace")
            except OSError as error:
                notes.error(path, error)
                continue
            keys = re.findall(r"(?m)^([A-Za-z_][A-Za-z0-9_.-]*)\s*:", text)
            found.append({"path": path, "order": order, "keys": keys[:20]})
    shell = (
        "CONDA_SHLVL",
        "CONDA_EXE",
        "CONDA_PYTHON_EXE",
        "CONDA_PREFIX",
        "CONDA_DEFAULT_ENV",
        "CONDA_PROMPT_MODIFIER",
    )
    settings = [name for name in environ if name.startswith("CONDA_") and not name.startswith(shell)]
    variables = sorted(settings)
    if variables:
        found.append({"path": "the environment of the connection", "order": "after", "keys": variables[:20]})
    return found
