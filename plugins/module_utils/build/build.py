"""Immutable generations of conda environments: built aside, verified, frozen, completed; repaired by exchange.

The order survives a kill at any moment: locks, disk space, install aside, modes, records and files verified, wheels,
history and hooks, byte-code, manifest, empty completion marker, rename to the final path, folders frozen, smoke test
and `pip check` on the frozen tree, everything written to disk, completion marker written. Only then may
`Store.activate` publish it, by one link. The next run removes what a killed run left.

Python 3.9, standard library; linking is done by a child (install_child.py) with Miniconda's python.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time
from typing import Any, NamedTuple, Optional

from ..host import disk_space, flock, fs
from ..host import install_plan as plans
from ..host.child_env import clean_environment
from ..host.errors import Problem
from ..host.flock import error_context
from ..host.install_plan import InstallPlan
from ..prefix import inspection as prefix_inspection
from ..prefix.damage import Damage
from ..prefix.hashing import Hasher, entries_of, entry_of, sha256_file
from ..prefix.manifest import MANIFEST, Entry, manifest_text
from ..prefix.marker import MARKER, Marker, is_complete, marker_text
from ..store.store import Store
from . import bytecode, records, wheels
from .extra_files import library, write_ours
from .rattler_errors import explain
from .smoke_test import run_smoke_test

THRIFTY = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""For the rattler runtime: glibc's malloc then gives large buffers back at once, which halves the peak and costs no
time.
"""


class Options(NamedTuple):
    """How to build.

    `verify`: how deep an existing generation is inspected ("names", "stats", "hashes"); `reserve`: bytes that stay
    free;
    `pip_check`: whether `pip check` must pass; `test_seconds`: limit of smoke test and pip check; `pip_index`: url of
    the index that wheels come from, "" for the one that this host's pip is set up for.
    """

    verify: str = "stats"
    reserve: int = disk_space.RESERVE
    pip_check: bool = True
    test_seconds: float = 600
    pip_index: str = ""


DEFAULTS = Options()


class Status(NamedTuple):
    """What a host has of a plan's generation.

    `state`: "absent", "unfinished", "damaged" or "complete"; `published`: the name that the link publishes, or None;
    `stamp` is that of its `Place`.
    """

    name: str
    state: str
    damage: list[Damage]
    beside: list[Damage]
    published: Optional[str]
    stamp: str

    @property
    def active(self) -> bool:
        """Return whether the link publishes the generation."""
        return self.published == self.name


def inspect(store: Store, plan: InstallPlan, depth: str = "stats") -> Status:
    """Inspect a plan's generation, without locks and without changing anything."""
    name = plan.generation
    place, published = store.place(plan.name, name), store.published(plan.name)
    stamp = place.stamp
    if not os.path.lexists(place.tree):
        return Status(name, "absent", [], [], published, stamp)
    found = prefix_inspection.inspect(place, depth, Hasher(), plan.digest)
    state = "damaged" if found.damage else "complete"
    if found.marker is None and published != name:
        state = "unfinished"
    return Status(name, state, found.damage, found.beside, published, stamp)


def planned_actions(store: Store, plan: InstallPlan, status: Status, publish: bool) -> list[str]:
    """Return the actions that are needed, as texts; empty if the host holds what the plan says.

    :param publish: whether the link should publish the generation as well
    :raises Problem: if something else has the place of a link, folder or lock of the environment
    """
    name, actions = status.name, []
    store.link(plan.name)
    if status.state == "damaged":
        few = "; ".join(str(item) for item in status.damage[:3])
        actions.append(f"repair {name}, which is damaged ({len(status.damage)}: {few})")
    elif status.state != "complete":
        actions.append(f"build {name} of {len(plan.packages) + len(plan.pip)} packages")
    else:
        actions += [f"restore the {item.kind.value} of {name} ({item.why})" for item in status.beside]
    if publish and not status.active:
        actions.append(f"publish {name}" + (f" in place of {status.published}" if status.published else ""))
    return actions


def stage(
    store: Store, plan: InstallPlan, options: Options = DEFAULTS, status: Optional[Status] = None
) -> dict[str, Any]:
    """Ensure that a plan's generation exists, complete, without publishing it.

    Return `name`, `digest`, `changed`, `repaired`, `damage`, `seconds` (a phase to seconds), `packages`, `downloaded`
    (stems), `downloaded_bytes`, `files`, `borrowed` and `compiled` (numbers of .pyc) and `notes`.

    :param status: what `inspect` returned, if that was called before
    :raises Problem: if it fails; what was live before stays live
    """
    began = time.monotonic()
    status = status or inspect(store, plan, options.verify)
    if status.state == "complete" and not status.beside and (status.active or store.want(plan.name, status.name)):
        return _result(plan, {"inspect": time.monotonic() - began})
    return _make_under_lock(store, plan, options, status)


def repair(store: Store, plan: InstallPlan, options: Options = DEFAULTS) -> dict[str, Any]:
    """Build a plan's generation again, and exchange it for the one that is there.

    :raises Problem: as `stage`
    """
    return _make_under_lock(store, plan, options, inspect(store, plan, options.verify), forced=True)


def build(
    store: Store, plan: InstallPlan, options: Options = DEFAULTS, status: Optional[Status] = None
) -> dict[str, Any]:
    """Stage and activate; `changed` covers both, `previous` is what was published before.

    :raises Problem: as `stage` and `Store.activate`
    """
    result = stage(store, plan, options, status)
    swap = store.activate(plan.name, result["name"])
    return {**result, "changed": result["changed"] or swap["changed"], "previous": swap["previous"]}


def _make_under_lock(
    store: Store, plan: InstallPlan, options: Options, status: Status, forced: bool = False
) -> dict[str, Any]:
    """Take the locks, inspect again what another run changed meanwhile, check the disk space, make the generation."""
    env, name = plan.name, status.name
    old_mask = os.umask(0o022)
    try:
        store.prepare()
        timer = Timer()
        with store.locked(env) as fds:
            timer.lap("wait")
            if store.place(env, name).stamp != status.stamp:
                status = inspect(store, plan, options.verify)
            if status.state == "complete" and not forced:
                with error_context(f"generation {name} of environment {env} cannot be kept"):
                    store.keep(plan, name)
                return _result(plan, timer.laps, changed=bool(status.beside))
            _need_rattler(store)
            disk_space.need_room(store.root, plan, store.pkgs, options.reserve)
            damage = [str(item) for item in status.damage]
            return Build(store, plan, options, fds, timer).run(forced or status.state == "damaged", damage)
    finally:
        os.umask(old_mask)


def _result(plan: InstallPlan, seconds: dict[str, float], **more: Any) -> dict[str, Any]:
    """Fill in the answer of `stage`."""
    return {
        "name": plan.generation, "digest": plan.digest, "changed": False, "repaired": False,
        "damage": [],
        "seconds": {key: round(value, 3) for key, value in seconds.items()}, "packages": len(plan.packages),
        "downloaded": [], "downloaded_bytes": 0, "files": 0, "borrowed": 0, "compiled": 0, "notes": [], **more,
    }  # fmt: skip


def _need_rattler(store: Store) -> None:
    """Check that Miniconda, the rattler runtime and the host files are there.

    :raises Problem: if one is missing; the message names the role that installs it
    """
    needed = ((store.python, "lockstep.fleet.miniconda"), (store.rattler, "lockstep.fleet.conda_envs"),
              (store.tools, "lockstep.fleet.conda_envs"))  # fmt: skip
    for path, role in needed:
        if not path or not os.path.exists(path):
            raise Problem(
                f"{path or 'the rattler'} is not there", "environments are built with it", f"run the role {role} first"
            )


class Timer:
    """Measures the seconds of each phase."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, phase: str) -> None:
        """Count the time since the last call for a phase."""
        now = time.monotonic()
        self.laps[phase] = self.laps.get(phase, 0.0) + now - self._last
        self._last = now


class Build:
    """One build of one generation, under the locks."""

    def __init__(self, store: Store, plan: InstallPlan, options: Options, fds: tuple[int, int], timer: Timer) -> None:
        self.store, self.plan, self.options, self.fds, self.timer = store, plan, options, fds, timer
        self.env, self.name = plan.name, plan.generation
        self.final = store.path(self.env, self.name)
        self.new = store.path(self.env, f".{self.name}.new")
        self.trash = store.path(self.env, f".{self.name}.trash")
        self.downloaded: set[str] = set()
        self.downloaded_bytes = self.borrowed = self.compiled = 0
        self.notes: list[str] = []
        self.failed_scripts: list[str] = []  # names of packages

    def run(self, repair: bool, damage: list[str]) -> dict[str, Any]:
        """Build aside, put in place, test, write the completion marker."""
        there = os.path.lexists(self.final)
        try:
            with error_context(f"environment {self.env} cannot be built; what was live before still is"):
                count, content = self._build(repair)
                if there and not is_complete(self.final) and self.store.published(self.env) != self.name:
                    os.rename(self.final, self.trash)  # a killed run's, which was never published
                    fs.remove(self.trash)
                    there = False
                if there:
                    self._replace(content)
                else:
                    os.rename(self.new, self.final)  # before the tests: entry points hold the final path
                    try:
                        self.store.keep(self.plan, self.name)
                        self._test(self.final)
                        self._finish(self.final, content)
                    except BaseException:
                        os.rename(self.final, self.trash)
                        raise
                fs.sync(self.store.path(self.env))
        finally:
            for leftover in (self.new, self.trash):
                with contextlib.suppress(OSError):
                    fs.remove(leftover)
        self.timer.lap("tidy")
        return _result(
            self.plan, self.timer.laps, changed=True, repaired=there, damage=damage[:20], files=count,
            downloaded=sorted(self.downloaded), downloaded_bytes=self.downloaded_bytes, borrowed=self.borrowed,
            compiled=self.compiled, notes=self.notes,
        )  # fmt: skip

    def _replace(self, content: str) -> None:
        """Test the new tree aside, and exchange it in one step for the damaged one, which may be in use.

        Entry points and scripts hold the final path, so a test that runs aside can start programs of the damaged tree.
        A test that fails aside is therefore repeated after the exchange; if it fails again, the exchange is undone.
        """
        self.store.keep(self.plan, self.name)
        doubt = False
        try:
            self._test(self.new)
        except Problem:
            doubt = True
        self._finish(self.new, content)
        fs.exchange(self.new, self.final)
        if doubt:
            try:
                self._test(self.final)
            except BaseException:
                fs.exchange(self.new, self.final)
                raise
        os.rename(self.new, self.trash)

    def _build(self, repair: bool) -> tuple[int, str]:
        """Install aside and verify; if the verification fails, repair the package cache and try once more."""
        refetched: frozenset[str] = frozenset()
        for full in (repair, True):
            fs.remove(self.new)
            problem = self._install(full)
            try:
                if problem is None:
                    return self._complete(refetched)
            except records.VerificationError as why:
                if full and refetched:
                    raise self._unverified(why) from None
                refetched = self._set_aside(why.stems)
                last: Exception = self._unverified(why)
                self.notes.append(f"built again, repairing the package cache: {why}")
            else:
                last = problem
                self.notes.append(f"built again: {problem}")
        raise last

    def _unverified(self, why: records.VerificationError) -> Problem:
        remedy = (
            "run again; if it stays, the disk fails (see `dmesg`), or a package's post-link script alters files, which "
            "other environments of this host share: do without that package, and run site.yml, which repairs them"
        )
        if any("__clobbers__/" in problem for problem in why.problems):
            remedy = "one package brings a folder where another brings a file or link: do without one of the two"
        return Problem(
            f"environment {self.env} was built, but is not what its lock says",
            "; ".join(why.problems[:5]) + (f"; and {len(why.problems) - 5} more" if len(why.problems) > 5 else ""),
            remedy,
        )

    def _set_aside(self, stems: list[str]) -> frozenset[str]:
        """Put cache entries aside, so that they are fetched again; the dot lets the next sweep remove them."""
        for stem in stems:
            with contextlib.suppress(FileNotFoundError):
                os.rename(
                    os.path.join(self.store.pkgs, stem),
                    os.path.join(self.store.pkgs, f".bad-{stem}-{time.time_ns()}"),
                )
        return frozenset(stems)

    def _install(self, full: bool) -> Optional[Problem]:
        """Run the child; return a failure that a second try may correct.

        :raises Problem: for a failure that it will not
        """
        request = {
            "rattler": self.store.rattler, "packages": [package._asdict() for package in self.plan.packages],
            "channel": self.plan.channel, "staging": self.new, "final": self.final, "pkgs": self.store.pkgs,
            "full": full, "lock": self.fds[0],
        }  # fmt: skip
        program = os.path.join(str(self.store.tools), "lockstep_host", "build", "install_child.py")
        child = subprocess.run(
            [self.store.python, "-I", program], input=json.dumps(request).encode(), capture_output=True,
            pass_fds=self.fds, cwd="/", env=clean_environment(THRIFTY), check=False,
        )  # fmt: skip
        self.timer.lap("install")
        try:
            answer = json.loads(child.stdout)
        except ValueError:
            last = (child.stderr.decode(errors="replace").strip().splitlines() or [""])[-1][-600:]
            if child.returncode > 0:  # it answers every failure of its own
                raise Problem(
                    f"environment {self.env}: {self.store.python} cannot run the rattler runtime",
                    last or f"it ended with {child.returncode}, and said nothing",
                    "move that Miniconda away and run the role lockstep.fleet.miniconda, which installs it anew",
                ) from None
            answer = {"error": last, "package": "", "downloaded": [], "bytes": 0}
        self.downloaded |= set(answer["downloaded"])
        self.downloaded_bytes += answer["bytes"]
        self.failed_scripts = answer.get("failed", [])
        if child.returncode == 0 or (child.returncode == -signal.SIGSEGV and not answer["error"]):
            return None  # what was linked is verified in any case
        if child.returncode == -signal.SIGBUS or str(self.store.rattler) in answer["error"]:
            raise Problem(
                f"environment {self.env}: the rattler runtime in {self.store.rattler} cannot be used",
                answer["error"].strip()[-600:] or "it was ended by signal 7: one of its files is cut off",
                "remove that folder and run again: it is unpacked anew",
            )
        if child.returncode < 0:
            answer["error"] += (
                f" (the rattler runtime was ended by signal {-child.returncode}; -9 is often a lack of memory)"
            )
        problem, understood = explain(answer["error"], answer["package"], self.plan)
        if understood:
            raise problem
        return problem

    def _tell(self, doing: str) -> None:
        """Write the current phase into the lock's file."""
        flock.tell(self.fds[0], doing)

    def _complete(self, refetched: frozenset[str]) -> tuple[int, str]:
        """Verify the tree and add Lockstep's own files to it; return the number of files and the content digest."""
        self._tell("verifies every file")
        found = records.repair_modes(self.new)
        for path in (
            "CACHEDIR.TAG",
            "conda-meta/history",
        ):  # the first makes backups skip the tree; ours replaces the other
            if found.pop(path, None):
                os.unlink(os.path.join(self.new, path))
        checksums = os.path.join(self.store.state, "checksums")
        promised = records.read_records(self.new, self.plan, self.store.pkgs, checksums, refetched)
        entries = records.verify(self.new, found, promised)
        if self.failed_scripts:
            self.notes.append(
                f"the post-link script failed of {', '.join(self.failed_scripts)}; what it was to make may be missing"
            )
        if promised.scripts:
            entries.update(self._scripts_at_final_path(found, entries, promised))
        if promised.aside:
            few = ", ".join(sorted(promised.aside)[:5]) + (" ..." if len(promised.aside) > 5 else "")
            self.notes.append(f"put aside, since another package brings the same file ({len(promised.aside)}): {few}")
        records.list_urls(self.store.pkgs, self.plan)
        self.timer.lap("verify")
        content = promised.content
        if self.plan.pip:
            added = self._wheels(found)
            entries.update(added)
            content = hashlib.sha256((content + wheels.content(added)).encode("utf-8", "surrogateescape")).hexdigest()
        entries.update(self._bytecode(found))
        self.timer.lap("bytecode")
        ours = [
            *write_ours(self.new, self.plan, os.path.join(str(self.store.tools), "hooks")),
            *(path for path in found if path.startswith("conda-meta/")),
        ]
        entries.update({path: entry_of(self.new, path) for path in ours})
        fs.write_file(os.path.join(self.new, MANIFEST), manifest_text(entries))
        fs.write_file(os.path.join(self.new, MARKER), "")  # its folder will be frozen
        self.timer.lap("manifest")
        return len(entries), content

    def _scripts_at_final_path(
        self, found: dict[str, os.stat_result], entries: dict[str, Entry], promised: records.Recorded
    ) -> dict[str, Entry]:
        """Replace the build folder's path by the final path in files of post-link scripts; return their new entries."""
        theirs = [path for path in entries if path not in promised.files and path not in promised.links]
        moved, stuck = records.replace_paths(self.new, self.final, theirs)
        if stuck:
            self.notes.append(f"holds the path of a folder that is gone, as a post-link script left it: {stuck[:5]}")
        for path in moved:
            found[path] = os.lstat(os.path.join(self.new, path))
        return {path: entry_of(self.new, path, found[path]) for path in moved}

    def _wheels(self, found: dict[str, os.stat_result]) -> dict[str, Entry]:
        """Install the wheels of the lock; return the entries of its files, which are added to `found`."""
        runner = wheels.Runner(self.store, self.plan, self.new, self.final, self.fds)
        self._tell(f"fetches and installs {len(self.plan.pip)} wheels")
        fetched = wheels.fetch(runner, self.options.pip_index)
        self.downloaded |= set(fetched.downloaded)
        self.downloaded_bytes += fetched.size
        self.timer.lap("wheels")
        added = wheels.install(runner, fetched, found)
        self.timer.lap("pip")
        return added

    def _siblings(self) -> list[str]:
        """Return generations that may share modules: this environment's first; the published, then the newest."""
        listed = []
        for env in sorted(self.store.environments(), key=lambda env: env != self.env):
            paths = [self.store.path(env, name) for name in self.store.names(env)]
            paths.sort(key=fs.mtime, reverse=True)
            published = self.store.published(env)
            first = [self.store.path(env, published)] if published else []
            listed += list(dict.fromkeys([*first, *paths]))[:2]
        return listed[:6]

    def _bytecode(self, found: dict[str, os.stat_result]) -> dict[str, Entry]:
        lib = library(self.plan)
        todo = bytecode.sources(found, lib) if lib else []
        made = bytecode.borrow(self._siblings(), self.new, found, todo) if todo else {}
        self.borrowed = len(made)
        if todo:
            self._tell(f"byte-compiles {len(todo)} modules")
            python = os.path.join(self.new, "bin", "python")
            bytecode.compile_all(python, self.new, self.final, todo, self.fds, clean_environment())
            compiled = bytecode.made_by_compiling(self.new, todo)
            self.compiled = len(compiled)
            made.update(entries_of(self.new, compiled))
        return made

    def _smoke_test(self, place: str) -> contextlib.AbstractContextManager[None]:
        """Smoke test and pip check, at `place`."""
        options = self.options
        return run_smoke_test(self.plan, place, self.store.python, options.pip_check, options.test_seconds, self.notes)

    def _test(self, place: str) -> None:
        """Freeze, test what was frozen, and put it on disk."""
        fs.chmod_folders(place, 0o555)
        self.timer.lap("freeze")
        self._tell("is tested, and written to disk")
        with self._smoke_test(place):
            fs.sync_filesystem(place)  # while the tests run: the tree does not change any more
            self.timer.lap("sync")
        self.timer.lap("test")

    def _finish(self, place: str, content: str) -> None:
        """Write the completion marker."""
        checksum = sha256_file(os.path.join(place, MANIFEST))
        marker = Marker(
            plans.LAYOUT, self.env, self.plan.platform, self.plan.digest, content, checksum,
            len(self.plan.packages),
        )  # fmt: skip
        fs.write_file(os.path.join(place, MARKER), marker_text(marker), durable=True)
        self.timer.lap("marker")
