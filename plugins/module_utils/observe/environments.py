"""Inspect the environments: what each link publishes, other generations, and environments that are not declared."""

from __future__ import annotations

import os
from typing import Any, Optional

from ..host import install_plan as plans
from ..host.reading import OutOfTime, reason
from ..host.redaction import redact
from ..prefix.inspection import Place
from ..prefix.marker import is_complete
from ..prefix.published import blocked, read_link
from .generations import see_generation
from .notes import Notes, Obs


def see_env(root: str, env: str, declared: Optional[str], known: Optional[str], notes: Notes) -> Obs:
    """Inspect the generation that an environment's link publishes, and list the others.

    :param known: stamp of a generation that was inspected before; with the same stamp it is `unchanged`
    """
    for again in (True, False):
        state, name, text = read_link(root, env)
        if why := blocked(root, env):
            state, text = "blocked", why
        result: Obs = {"link": state}
        if state in ("foreign", "blocked", "dangling"):
            result["target"] = redact(text[:200])
        if state == "ok":
            place = Place(root, env, name)
            result["stamp"] = place.stamp
            if result["stamp"] == known:
                result["unchanged"] = True
                break
            result.update(see_generation(root, env, name, declared, notes))
            moved = read_link(root, env).name != name or place.stamp != result["stamp"]
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


def see_envs(root: str, declared: dict[str, Any], known: dict[str, str], platform: str, notes: Notes) -> Obs:
    """Inspect all declared environments, also if one of them cannot be read."""
    found: Obs = {}
    for env in sorted(declared):
        value = declared[env]
        digest = value.get(platform) if isinstance(value, dict) else value
        try:
            if not plans.NAME.match(env):
                raise ValueError("not a name of an environment")
            found[env] = see_env(root, env, digest, known.get(env), notes)
        except (OSError, OutOfTime, ValueError, RecursionError) as error:
            notes.error("env " + env, error)
            found[env] = {"error": redact(reason(error))[:300]}
    return found


def see_undeclared(root: str, declared: dict[str, Any], notes: Notes) -> Obs:
    """Return environments that are on the host and not declared for it."""
    found: Obs = {}
    for folder, what in (("envs", "link"), ("generations", "generations")):
        path = os.path.join(root, folder)
        if os.path.isdir(path):
            for name in sorted(os.listdir(path)):
                if not name.startswith(".") and name not in declared:
                    found.setdefault(name, what)
    return dict(list(found.items())[:50])
