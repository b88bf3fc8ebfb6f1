"""The base: which Miniconda, frozen or not, and what it holds beyond what its installer brought."""

from __future__ import annotations

import json
import os
import re

from ..miniconda.integrity import gone
from .host_files import file_state
from .packages import describe_dist, dist_infos, package_names, site_packages
from .reading import LARGE, Obs, Odd, Seen, read, read_text

BASE_MARK = ".lockstep-base.json"
BASELINE = "conda-meta/initial-state.explicit.txt"


def _installing(root: str, base: str) -> bool:
    """Whether an installation or update at this place was begun and not ended, by `miniconda`'s own note."""
    try:
        return bool(json.loads(read(os.path.join(root, "state", "miniconda.installing")))["prefix"] == base)
    except (OSError, Odd, ValueError, KeyError, TypeError, RecursionError):
        return False


def see_shell(home: str, line: str) -> Obs:
    """Whether the connecting user's ~/.bashrc has a line, as ansible.builtin.lineinfile looks for it.

    :raises OSError, Odd: where it is there and cannot be read
    """
    try:
        text = read(os.path.realpath(os.path.join(home, ".bashrc")), LARGE).decode("utf-8", "replace")
    except FileNotFoundError:
        text = ""
    return {"line": line in [found.rstrip("\r") for found in text.split("\n")]}


def see_base(root: str, base: str, seen: Seen) -> Obs:
    """The Miniconda: which one, frozen or not, and what it holds beyond what its installer brought."""
    result: Obs = {"prefix": base}
    if os.path.islink(base) or not os.path.isdir(base):
        result["state"] = "a link" if os.path.islink(base) else "missing"
        return result
    if lacking := gone(base):
        result["state"] = f"damaged: {lacking} is gone"
        return result
    result["state"] = "unfinished" if _installing(root, base) else "present"
    try:
        mark = json.loads(read(os.path.join(base, BASE_MARK)))
        result["version"], result["adopted"] = str(mark["version"]), bool(mark.get("adopted"))
    except FileNotFoundError:
        result["version"] = ""
    except (OSError, Odd, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        result["version"] = ""
        seen.error("base mark", error)
    frozen = {"conda-meta/frozen": file_state(os.path.join(base, "conda-meta", "frozen"))}
    for site in site_packages(base):
        path = os.path.dirname(site) + "/EXTERNALLY-MANAGED"
        frozen[path] = file_state(os.path.join(base, path))
    result["frozen"] = frozen
    baseline = read_text(os.path.join(base, BASELINE), LARGE)
    if baseline is None and not os.path.lexists(os.path.join(base, BASELINE)):
        result["baseline"] = "missing"
        return result
    if baseline is None:
        seen.error("base packages", f"{BASELINE} cannot be read, so nobody can say what was added")
        return result
    brought = set(re.findall(r"/([^/#\s]+?)(?:\.conda|\.tar\.bz2)(?:[#\s]|\Z)", baseline))
    found = set(package_names(base))
    result["packages"] = len(found)
    if found - brought:
        result["extra"] = sorted(found - brought)[:100]
    if brought - found:
        result["missing"] = sorted(brought - found)[:100]
    claimed: set[bytes] = set()
    for name in sorted(os.listdir(os.path.join(base, "conda-meta"))):
        if name.endswith(".json"):
            seen.tick()
            text = read(os.path.join(base, "conda-meta", name), 64 << 20)
            claimed.update(re.findall(rb"site-packages/([^/\"]+\.(?:dist-info|egg-info|egg-link))", text))
    strangers = [path for site in site_packages(base) for path in dist_infos(base, site)
                 if os.fsencode(path.split("/site-packages/")[1].split("/")[0]) not in claimed]  # fmt: skip
    if strangers:
        result["pip"] = [describe_dist(base, path) for path in strangers[:50]]
    return result
