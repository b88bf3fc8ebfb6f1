"""The scheduled clean: unused generations, then what conda calls unused. Python 3.9, standard library.

`conda clean --packages` judges only by hard links: it would offer for removal a package that was soft-linked, and one
just extracted by a build still running. So it runs while no build runs, and not at all where a record is soft-linked.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import time
from typing import Any, Optional

from ..build import wheels
from ..host import fs
from ..host.child_env import clean_environment
from ..host.disk_space import human
from ..host.errors import Problem
from ..host.flock import error_context
from ..store.store import Store

KEPT = 50  # entries of the clean's history
SECONDS = 3600  # limit of one conda command
LINK = re.compile(r'"link"\s*:\s*\{[^{}]*"type"\s*:\s*(\d)')
SOFT = "2"


def usage(folders: list[str]) -> int:
    """Return the bytes that folders take on disk, a file with several names counted once.

    Files that are removed meanwhile are not counted.
    """
    seen, total = set(), 0
    for folder in folders:
        for base, _unused, names in os.walk(folder):
            for path in (base, *(os.path.join(base, name) for name in names)):
                try:
                    status = os.lstat(path)
                except OSError:
                    continue
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    total += status.st_blocks * 512
    return total


def soft_linked(store: Store) -> Optional[str]:
    """Return a record that says its package was soft-linked out of the cache, or None."""
    for env in store.environments():
        for name in store.names(env):
            meta = os.path.join(store.path(env, name), "conda-meta")
            try:
                found = [item for item in os.listdir(meta) if item.endswith(".json")]
            except OSError:
                continue
            for item in found:
                match = LINK.search(fs.read_file(os.path.join(meta, item)))
                if match and match[1] == SOFT:
                    return os.path.join(meta, item)
    return None


def conda(store: Store, arguments: list[str]) -> None:
    """Run a conda command on the shared package cache.

    :raises Problem: if conda is not there, fails or hangs
    """
    program = os.path.join(os.path.dirname(store.python), "conda")
    command = " ".join(["conda", *arguments])
    try:
        done = subprocess.run(
            [program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, cwd="/", check=False,
            env=clean_environment({"CONDA_PKGS_DIRS": store.pkgs}),
        )  # fmt: skip
    except OSError as error:
        raise Problem(f"{command} cannot be run", f"{program}: {error.strerror}", "run the role miniconda") from None
    except subprocess.TimeoutExpired:
        raise Problem(f"{command} did not end within {SECONDS} s", program, "run it by hand and see") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-600:]
        raise Problem(f"{command} failed with {done.returncode}", said, "run it by hand and see")


def cached(store: Store) -> set[str]:
    """Return the names of the packages that lie extracted in the cache."""
    with os.scandir(store.pkgs) as found:
        return {item.name for item in found if item.is_dir() and not item.name.startswith(".") and item.name != "cache"}


def clean(store: Store, keep_previous: int, min_age: float, dry_run: bool = False) -> dict[str, Any]:
    """Clean once; return the entry for `state/clean.json`, which is written as well unless `dry_run`.

    Every environment and both conda commands are tried, whatever fails before; `ok` is false if anything did.

    :param keep_previous: generations to keep beside the published one
    :param min_age: seconds since a generation was retired
    """
    began = time.time()
    folders = [store.pkgs, store.generations, store.wheels]
    before = usage(folders)
    removed: list[str] = []
    failures: list[str] = []
    notes: list[str] = []
    for env in store.environments():
        try:
            if dry_run:
                removed += [f"{env}/{name}" for name in store.candidates(env, keep_previous, min_age)]
                continue
            found = store.collect(env, keep_previous, min_age)
            removed += [f"{env}/{name}" for name in found["removed"]]
            notes += [f"{env}/{name} is in use" for name in found["in_use"]]
        except (Problem, OSError) as problem:
            failures.append(str(problem))
    if not dry_run:
        try:
            removed += _clean_cache(store, notes)
        except (Problem, OSError) as problem:
            failures.append(str(problem))
    after = usage(folders)
    entry = {
        "at": int(began), "before_bytes": before, "after_bytes": after, "removed": removed, "ok": not failures,
        "message": " ".join(failures) or "; ".join(notes), "seconds": round(time.time() - began, 1),
    }  # fmt: skip
    if not dry_run:
        try:
            remember(store, entry)
        except Problem as problem:  # the result is recorded also after a failure
            entry.update(ok=False, message=" ".join([*failures, str(problem)]))
    return entry


def _clean_cache(store: Store, notes: list[str]) -> list[str]:
    """Let conda remove unused packages, under the exclusive lock of the cache; return their names."""
    with store.pkgs_alone(), error_context("the package cache cannot be cleaned"):
        store.sweep_pkgs()
        before = cached(store)
        conda(store, ["clean", "--index-cache", "--tarballs", "--yes"])
        soft = soft_linked(store)
        if soft:
            notes.append(
                f"unused packages were kept: {soft} says that a package is soft-linked, which conda takes for unused"
            )
        else:
            conda(store, ["clean", "--packages", "--yes"])
        gone = before - cached(store)
        for stem in gone:  # the rattler runtime's note of what it had extracted
            lock = os.path.join(store.pkgs, stem + ".lock")
            if os.path.exists(lock):
                os.unlink(lock)
        removed = sorted(f"pkgs/{stem}" for stem in gone)
        for sha256 in wheels.unused(store):
            path = os.path.join(store.wheels, sha256)
            with contextlib.suppress(OSError):
                removed += sorted(f"wheels/{name}" for name in os.listdir(path) if not sha256.startswith("."))
            fs.remove(path)
        return removed


def remember(store: Store, entry: dict[str, Any]) -> None:
    """Add an entry to the clean's history.

    :raises Problem: if it cannot be written
    """
    path = f"{store.state}/clean.json"
    with store.alone("clean.lock", path, "clean"), error_context(f"{path} cannot be written"):
        store.write_state("clean.json", [*history(store), entry][-KEPT:])


def history(store: Store) -> list[dict[str, Any]]:
    """Return the entries of former cleans, oldest first; what cannot be read counts as none."""
    try:
        found = json.loads(fs.read_file(os.path.join(store.state, "clean.json")))
    except (OSError, ValueError):
        return []
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def report(entry: dict[str, Any], dry_run: bool = False) -> str:
    """Write an entry for people."""
    lines = [f"would remove {name}" if dry_run else f"removed {name}" for name in entry["removed"]]
    if not lines:
        lines.append("nothing to remove")
    if not dry_run:
        freed = entry["before_bytes"] - entry["after_bytes"]
        lines.append(
            f"freed {human(max(freed, 0))}: {human(entry['before_bytes'])} before, {human(entry['after_bytes'])} after"
        )
    if entry["message"]:
        lines.append(("note: " if entry["ok"] else "FAILED: ") + entry["message"])
    return "\n".join(lines)
