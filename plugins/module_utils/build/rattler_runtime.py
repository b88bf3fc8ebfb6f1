"""The rattler runtime (py-rattler's unpacked wheel) and Lockstep's own files on a host. Python 3.9, standard library.

<root>/rattler/<version>/            the wheel, and `.complete`, which holds its sha256
<root>/rattler/tools-<digest12>/     lockstep_host/, hooks/
<root>/bin/lockstep-run, <root>/bin/lockstep-clean
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import zipfile
from typing import Any, NamedTuple

from ..host import fs
from ..host.errors import Problem
from ..host.flock import error_context
from ..host.root import need_root_folder
from ..prefix.hashing import sha256_file
from ..store.store import Store
from .runtime_inspection import installed_wheel

PLATFORMS = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}
SUPERSEDED = re.compile(r"[0-9]|tools-|\.([0-9]|tools-).*\.(new|trash)\Z")


class Wanted(NamedTuple):
    """What should be there: the rattler runtime's version, its wheel's sha256, and our files (path to sha256 and
    mode).
    """

    root: str
    version: str
    sha256: str
    files: dict[str, tuple[str, int]]

    @property
    def rattler(self) -> str:
        """Name of the rattler runtime's folder."""
        return self.version

    @property
    def tools(self) -> str:
        """Name of the tools' folder, as the paths of the files say."""
        return next((path.split("/")[1] for path in self.files if path.startswith("rattler/")), "")


def platform_of(machine: str) -> str:
    """Return conda's name for a Linux machine ("x86_64" is "linux-64").

    :raises Problem: for one that py-rattler has no wheel for
    """
    if machine not in PLATFORMS:
        raise Problem(f"no rattler runtime for machine type {machine}", f"known are {', '.join(PLATFORMS)}")
    return PLATFORMS[machine]


def inspect(wanted: Wanted) -> dict[str, Any]:
    """Say what is missing, without changing anything: `rattler` (bool), `files` (paths), `superseded` (paths)."""
    folder = os.path.join(wanted.root, "rattler")
    differing = []
    for path, (sha256, mode) in wanted.files.items():
        full = os.path.join(wanted.root, path)
        try:
            status = os.lstat(full)
            same = (status.st_mode & 0o177777) == (0o100000 | mode) and sha256_file(full) == sha256
        except OSError:
            same = False
        if not same:
            differing.append(path)
    keep = {wanted.rattler, wanted.tools}
    try:
        there = sorted(name for name in os.listdir(folder) if SUPERSEDED.match(name) and name not in keep)
    except OSError:
        there = []
    return {
        "rattler": installed_wheel(os.path.join(folder, wanted.rattler)) != wanted.sha256,
        "files": differing,
        "superseded": [f"rattler/{name}" for name in there],
    }


def install_wheel(wanted: Wanted, wheel: str) -> None:
    """Verify a wheel, unpack it aside, and put it in place whole.

    :raises Problem: if it is not the declared one, or cannot be unpacked
    """
    found = sha256_file(wheel)
    if found != wanted.sha256:
        raise Problem(
            f"the rattler runtime's wheel on this host is not the declared one: {os.path.basename(wheel)}",
            f"its sha256 is {found}, declared is {wanted.sha256}",
            "remove it from the controller's cache and run again; repair conda_envs_rattler_wheels if that is wrong",
        )
    folder = os.path.join(wanted.root, "rattler")
    final, new = os.path.join(folder, wanted.rattler), os.path.join(folder, f".{wanted.rattler}.new")
    with error_context(f"the rattler runtime cannot be unpacked to {final}"):
        os.makedirs(folder, 0o755, exist_ok=True)
        fs.remove(new)
        os.mkdir(new, 0o755)
        try:
            with zipfile.ZipFile(wheel) as archive:
                for item in archive.infolist():
                    if item.filename.startswith("/") or ".." in item.filename.split("/"):
                        raise Problem(f"{wheel} holds a path that leads elsewhere: {item.filename}")
                archive.extractall(new)
            fs.write_file(os.path.join(new, ".complete"), wanted.sha256 + "\n", durable=True)
            fs.sync_filesystem(new)
            _put(new, final)
        except zipfile.BadZipFile as error:
            raise Problem(f"{wheel} cannot be unpacked", str(error)) from None
        finally:
            with contextlib.suppress(OSError):
                fs.remove(new)


def install_files(wanted: Wanted, texts: dict[str, str]) -> None:
    """Put our own files in place: the tools' folder as a whole, then each command in one step.

    :param texts: content by path below the root, all of them
    :raises Problem: if one is not what was declared, or cannot be written
    """
    for path, (sha256, _mode) in wanted.files.items():
        if hashlib.sha256(texts.get(path, "").encode()).hexdigest() != sha256:
            raise Problem(f"{path} did not arrive whole")
    with error_context(f"Lockstep's own files cannot be written below {wanted.root}"):
        folder = os.path.join(wanted.root, "rattler")
        final, new = os.path.join(folder, wanted.tools), os.path.join(folder, f".{wanted.tools}.new")
        fs.remove(new)
        prefix = f"rattler/{wanted.tools}/"
        for path, (_sha256, mode) in wanted.files.items():
            if path.startswith(prefix):
                full = os.path.join(new, path[len(prefix) :])
                os.makedirs(os.path.dirname(full), 0o755, exist_ok=True)
                fs.write_file(full, texts[path], mode, durable=True)
        _put(new, final)
        fs.remove(new)
        for path, (_sha256, mode) in wanted.files.items():
            if not path.startswith(prefix):
                full = os.path.join(wanted.root, path)
                os.makedirs(os.path.dirname(full), 0o755, exist_ok=True)
                if os.path.isdir(full) and not os.path.islink(full):
                    fs.remove(full)
                temporary = os.path.join(os.path.dirname(full), f".{os.path.basename(full)}.new")
                fs.write_file(temporary, texts[path], mode, durable=True)
                os.replace(temporary, full)


def _put(new: str, final: str) -> None:
    """Rename a folder to its place, in exchange for what may be there; the caller removes `new`."""
    if os.path.isdir(final) and not os.path.islink(final):
        fs.exchange(new, final)
    else:
        fs.remove(final)
        os.rename(new, final)
    fs.sync(os.path.dirname(final))


def apply(wanted: Wanted, wheel: str, texts: dict[str, str]) -> None:
    """Bring the host to `wanted`: rattler runtime, files, and what they supersede removed unless a build still uses it.

    :param wheel: path of the wheel on this host; "" where the rattler runtime is there already
    :param texts: as in `install_files`; empty where the files are there already
    :raises Problem: with what could not be done, why, and what to do
    """
    old_mask = os.umask(0o022)
    try:
        need_root_folder(wanted.root)
        store = Store(wanted.root, lock_timeout=300)
        store.prepare()
        with store.alone("rattler.lock", "the rattler runtime", "install"):
            if wheel:
                install_wheel(wanted, wheel)
            if texts:
                install_files(wanted, texts)
            superseded = inspect(wanted)["superseded"]
            if superseded:
                with contextlib.suppress(Problem), store.pkgs_alone("remove the old rattler runtime", timeout=0):
                    for path in superseded:  # a build at work keeps its rattler runtime; a later run removes it
                        with error_context(f"{path} cannot be removed"):
                            fs.remove(os.path.join(wanted.root, path))
    finally:
        os.umask(old_mask)
