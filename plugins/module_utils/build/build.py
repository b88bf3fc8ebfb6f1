"""Immutable generations of conda environments: built aside, verified, frozen, marked; repaired by exchange.

The order survives a kill at any moment: locks, room, install aside, modes, records and files verified, wheels, history
and hooks, byte-code, manifest, empty mark, rename to the final path, folders frozen, smoke test and `pip check` on the
frozen tree, everything written to disk, mark written. Only then may `Store.activate` publish it, by one link.
Whatever a killed run leaves, the next one removes. Python 3.9, standard library; linking is done by a child
(install_child.py) with Miniconda's python.
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

from ..host import disk_space, flock
from ..host import install_plan as plans
from ..host.child_env import clean_environment
from ..host.errors import Problem
from ..host.flock import reported
from ..prefix import records, tree
from ..store.store import Store
from . import bytecode, wheels
from .extra_files import library, write_ours
from .rattler_errors import explain
from .smoke_test import accepted

THRIFTY = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""For the rattler runtime: glibc's malloc then gives large buffers back at once, which halves the peak and costs no
time.
"""


class Options(NamedTuple):
    """How to build.

    `verify`: how deep an existing generation is looked at ("marks", "stats", "hashes"); `reserve`: bytes that stay
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


def look(store: Store, plan: dict[str, Any], depth: str = "stats") -> dict[str, Any]:
    """Say what is there, without locks and without changing anything.

    Return `name`, `state` ("absent", "unfinished", "damaged", "complete"), `damage` (list of sentences), `beside`
    (what is missing beside a complete tree: "in-use lock", "plan"), `published` (name or None) and `active` (whether
    the
    link publishes it).
    """
    name = plans.short(plan["digest"])
    final = store.path(plan["name"], name)
    published = store.published(plan["name"])
    damage: list[str] = []
    beside: list[str] = []
    if not os.path.isdir(final):
        state = "absent"
    elif tree.read_mark(final) is None and published != name:
        state = "unfinished"
    else:
        damage = tree.damage(final, depth)
        state = "damaged" if damage else "complete"
        if not store.in_use_lock_usable(plan["name"], name):
            beside.append("in-use lock")
        kept = store.kept_plan(plan["name"], name)
        if not kept or plans.check(kept) or kept["digest"] != plan["digest"]:
            beside.append("plan")
    return {
        "name": name, "state": state, "damage": damage, "beside": beside, "published": published,
        "active": published == name,
    }  # fmt: skip


def stage(store: Store, plan: dict[str, Any], options: Options = DEFAULTS) -> dict[str, Any]:
    """Make sure that a plan's generation exists, complete, without publishing it.

    Return `name`, `digest`, `changed`, `repaired`, `damage`, `seconds` (a phase to seconds), `packages`, `downloaded`
    (stems), `downloaded_bytes`, `files`, `borrowed` and `compiled` (numbers of .pyc) and `notes`.

    :raises Problem: with what could not be done, why, and what to do; what was live before still is
    """
    began = time.monotonic()
    checked(plan)
    found = look(store, plan, options.verify)
    whole = found["state"] == "complete" and not found["beside"]
    if whole and (found["active"] or store.want(plan["name"], found["name"])):
        return _result(plan, {"look": time.monotonic() - began})
    return _make_under_lock(store, plan, options, found["state"] == "damaged")


def repair(store: Store, plan: dict[str, Any], options: Options = DEFAULTS) -> dict[str, Any]:
    """Make a plan's generation anew, whatever it looks like, and exchange it for the one that is there.

    :raises Problem: as `stage`
    """
    checked(plan)
    return _make_under_lock(store, plan, options, True, forced=True)


def build(store: Store, plan: dict[str, Any], options: Options = DEFAULTS) -> dict[str, Any]:
    """Stage and activate; `changed` covers both, `previous` is what was published before.

    :raises Problem: as `stage` and `Store.activate`
    """
    result = stage(store, plan, options)
    swap = store.activate(plan["name"], result["name"])
    return {**result, "changed": result["changed"] or swap["changed"], "previous": swap["previous"]}


def checked(plan: dict[str, Any]) -> None:
    """Refuse a plan that is malformed or asks for what cannot be built.

    :raises Problem: naming what is wrong with it
    """
    wrong = plans.check(plan)
    if wrong:
        raise Problem(
            f"the plan of environment {str(plan.get('name'))[:80]} is refused" if isinstance(plan, dict) else "no plan",
            "; ".join(wrong[:5]),
            "make the lock again with playbooks/lock.yml",
        )


def _make_under_lock(
    store: Store, plan: dict[str, Any], options: Options, repair: bool, forced: bool = False
) -> dict[str, Any]:
    """Take the locks, look again, check the room, and make the generation."""
    env, name = plan["name"], plans.short(plan["digest"])
    old_mask = os.umask(0o022)
    try:
        store.prepare()
        clock = _Clock()
        with store.locked(env) as fds:
            clock.lap("wait")
            found = look(store, plan, options.verify)
            if found["state"] == "complete" and not forced:  # another run made it while this one waited
                with reported(f"generation {name} of environment {env} cannot be kept"):
                    store.keep(plan, name)
                return _result(plan, clock.laps, changed=bool(found["beside"]))
            _need_rattler(store)
            disk_space.need_room(store.root, plan, store.pkgs, options.reserve)
            return _Making(store, plan, options, fds, clock).run(repair or forced, found["damage"])
    finally:
        os.umask(old_mask)


def _result(plan: dict[str, Any], seconds: dict[str, float], **more: Any) -> dict[str, Any]:
    """Fill in the answer of `stage`."""
    return {
        "name": plans.short(plan["digest"]), "digest": plan["digest"], "changed": False, "repaired": False,
        "damage": [],
        "seconds": {key: round(value, 3) for key, value in seconds.items()}, "packages": len(plan["packages"]),
        "downloaded": [], "downloaded_bytes": 0, "files": 0, "borrowed": 0, "compiled": 0, "notes": [], **more,
    }  # fmt: skip


def _need_rattler(store: Store) -> None:
    """Check that Miniconda, rattler runtime and tools are there.

    :raises Problem: naming the role that brings what is missing
    """
    needed = ((store.python, "lockstep.fleet.miniconda"), (store.rattler, "lockstep.fleet.conda_envs"),
              (store.tools, "lockstep.fleet.conda_envs"))  # fmt: skip
    for path, role in needed:
        if not path or not os.path.exists(path):
            raise Problem(
                f"{path or 'the rattler'} is not there", "environments are built with it", f"run the role {role} first"
            )


class _Clock:
    """Seconds by phase."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, phase: str) -> None:
        now = time.monotonic()
        self.laps[phase] = self.laps.get(phase, 0.0) + now - self._last
        self._last = now


class _Making:
    """One making of one generation, under the locks."""

    def __init__(
        self, store: Store, plan: dict[str, Any], options: Options, fds: tuple[int, int], clock: _Clock
    ) -> None:
        self.store, self.plan, self.options, self.fds, self.clock = store, plan, options, fds, clock
        self.env, self.name = plan["name"], plans.short(plan["digest"])
        self.final = store.path(self.env, self.name)
        self.new = store.path(self.env, f".{self.name}.new")
        self.trash = store.path(self.env, f".{self.name}.trash")
        self.downloaded: set[str] = set()
        self.downloaded_bytes = self.borrowed = self.compiled = 0
        self.notes: list[str] = []
        self.failed_scripts: list[str] = []  # names of packages

    def run(self, repair: bool, damage: list[str]) -> dict[str, Any]:
        """Build aside, put in place, test, mark."""
        there = os.path.isdir(self.final)
        try:
            with reported(f"environment {self.env} cannot be built; what was live before still is"):
                count, content = self._build(repair)
                if there and tree.read_mark(self.final) is None and self.store.published(self.env) != self.name:
                    os.rename(self.final, self.trash)  # a killed run's, which nobody has been given
                    tree.remove(self.trash)
                    there = False
                if there:
                    self._replace(content)
                else:
                    os.rename(self.new, self.final)  # before the tests: entry points hold the final path
                    try:
                        self.store.keep(self.plan, self.name)
                        self._tested(self.final)
                        self._mark(self.final, content)
                    except BaseException:
                        os.rename(self.final, self.trash)
                        raise
                tree.sync(self.store.path(self.env))
        finally:
            for leftover in (self.new, self.trash):
                with contextlib.suppress(OSError):
                    tree.remove(leftover)
        self.clock.lap("tidy")
        return _result(
            self.plan, self.clock.laps, changed=True, repaired=there, damage=damage[:20], files=count,
            downloaded=sorted(self.downloaded), downloaded_bytes=self.downloaded_bytes, borrowed=self.borrowed,
            compiled=self.compiled, notes=self.notes,
        )  # fmt: skip

    def _replace(self, content: str) -> None:
        """Test the new tree aside, and exchange it for the damaged one, which is perhaps in use: it is never absent.

        Entry points and the like name the final path. So a test that fails aside may have met the damaged tree: then
        it is repeated at the final path, where verified files take the place of damaged ones in any case.
        """
        self.store.keep(self.plan, self.name)
        doubt = False
        try:
            self._tested(self.new)
        except Problem:
            doubt = True
        self._mark(self.new, content)
        tree.exchange(self.new, self.final)
        if doubt:
            try:
                self._tested(self.final)
            except BaseException:
                tree.exchange(self.new, self.final)
                raise
        os.rename(self.new, self.trash)

    def _build(self, repair: bool) -> tuple[int, str]:
        """Install aside, verified; where that cannot be believed a second time, with the package cache repaired."""
        refetched: frozenset[str] = frozenset()
        for full in (repair, True):
            tree.remove(self.new)
            problem = self._install(full)
            try:
                if problem is None:
                    return self._complete(refetched)
            except records.Mistrust as why:
                if full and refetched:
                    raise self._mistrusted(why) from None
                refetched = self._distrust(why.stems)
                last: Exception = self._mistrusted(why)
                self.notes.append(f"built again, repairing the package cache: {why}")
            else:
                last = problem
                self.notes.append(f"built again: {problem}")
        raise last

    def _mistrusted(self, why: records.Mistrust) -> Problem:
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

    def _distrust(self, stems: list[str]) -> frozenset[str]:
        """Put cache entries aside, so that they are fetched again; the dot lets the next sweep remove them."""
        for stem in stems:
            with contextlib.suppress(FileNotFoundError):
                os.rename(
                    os.path.join(self.store.pkgs, stem),
                    os.path.join(self.store.pkgs, f".bad-{stem}-{time.time_ns()}"),
                )
        return frozenset(stems)

    def _install(self, full: bool) -> Optional[Problem]:
        """Run the child; return a failure that a second try may heal.

        :raises Problem: for a failure that it will not
        """
        request = {
            "rattler": self.store.rattler, "packages": self.plan["packages"], "channel": self.plan["channel"],
            "staging": self.new, "final": self.final, "pkgs": self.store.pkgs, "full": full, "lock": self.fds[0],
        }  # fmt: skip
        program = os.path.join(str(self.store.tools), "lockstep_host", "build", "install_child.py")
        child = subprocess.run(
            [self.store.python, "-I", program], input=json.dumps(request).encode(), capture_output=True,
            pass_fds=self.fds, cwd="/", env=clean_environment(THRIFTY), check=False,
        )  # fmt: skip
        self.clock.lap("install")
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
        """Say, to whoever reads the lock's file, what is going on."""
        flock.tell(self.fds[0], doing)

    def _complete(self, refetched: frozenset[str]) -> tuple[int, str]:
        """Verify the tree and add all that is ours to it; return the number of files and the content digest."""
        self._tell("verifies every file")
        found = records.put_modes_right(self.new)
        for path in (
            "CACHEDIR.TAG",
            "conda-meta/history",
        ):  # the first makes backups skip the tree; ours replaces the other
            if found.pop(path, None):
                os.unlink(os.path.join(self.new, path))
        seals = os.path.join(self.store.state, "seals")
        promised = records.read_records(self.new, self.plan, self.store.pkgs, seals, refetched)
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
        self.clock.lap("verify")
        content = promised.content
        if self.plan["pip"]:
            added = self._wheels(found)
            entries.update(added)
            content = hashlib.sha256((content + wheels.content(added)).encode("utf-8", "surrogateescape")).hexdigest()
        entries.update(self._bytecode(found))
        self.clock.lap("bytecode")
        ours = [
            *write_ours(self.new, self.plan, os.path.join(str(self.store.tools), "hooks")),
            *(path for path in found if path.startswith("conda-meta/")),
        ]
        entries.update({path: tree.entry_of(self.new, path) for path in ours})
        tree.write_file(os.path.join(self.new, tree.MANIFEST), tree.manifest_text(entries))
        tree.write_file(os.path.join(self.new, tree.MARK), "")  # its folder will be frozen
        self.clock.lap("manifest")
        return len(entries), content

    def _scripts_at_final_path(
        self, found: dict[str, os.stat_result], entries: dict[str, tree.Entry], promised: records.Recorded
    ) -> dict[str, tree.Entry]:
        """Let what post-link scripts made name the final path, not the folder it was made in; return new entries."""
        theirs = [path for path in entries if path not in promised.files and path not in promised.links]
        moved, stuck = records.put_paths_right(self.new, self.final, theirs)
        if stuck:
            self.notes.append(f"holds the path of a folder that is gone, as a post-link script left it: {stuck[:5]}")
        for path in moved:
            found[path] = os.lstat(os.path.join(self.new, path))
        return {path: tree.entry_of(self.new, path, found[path]) for path in moved}

    def _wheels(self, found: dict[str, os.stat_result]) -> dict[str, tree.Entry]:
        """Install what the lock has from pip; return the entries of its files, which are added to `found`."""
        runner = wheels.Runner(self.store, self.plan, self.new, self.final, self.fds)
        self._tell(f"fetches and installs {len(self.plan['pip'])} wheels")
        fetched = wheels.fetch(runner, self.options.pip_index)
        self.downloaded |= set(fetched.downloaded)
        self.downloaded_bytes += fetched.size
        self.clock.lap("wheels")
        added = wheels.install(runner, fetched, found)
        self.clock.lap("pip")
        return added

    def _siblings(self) -> list[str]:
        """Return generations that may share modules: this environment's first; the published, then the newest."""
        listed = []
        for env in sorted(self.store.environments(), key=lambda env: env != self.env):
            paths = [self.store.path(env, name) for name in self.store.names(env)]
            paths.sort(key=tree.mtime, reverse=True)
            published = self.store.published(env)
            first = [self.store.path(env, published)] if published else []
            listed += list(dict.fromkeys([*first, *paths]))[:2]
        return listed[:6]

    def _bytecode(self, found: dict[str, os.stat_result]) -> dict[str, tree.Entry]:
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
            made.update(tree.entries_of(self.new, compiled))
        return made

    def _accepted(self, place: str) -> contextlib.AbstractContextManager[None]:
        """Smoke test and pip check, at `place`."""
        options = self.options
        return accepted(self.plan, place, self.store.python, options.pip_check, options.test_seconds, self.notes)

    def _tested(self, place: str) -> None:
        """Freeze, test what was frozen, and put it on disk."""
        tree.chmod_folders(place, 0o555)
        self.clock.lap("freeze")
        self._tell("is tested, and written to disk")
        with self._accepted(place):
            tree.sync_filesystem(place)  # while the tests run: the tree does not change any more
            self.clock.lap("sync")
        self.clock.lap("test")

    def _mark(self, place: str, content: str) -> None:
        """Say that it is complete."""
        body = {
            "layout": plans.LAYOUT, "env": self.env, "platform": self.plan["platform"], "digest": self.plan["digest"],
            "content": content, "manifest": tree.sha256_file(os.path.join(place, tree.MANIFEST)),
            "packages": len(self.plan["packages"]),
        }  # fmt: skip
        tree.write_file(os.path.join(place, tree.MARK), tree.mark_text(body), durable=True)
        self.clock.lap("mark")
