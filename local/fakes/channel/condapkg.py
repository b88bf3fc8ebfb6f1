"""Write one .conda archive from a staged folder: true hashes, prefix placeholders, the same bytes every time.

Format: conda package format v2 (CEP 35, and conda's documentation of `info/`).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conda_package_streaming.create import anonymize, conda_builder

EPOCH = 1767225600  # 2026-01-01: an archive carries no time of its making
LEVEL = 10
PLACEHOLDER = ("/opt/lockstep/h_env_" + "placehold_" * 30)[:255]


@dataclass(frozen=True)
class Package:
    """What index.json and its neighbours say; ``{hash}`` in `build` becomes a digest of the contents."""

    name: str
    version: str
    build: str
    depends: list[str] = field(default_factory=list)
    number: int = 0
    noarch: str | None = None
    constrains: tuple[str, ...] = ()
    license: str = ""
    summary: str = ""
    entry_points: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


def paths_of(root: Path) -> list[dict[str, Any]]:
    """The entries of paths.json for a staged folder; ValueError for a dangling link."""
    mark, out = PLACEHOLDER.encode(), []
    for path in sorted(p for p in root.rglob("*") if p.is_symlink() or not p.is_dir()):
        name, link = path.relative_to(root).as_posix(), path.is_symlink()
        if link and not (path.parent / path.readlink()).exists():
            raise ValueError(f"dangling link: {name}")
        data = path.read_bytes() if path.is_file() else b""
        entry: dict[str, Any] = {
            "_path": name,
            "path_type": "softlink" if link else "hardlink",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_in_bytes": len(data),
        }
        if not link and mark in data:
            entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "binary" if b"\0" in data else "text"}
        out.append(entry)
    return out


def write(out: Path, root: Path, package: Package) -> Path:
    """Write ``OUT/<subdir>/<name>-<version>-<build>.conda``; returns its path."""
    paths = {"paths": paths_of(root), "paths_version": 1}
    contents = json.dumps([paths, package.depends, package.entry_points], sort_keys=True).encode()
    build = package.build.replace("{hash}", "h" + hashlib.sha256(contents).hexdigest()[:7])
    subdir = "noarch" if package.noarch else "linux-64"
    index = {
        "arch": None if package.noarch else "x86_64",
        "build": build,
        "build_number": package.number,
        "constrains": list(package.constrains),
        "depends": package.depends,
        "license": package.license,
        "name": package.name,
        "platform": None if package.noarch else "linux",
        "subdir": subdir,
        "timestamp": EPOCH * 1000,
        "version": package.version,
        **({"noarch": package.noarch} if package.noarch else {}),
        **package.extra,
    }
    info: dict[str, Any] = {
        "index.json": index,
        "about.json": {"summary": package.summary, "license": package.license},
        "paths.json": paths,
    }
    if package.noarch == "python":
        link = {"type": "python", "entry_points": package.entry_points}
        info["link.json"] = {"noarch": link, "package_metadata_version": 1}
    folder = out / subdir
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{package.name}-{package.version}-{build}"
    (folder / f"{stem}.conda").unlink(missing_ok=True)
    with conda_builder(stem, folder, compression_level=LEVEL, compression_threads=1) as tar:
        for entry in paths["paths"]:  # type: ignore[attr-defined]
            tar.add(root / entry["_path"], entry["_path"], recursive=False, filter=_plain)
        for name, value in sorted(info.items()):
            data = json.dumps(value, indent=2, sort_keys=True).encode()
            member = tarfile.TarInfo(f"info/{name}")
            member.size, member.mtime, member.mode = len(data), EPOCH, 0o644
            tar.addfile(member, io.BytesIO(data))
    return _settle(folder / f"{stem}.conda")


def _settle(path: Path) -> Path:
    # the outer zip carries the time of day: write it again without
    with zipfile.ZipFile(path) as old:
        members = [(item.filename, old.read(item)) for item in old.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for name, data in members:
            new.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data)
    return path


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member = anonymize(member)
    member.mtime = EPOCH
    member.mode = 0o755 if member.mode & stat.S_IXUSR or member.issym() else 0o644
    if member.islnk():
        raise ValueError(f"hard link inside the staged folder: {member.name}")
    return member


def place(root: Path, name: str, text: str | bytes, executable: bool = False) -> Path:
    """Put one file into a staged folder; ``@PREFIX@`` in text becomes the placeholder."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.replace("@PREFIX@", PLACEHOLDER).encode())
    os.chmod(path, 0o755 if executable else 0o644)  # noqa: PTH101 (umask does not matter here)
    return path
