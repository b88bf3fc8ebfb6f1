"""One generation: its mark, its manifest, its files, and whether its records are those of its plan."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from typing import Optional

from ..host import install_plan as plans
from .files import check_files, check_names
from .packages import find_pip, load_records, owners, package_names
from .reading import HUGE, LARGE, Obs, Odd, Seen, read, reason
from .seals import MANIFEST, parse_manifest, read_mark


def kept_plan(root: str, env: str, digest: str) -> Obs:
    """Return the plan that a generation was made from.

    :raises OSError, Odd, ValueError, KeyError, TypeError, RecursionError: where it cannot be read, or is another's
    """
    path = os.path.join(root, "state", "locks", env, digest[:12] + ".json")
    plan: Obs = json.loads(read(path, LARGE))
    if plans.digest(plan) != digest:
        raise ValueError(f"the one kept at {path} is not that of digest {digest[:12]}")
    return plan


def check_identity(root: str, env: str, mark: Obs, records: list[Obs], bad: list[str]) -> list[str]:
    """At the deepest look: do the records say the same packages as the plan that the digest stands for?"""
    wrong = [f"the record {name} cannot be read" for name in bad]
    try:
        plan = kept_plan(root, env, mark["digest"])
        planned = {(p["name"], p["version"], p["build"], p["subdir"], p["sha256"]) for p in plan["packages"]}
    except (OSError, Odd, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return wrong  # it is told already, as `plan`
    found = {tuple(str(r.get(k, "")) for k in ("name", "version", "build", "subdir", "sha256")) for r in records}
    wrong += ["{} {} {} is recorded, and not in the plan".format(*item[:3]) for item in sorted(found - planned)]
    wrong += ["{} {} {} is in the plan, and not recorded".format(*item[:3]) for item in sorted(planned - found)]
    return wrong[:20]


def see_generation(root: str, env: str, name: str, declared: Optional[str], seen: Seen) -> Obs:
    """One generation: its mark, its manifest, its files to the depth asked for."""
    tree = os.path.join(root, "generations", env, name)
    result: Obs = {"generation": name}
    mark, why = read_mark(tree)
    if mark is None:
        result["unfinished"] = why
        return result
    result.update({"digest": mark["digest"], "content": mark["content"], "packages": mark.get("packages")})
    if mark["digest"][:12] != name or mark.get("env", env) != env:
        result["mislabelled"] = "its mark is that of {}/{}".format(mark.get("env"), mark["digest"][:12])
    if mark.get("layout") != plans.LAYOUT:
        result["mislabelled"] = "its layout is {}, and this version knows {}".format(mark.get("layout"), plans.LAYOUT)
    in_use_lock = os.path.join(root, "generations", env, f".{name}.inuse")
    try:
        mode = os.lstat(in_use_lock).st_mode
        if mode & 0o170444 != 0o100444 or mode & 0o022:  # as Store.in_use_lock_usable has it
            result["in_use_lock"] = (
                f"mode {stat.S_IMODE(mode):04o}, not 0444" if stat.S_ISREG(mode) else "is no regular file"
            )
    except OSError as error:
        result["in_use_lock"] = reason(error)
    if seen.depth != "names":
        try:
            if plans.check(kept_plan(root, env, mark["digest"])):
                raise ValueError("it is not whole")
        except FileNotFoundError:
            result["plan"] = "is missing"
        except OSError as error:
            seen.error("env " + env, error)
        except (Odd, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            result["plan"] = str(error) if isinstance(error, ValueError) else "cannot be read"
    try:
        data = read(os.path.join(tree, MANIFEST), HUGE)
        if hashlib.sha256(data).hexdigest() != mark["manifest"]:
            raise ValueError("it is not the one that the mark vouches for")
        manifest = parse_manifest(data)
    except (OSError, Odd, ValueError) as error:
        result["manifest"] = str(error) if isinstance(error, ValueError) else reason(error)
        result["names"] = package_names(tree)
        return result
    result["manifest"] = "ok"
    if seen.depth == "names":
        problems = check_names(tree, data)
    else:
        counts, problems = check_files(tree, manifest, seen)
        result.update(counts)
    records: list[Obs] = []
    if problems.items or seen.depth == "hashes":
        records, bad = load_records(tree, seen)
        if seen.depth == "hashes":
            wrong = check_identity(root, env, mark, records, bad)
            if wrong:
                result["identity"] = wrong
    if problems.items:
        result["problems"] = problems.result(seen.cap, owners(records, [path for _, path, _ in problems.items]))
        added, clobbered = find_pip(tree, problems, manifest)
        if added:
            result["pip"] = added
        if clobbered:
            result["clobbered"] = clobbered
    if declared is not None and declared != mark["digest"]:
        result["names"] = package_names(tree)
        with contextlib.suppress(OSError, Odd, ValueError, KeyError, TypeError, RecursionError):
            plan = kept_plan(root, env, mark["digest"])
            result["wheels"] = [[str(w["name"]), str(w["version"])] for w in plan["pip"]]
    return result
