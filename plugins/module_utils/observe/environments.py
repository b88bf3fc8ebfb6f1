"""The environments of a host: what each link publishes, what lies beside it, and what is not declared."""

from __future__ import annotations

import os
import re
import stat
from typing import Any, Optional

from ..host import install_plan as plans
from ..host.reading import OutOfTime, reason
from ..host.redaction import redact
from ..prefix.damage import type_of
from ..prefix.inspection import Place
from ..prefix.marker import is_complete
from .generations import see_generation
from .notes import Notes, Obs

_LINK = re.compile(r"\.\./generations/([^/]+)/([0-9a-f]{12})\Z")


def see_link(root: str, env: str) -> tuple[str, str, str]:
    """What `envs/<env>` is: (state, generation, text); ok, missing, dangling, foreign or not a link."""
    path = os.path.join(root, "envs", env)
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return "missing", "", ""
    if not stat.S_ISLNK(status.st_mode):
        return "not a link", "", type_of(status)
    text = os.readlink(path)
    match = _LINK.match(text)
    if not match or match.group(1) != env:
        return "foreign", "", text[:200]
    if not os.path.lexists(Place(root, env, match.group(2)).tree):
        return "dangling", match.group(2), text
    return "ok", match.group(2), text


def see_env(root: str, env: str, declared: Optional[str], notes: Notes) -> Obs:
    """What stands at an environment's link, and what lies beside it."""
    for again in (True, False):
        state, name, text = see_link(root, env)
        result: Obs = {"link": state}
        if state in ("foreign", "not a link", "dangling"):
            result["target"] = redact(text)
        if state == "ok":
            before = _identity(root, env, name)
            result.update(see_generation(root, env, name, declared, notes))
            moved = see_link(root, env)[1] != name or _identity(root, env, name) != before
            if again and moved and "damage" in result:
                continue  # an update or a repair exchanged it meanwhile: inspect what is there now
        break
    others: list[str] = []
    unfinished: list[str] = []
    folder = os.path.join(root, "generations", env)
    if os.path.isdir(folder):
        for entry in sorted(os.listdir(folder)):
            if entry == name or entry.endswith(".inuse"):
                continue
            finished = not entry.startswith(".") and is_complete(os.path.join(folder, entry))
            (others if finished else unfinished).append(entry)
    if others:
        result["others"] = others[:20]
    if unfinished:
        result["leftovers"] = unfinished[:20]
    return result


def _identity(root: str, env: str, name: str) -> tuple[int, int]:
    try:
        status = os.lstat(Place(root, env, name).tree)
        return status.st_dev, status.st_ino
    except OSError:
        return 0, 0


def see_envs(root: str, declared: dict[str, Any], platform: str, notes: Notes) -> Obs:
    """All declared environments; one that cannot be read does not keep the others from being inspected."""
    found: Obs = {}
    for env in sorted(declared):
        value = declared[env]
        digest = value.get(platform) if isinstance(value, dict) else value
        try:
            if not plans.NAME.match(env):
                raise ValueError("not a name of an environment")
            found[env] = see_env(root, env, digest, notes)
        except (OSError, OutOfTime, ValueError, RecursionError) as error:
            notes.error("env " + env, error)
            found[env] = {"error": redact(reason(error))[:300]}
    return found


def see_undeclared(root: str, declared: dict[str, Any], notes: Notes) -> Obs:
    """Environments that are on the host and not declared for it."""
    found: Obs = {}
    for folder, what in (("envs", "link"), ("generations", "generations")):
        path = os.path.join(root, folder)
        if os.path.isdir(path):
            for name in sorted(os.listdir(path)):
                if not name.startswith(".") and name not in declared:
                    found.setdefault(name, what)
    return dict(list(found.items())[:50])
