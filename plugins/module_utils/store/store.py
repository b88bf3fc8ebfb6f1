"""The root on a host: paths, locks, the published generations, and the removal of unused ones.

Python 3.9, standard library. Names that begin with a dot below `generations/<env>/` are work in progress, and who
holds the environment's lock may remove them; the `.inuse` files apart, whose inodes are locks that shells and jobs
hold shared.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from typing import Any, Optional

from ..host import flock, fs
from ..host import install_plan as plans
from ..host.disk_space import refuse_network, refuse_other_filesystem
from ..host.errors import Problem
from ..host.flock import error_context
from ..host.install_plan import InstallPlan
from ..host.reading import LARGE, read
from ..host.root import need_root_folder
from ..prefix.inspection import Place, kept_plan
from ..prefix.marker import is_complete
from ..prefix.published import blocked, read_link

HISTORY = 50  # publishes remembered for each environment
IN_USE_SECONDS = 2.0  # as long as activation waits for an in-use lock


class Store:
    """The folders of one root.

    :param root: lockstep_root; absolute
    :param tools: folder with the project's files for hosts (`lockstep_host/`, `hooks/`); needed to build only
    :param python: interpreter (3.10 or newer) that runs the rattler runtime; default the root's Miniconda
    :param rattler: folder of the unpacked rattler runtime; needed to build only
    :param lock_timeout: seconds to wait for another run before giving up
    """

    def __init__(
        self,
        root: str,
        tools: Optional[str] = None,
        python: Optional[str] = None,
        rattler: Optional[str] = None,
        lock_timeout: float = 1800,
    ) -> None:
        self.root = root
        self.pkgs, self.envs = os.path.join(root, "pkgs"), os.path.join(root, "envs")
        self.wheels = os.path.join(root, "wheels")
        self.state, self.generations = os.path.join(root, "state"), os.path.join(root, "generations")
        self.tools = tools
        self.python = python or os.path.join(root, "miniconda", "bin", "python")
        self.rattler = rattler
        self.lock_timeout = lock_timeout

    def path(self, env: str, name: str = "") -> str:
        """Return the path of an environment's generations, or of one of them."""
        return self.place(env, name).tree if name else os.path.join(self.generations, env)

    def place(self, env: str, name: str) -> Place:
        """Return where a generation and what belongs to it are."""
        return Place(self.root, env, name)

    def in_use_lock(self, env: str, name: str) -> str:
        """Return the path of a generation's in-use lock."""
        return self.place(env, name).in_use_lock

    def plan_file(self, env: str, name: str) -> str:
        """Return where the plan is kept that a generation was made from."""
        return self.place(env, name).plan_file

    def prepare(self) -> None:
        """Make the root's folders, and refuse places that cannot work.

        :raises Problem: a bad path, a network file system, no permission, several file systems
        """
        need_root_folder(self.root)
        refuse_network(self.root)
        folders = [self.pkgs, self.generations, self.envs, self.state]
        with error_context(f"{self.root} cannot be prepared"):
            for folder in folders:
                os.makedirs(folder, 0o755, exist_ok=True)
            for folder in ("checksums", "locks"):
                os.makedirs(os.path.join(self.state, folder), 0o755, exist_ok=True)
        refuse_other_filesystem(folders)

    # -- locks ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self, env: str, what: str = "build") -> Iterator[tuple[int, int]]:
        """Hold an environment's lock exclusively, the package cache's shared; yield both descriptors, for children to
        inherit.

        :raises Problem: if another run keeps a lock for longer than `lock_timeout`
        """
        with self._locked_alone(env, what) as own, self._lock_pkgs_shared(f"{what} of {env}") as pkgs:
            yield own, pkgs

    @contextlib.contextmanager
    def _locked_alone(self, env: str, what: str) -> Iterator[int]:
        """Hold an environment's lock exclusively; publishing needs no other, so no swap waits for a clean of the cache.

        When a builder is killed, its orphans keep the locks until they have ended too. What killed runs left of this
        environment is removed on entry.

        :raises Problem: if another run keeps the lock for longer than `lock_timeout`
        """
        with error_context(f"environment {env} cannot be locked"):
            os.makedirs(self.path(env), 0o755, exist_ok=True)
        with self.alone(f"{env}.lock", f"environment {env}", what) as own:
            with error_context(f"what a killed run left of environment {env} cannot be removed"):
                for item in os.listdir(self.path(env)):
                    if item.startswith(".") and not item.endswith(".inuse"):
                        fs.remove(self.path(env, item))
            yield own

    @contextlib.contextmanager
    def pkgs_alone(self, what: str = "clean", timeout: Optional[float] = None) -> Iterator[int]:
        """Hold the package cache's lock exclusively: no build runs, so unused packages can be removed.

        :raises Problem: if builds keep it for longer than `lock_timeout`
        """
        with self.alone("pkgs.lock", "the package cache", what, timeout) as handle:
            yield handle

    @contextlib.contextmanager
    def _lock_pkgs_shared(self, what: str) -> Iterator[int]:
        """Hold the package cache's lock shared; sweep the cache first if no other run is at work."""
        with flock.open_lock(os.path.join(self.state, "pkgs.lock")) as handle:
            if flock.try_lock(handle):
                with error_context("what a killed run left in the package cache cannot be removed"):
                    self.sweep_pkgs()
            flock.wait(handle, True, "the package cache", self.lock_timeout)
            flock.sign(handle, what)
            yield handle

    def alone(
        self, name: str, label: str, what: str, timeout: Optional[float] = None
    ) -> contextlib.AbstractContextManager[int]:
        """Hold one lock file below `state/` exclusively; yield its descriptor.

        :param label: what it protects, for messages
        :param timeout: seconds, in place of `lock_timeout`
        :raises Problem: if another run keeps it for longer
        """
        patience = self.lock_timeout if timeout is None else timeout
        return flock.exclusive_lock(os.path.join(self.state, name), label, what, patience)

    def sweep_pkgs(self) -> None:
        """Remove what killed extractions left in the package cache. The caller holds the cache's lock alone."""
        with os.scandir(self.pkgs) as found:
            for item in list(found):
                if item.name.startswith(".") and item.is_dir(follow_symlinks=False):
                    fs.remove(item.path)

    # -- what is there -------------------------------------------------------------------------------------------

    def published(self, env: str) -> Optional[str]:
        """Return the name of the generation that the link publishes; None where there is no link, or a foreign one."""
        try:
            return read_link(self.root, env).name or None
        except OSError:
            return None

    def link(self, env: str) -> str:
        """Return the path of the link that publishes an environment.

        :raises Problem: if something else is in its place, or in that of a folder or lock which it needs
        """
        with error_context(f"environment {env} cannot be inspected"):
            why = blocked(self.root, env)
        if why:
            raise Problem(
                f"environment {env} cannot be published in {self.root}",
                why,
                "move it away; Lockstep overwrites nothing that it did not make",
            )
        return os.path.join(self.envs, env)

    def history(self, env: str) -> list[list[Any]]:
        """Return the publishes [[name, unix time], ...], oldest first; empty where nothing readable is there."""
        try:
            found = json.loads(read(os.path.join(self.state, env + ".json"), LARGE))
            return [[str(name), float(at)] for name, at in found]
        except (OSError, ValueError, TypeError, RecursionError, OverflowError):
            return []

    def names(self, env: str) -> list[str]:
        """Return the names of an environment's generations, unfinished ones included."""
        try:
            found = os.listdir(self.path(env))
        except OSError:
            return []
        return sorted(name for name in found if not name.startswith("."))

    def environments(self) -> list[str]:
        """Return the names of all environments that have generations."""
        try:
            return sorted(name for name in os.listdir(self.generations) if plans.NAME.match(name))
        except OSError:
            return []

    def kept_plan(self, env: str, name: Optional[str]) -> Optional[InstallPlan]:
        """Return the plan that a generation was made from; None if there is no valid one."""
        try:
            return kept_plan(self.place(env, name or ""))
        except (OSError, ValueError):
            return None

    def previous(self, env: str) -> Optional[str]:
        """Return the generation that was published before the current one, or None."""
        current = self.published(env)
        return next((name for name, _unused in reversed(self.history(env)) if name != current), None)

    # -- publishing ----------------------------------------------------------------------------------------------

    def want(self, env: str, name: str) -> bool:
        """Record that a generation is needed again, so that it is not collected before its activation.

        Return whether it is there, complete and noted; where not, inspect again under the environment's lock.
        """
        with self._holding_in_use_lock(env, name) as in_use, contextlib.suppress(OSError):
            if not in_use or not is_complete(self.path(env, name)):
                return False
            os.utime(self.in_use_lock(env, name))
            return True
        return False

    @contextlib.contextmanager
    def _holding_in_use_lock(self, env: str, name: str) -> Iterator[bool]:
        """Hold a generation's in-use lock shared; yield whether that was possible.

        The collector holds an in-use lock exclusively for moments. Any user can hold it forever, so this waits only
        briefly.
        """
        try:
            handle = os.open(self.in_use_lock(env, name), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            yield False
            return
        try:
            try:
                flock.wait(handle, True, "the in-use lock", IN_USE_SECONDS)
            except (Problem, OSError):
                yield False
            else:
                yield True
        finally:
            os.close(handle)

    def make_in_use_lock(self, env: str, name: str) -> None:
        """Make a generation's in-use lock: readable by all, which is enough for flock. A regular file there is never
        removed, since its inode is the lock.

        :raises OSError: if it cannot be made
        """
        path = self.in_use_lock(env, name)
        if os.path.islink(path) or not os.path.isfile(path):
            fs.remove(path)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
        os.chmod(path, 0o444)
        os.utime(path)

    def keep(self, plan: InstallPlan, name: str) -> None:
        """Write a generation's plan and make its in-use lock: before its completion marker, so that a complete
        generation always has both.

        :raises OSError: if that cannot be done
        """
        self.write_state(os.path.join("locks", plan.name, name + ".json"), plan.to_json())
        self.make_in_use_lock(plan.name, name)

    def activate(self, env: str, name: str) -> dict[str, Any]:
        """Publish a complete generation: one link is swapped. Return `changed` and `previous` (a name or None).

        First the intent is written to the history, so that what was current stays known as previous even if this run is
        killed in between; then the link, which alone is the truth. A link that was moved elsewhere is put back.

        :raises Problem: if the generation is not complete, or something that is no link has its place
        """
        text = f"../generations/{env}/{name}"
        self.prepare()
        with self._locked_alone(env, "activate"):
            link = self.link(env)
            if not is_complete(self.path(env, name)):
                raise Problem(
                    f"generation {name} of environment {env} is not there, or not complete",
                    f"{self.path(env, name)} has no valid completion marker",
                    "stage it first",
                )
            current = self.published(env)
            before = current if current != name else self.previous(env)
            changed = not os.path.islink(link) or os.readlink(link) != text
            history = self.history(env)
            with error_context(f"environment {env} cannot be published"):
                if not history or history[-1][0] != name:
                    self.write_state(env + ".json", [*history, [name, time.time()]][-HISTORY:])
                if changed:
                    temporary = os.path.join(self.envs, f".{env}.link")
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(temporary)
                    os.symlink(text, temporary)
                    os.replace(temporary, link)
                    fs.sync(self.envs)
        return {"changed": changed, "previous": before}

    def write_state(self, name: str, data: Any) -> None:
        """Write a JSON file below `state/`, in one step and durably.

        :raises OSError: if it cannot be written
        """
        path = os.path.join(self.state, name)
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        temporary = f"{path}.tmp"
        fs.remove(temporary)  # whatever it is: nothing is written through a link
        if os.path.isdir(path):
            fs.remove(path)
        fs.write_file(temporary, json.dumps(data, sort_keys=True) + "\n", durable=True)
        os.replace(temporary, path)
        fs.sync(os.path.dirname(path))

    # -- collecting ----------------------------------------------------------------------------------------------

    def candidates(self, env: str, keep_previous: int, min_age: float, now: Optional[float] = None) -> list[str]:
        """Return the generations that may be collected unless they are in use.

        Kept are the published one, the `keep_previous` ones published before it, and all that were retired (or built,
        or staged again) less than `min_age` seconds ago. An unfinished tree that is not published has no age to
        reach.
        """
        now = time.time() if now is None else now
        history, link = self.history(env), self.published(env)
        order = dict.fromkeys(name for name, _unused in reversed(history) if name != link)
        keep = {link, *list(order)[:keep_previous]}
        retired = {history[i][0]: history[i + 1][1] for i in range(len(history) - 1)}
        found = []
        for name in self.names(env):
            if name in keep:
                continue
            path = self.path(env, name)
            times = [retired.get(name, 0.0)]
            for item in (self.in_use_lock(env, name), path):
                with contextlib.suppress(OSError):
                    times.append(os.lstat(item).st_mtime)
            if not is_complete(path) or now - max(times) >= min_age:
                found.append(name)
        return found

    def collect(self, env: str, keep_previous: int = 1, min_age: float = 14 * 86400) -> dict[str, list[str]]:
        """Remove what `candidates` names and is not in use; return the names `removed` and `in_use`.

        :param min_age: seconds; should be longer than the longest job, since a program started by a bare path has no
            in-use lock
        :raises Problem: if the lock cannot be had, or something cannot be removed
        """
        removed, in_use = [], []
        with self.locked(env, "clean"), error_context(f"generations of environment {env} cannot be collected"):
            for name in self.candidates(env, keep_previous, min_age):
                self.make_missing_in_use_lock(env, name)
                handle = os.open(self.in_use_lock(env, name), os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if name not in self.candidates(env, keep_previous, min_age):
                        continue  # staged again before the in-use lock was taken
                    trash = self.path(env, f".{name}.trash")
                    # a job that waits for the in-use lock finds nothing after this, and resolves the link again
                    os.rename(self.path(env, name), trash)
                except BlockingIOError:
                    in_use.append(name)
                    continue
                finally:
                    os.close(handle)
                fs.remove(trash)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.plan_file(env, name))
                removed.append(name)
        return {"removed": removed, "in_use": in_use}

    def make_missing_in_use_lock(self, env: str, name: str) -> None:
        """Make an in-use lock where there is none, without counting as wanted."""
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.in_use_lock(env, name), os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444))
            os.utime(self.in_use_lock(env, name), (0, 0))

    def withdraw(self, env: str) -> bool:
        """Remove an environment's link, so that no job starts with it any more; generations are collected later.

        Return whether there was one.

        :raises Problem: if something that is no link has its place
        """
        link = self.link(env)
        if not os.path.lexists(link):
            return False
        with self._locked_alone(env, "withdraw"), error_context(f"{link} cannot be removed"):
            name = self.published(env)
            with contextlib.suppress(FileNotFoundError):  # its age counts from now
                os.utime(self.in_use_lock(env, name or ""))
            for path in (link, os.path.join(self.state, env + ".json")):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            fs.sync(self.envs)
        return True
