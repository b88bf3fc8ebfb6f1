"""A tiny conda channel and a tiny root, made by hand in a moment, for tests that build real environments.

The packages are real `.conda` archives (format version 2), read by the real py-rattler; the python in them is a link to
the running one plus a `pyvenv.cfg`, so that it starts, imports from its own prefix and costs nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import rattler
from ansible_collections.lockstep.fleet.plugins.module_utils.host import fs
from ansible_collections.lockstep.fleet.plugins.module_utils.host import install_plan as plans
from ansible_collections.lockstep.fleet.plugins.module_utils.host.install_plan import (
    InstallPlan,
    PlannedPackage,
    PlannedWheel,
)
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store

TOP = Path(__file__).resolve().parent.parent.parent
MODULE_UTILS = TOP / "plugins" / "module_utils"
FILES = TOP / "roles" / "conda_envs" / "files"

PLACEHOLDER = "/opt/tiny_placehold_" + "placehold_" * 18
PY = f"{sys.version_info[0]}.{sys.version_info[1]}"
SITE = f"lib/python{PY}/site-packages"


def zstd(data: bytes) -> bytes:
    """One zstd frame of raw blocks (RFC 8878, 3.1.1): valid, uncompressed, no library."""
    blocks = [data[i : i + (1 << 17)] for i in range(0, len(data), 1 << 17)] or [b""]
    out = struct.pack("<IBQ", 0xFD2FB528, 0xE0, len(data))  # magic, single segment with an 8-byte content size
    for block in blocks:
        last = block is blocks[-1]
        out += struct.pack("<I", (len(block) << 3) | last)[:3] + block
    return out


def tarball(files: dict[str, Any]) -> bytes:
    """A tar of {path: bytes | str (a link's text) | (bytes, mode)}."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, what in sorted(files.items()):
            member = tarfile.TarInfo(path)
            member.mtime = 1767225600
            if isinstance(what, str):
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, what, 0o777
                tar.addfile(member)
            else:
                data, mode = what if isinstance(what, tuple) else (what, 0o644)
                member.size, member.mode = len(data), mode
                tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    """A zip of {path: content}."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        for path, data in files.items():
            out.writestr(path, data)
    return buffer.getvalue()


class Channel:
    """A folder of archives under `base`; `url` is its file:// address."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.url = base.as_uri()
        self.entries: dict[tuple[str, str], dict[str, Any]] = {}

    def add(
        self,
        name: str,
        version: str,
        files: dict[str, Any],
        *,
        depends: tuple[str, ...] = (),
        noarch: str | None = None,
        entry_points: tuple[str, ...] = (),
        number: int = 0,
    ) -> dict[str, Any]:
        """Write one archive and return its entry as a plan's `packages` has it."""
        subdir = "noarch" if noarch else "linux-64"
        build = f"{'py' if noarch == 'python' else 'h'}tiny_{number}"
        paths = []
        for path, what in sorted(files.items()):
            link = isinstance(what, str)
            data = b"" if link else what[0] if isinstance(what, tuple) else what
            item = {"_path": path, "path_type": "softlink" if link else "hardlink", "size_in_bytes": len(data)}
            item["sha256"] = hashlib.sha256(data).hexdigest()
            if PLACEHOLDER.encode() in data:
                item |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "binary" if b"\0" in data else "text"}
            paths.append(item)
        index = {
            "name": name, "version": version, "build": build, "build_number": number, "subdir": subdir,
            "depends": list(depends), "constrains": ["absent >=1"], "license": "BSD-3-Clause",
            "timestamp": 1767225600000,
            "arch": None if noarch else "x86_64", "platform": None if noarch else "linux",
        } | ({"noarch": noarch} if noarch else {})  # fmt: skip
        info: dict[str, Any] = {
            "info/index.json": index,
            "info/paths.json": {"paths": paths, "paths_version": 1},
            "info/about.json": {"summary": name},
        }
        if noarch == "python":
            info["info/link.json"] = {
                "noarch": {"type": "python", "entry_points": list(entry_points)},
                "package_metadata_version": 1,
            }
        stem = f"{name}-{version}-{build}"
        folder = self.base / subdir
        folder.mkdir(parents=True, exist_ok=True)
        archive = folder / f"{stem}.conda"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as out:
            out.writestr(zipfile.ZipInfo("metadata.json"), json.dumps({"conda_pkg_format_version": 2}))
            out.writestr(zipfile.ZipInfo(f"pkg-{stem}.tar.zst"), zstd(tarball(files)))
            listed = {key: json.dumps(value).encode() for key, value in info.items()}
            out.writestr(zipfile.ZipInfo(f"info-{stem}.tar.zst"), zstd(tarball(listed)))
        data = archive.read_bytes()
        entry = {
            "name": name, "version": version, "build": build, "build_number": number, "subdir": subdir,
            "file_name": archive.name, "url": f"{self.url}/{subdir}/{archive.name}",
            "md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest(), "depends": list(depends),
            "noarch": noarch, "python_site_packages_path": SITE if name == "python" else None,
        }  # fmt: skip
        self.entries[name, version] = entry
        return entry

    def plan(self, name: str, *wanted: str, **more: Any) -> InstallPlan:
        """A plan of the packages `wanted` ("name" for the last one added of that name, or "name=version")."""
        packages = []
        for want in wanted:
            package, _, version = want.partition("=")
            found = [e for (n, v), e in self.entries.items() if n == package and version in ("", v)]
            packages.append(PlannedPackage(**{key: found[-1].get(key) for key in PlannedPackage._fields}))
        packages.sort(key=lambda package: package.name)
        more["pip"] = [PlannedWheel(**wheel) for wheel in more.get("pip", [])]
        made = InstallPlan(plans.LAYOUT, name, "linux-64", "", packages, self.url + "/", [], {}, "", 0)
        return made._replace(**more).identified()


def fetched_from(plan: InstallPlan, old: str, new: str) -> InstallPlan:
    """The same plan with packages from another address."""
    return plan._replace(packages=[package._replace(url=package.url.replace(old, new)) for package in plan.packages])


def dist_info(name: str, version: str, requires: tuple[str, ...] = ()) -> dict[str, bytes]:
    """The metadata that `pip check` reads."""
    body = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
        f"Requires-Dist: {r}\n" for r in requires
    )
    folder = f"site-packages/{name}-{version}.dist-info"
    return {f"{folder}/METADATA": body.encode(), f"{folder}/INSTALLER": b"conda", f"{folder}/RECORD": b""}


def make_channel(base: Path) -> Channel:
    """python, a noarch package in two versions, a package with placeholders and links, one with a post-link script."""
    channel = Channel(base)
    python = os.path.realpath(sys.executable)
    stdlib = sysconfig.get_path("stdlib")
    channel.add("python", f"{PY}.0", {
        "bin/python": python, f"bin/python{PY}": "python", "bin/python3": "python",
        "pyvenv.cfg": f"home = {Path(python).parent}\ninclude-system-site-packages = false\n".encode(),
        f"lib/python{PY}/BORROWED": f"the library is {stdlib}\n".encode(),
    })  # fmt: skip
    for number, version in enumerate(("1.0", "2.0")):
        files: dict[str, Any] = {f"site-packages/alpha/part{i}.py": f"VALUE = {i}\n".encode() for i in range(20)}
        files["site-packages/alpha/__init__.py"] = (
            f'__version__ = "{version}"\n\ndef main():\n    print("alpha {version}")\n'.encode()
        )
        files["site-packages/alpha/group.txt"] = (b"writable by a group\n", 0o664)
        channel.add("alpha", version, files | dist_info("alpha", version), depends=("python >=3",), noarch="python",
                    entry_points=("alpha = alpha:main",), number=number)  # fmt: skip
    channel.add("beta", "1.0", {
        "bin/beta": (f"#!/bin/sh\necho {PLACEHOLDER}/share/beta\n".encode(), 0o755),
        "lib/libbeta.so.1": b"\x7fELF\0" + PLACEHOLDER.encode() + b"/lib\0" + b"rest of a binary\0" * 50,
        "lib/libbeta.so": "libbeta.so.1", "share/beta/text": b"plain text\n", "share/a file with spaces": b"spaces\n",
        f"{SITE}/beta.py": b"import alpha\n\nNAME = 'beta'\n",
    })  # fmt: skip
    channel.add("gamma", "1.0", {
        "bin/.gamma-post-link.sh": (b'#!/bin/sh\nmkdir -p "$PREFIX/var"\necho linked > "$PREFIX/var/gamma"\n', 0o755),
        "share/gamma": b"gamma\n",
    })  # fmt: skip
    broken = {"site-packages/needy/__init__.py": b""} | dist_info("needy", "1.0", ("absent-thing>=2",))
    channel.add("needy", "1.0", broken, depends=("python >=3",), noarch="python")
    return channel


def make_store(root: Path, lock_timeout: float = 30) -> Store:
    """A root with links to the running python and its py-rattler in the places of Miniconda and rattler runtime."""
    base = root / "miniconda" / "bin"
    base.mkdir(parents=True)
    (base / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')  # a link would lose the venv
    (base / "python").chmod(0o755)
    runtime = root / "rattler" / "0.test"
    runtime.mkdir(parents=True)
    (runtime / "rattler").symlink_to(Path(rattler.__file__).parent)
    tools = root / "rattler" / "tools-test"
    (tools / "lockstep_host").mkdir(parents=True)
    shutil.copytree(MODULE_UTILS / "build", tools / "lockstep_host/build")
    shutil.copytree(FILES / "hooks", tools / "hooks")
    (root / "bin").mkdir()
    shutil.copy(FILES / "lockstep-run", root / "bin")
    return Store(str(root), tools=str(tools), rattler=str(runtime), lock_timeout=lock_timeout)


class Snapshot:
    """A root as it is now, put back as often as wanted: generations hold their path, so tests share one."""

    def __init__(self, root: Path) -> None:
        self.root, self.kept = root, root.with_name(root.name + ".kept")
        subprocess.run(["cp", "-a", root, self.kept], check=True)

    def restore(self) -> None:
        """Put it back; copies, so that nothing written into one file shows in the other."""
        fs.remove(str(self.root))
        subprocess.run(["cp", "-a", self.kept, self.root], check=True)
