"""Make the installer: a header in sh, then a package cache, packed; linking it needs tar, gzip and sha256sum only."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import rattler

from local.fakes.channel.condapkg import EPOCH
from local.fleet import paths

PARTS = paths.FAKES / "installer"
SPECS = ["python", "conda", "pip"]


def _clean(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = EPOCH
    return member


async def _stage(channel: Path, url: str, pkgs: Path, scratch: Path) -> list[dict[str, Any]]:
    glibc = rattler.GenericVirtualPackage(
        rattler.PackageName("__glibc"), rattler.Version("2.36"), rattler.BuildString("0")
    )
    records = await rattler.solve(
        sources=[f"file://{channel}"], specs=SPECS, platforms=["linux-64", "noarch"], virtual_packages=[glibc]
    )
    # fills pkgs as any later install will find it
    await rattler.install(records, target_prefix=scratch, cache_dir=pkgs, show_progress=False)
    return [
        {
            "name": r.name.normalized,
            "dir": f"{r.name.normalized}-{r.version}-{r.build}",
            "subdir": str(r.subdir),
            "channel": url,
            "size": r.size,
            "url": f"{url.rstrip('/')}/{r.subdir}/{r.file_name}",
            "sha256": r.sha256.hex(),
            "md5": r.md5.hex(),
        }
        for r in records
    ]


def with_offset(header: str) -> bytes:
    """The header with ``@OFFSET@`` replaced by the number of the first byte after it (which counts its own digits)."""
    size = len(header.encode()) - len("@OFFSET@")
    offset = next(n for n in range(size + 1, size + 9) if size + len(str(n)) + 1 == n)
    return header.replace("@OFFSET@", str(offset)).encode()


def make(channel: Path, url: str, out: Path) -> None:
    """Write the installer `out` and ``<out>.sha256`` from a channel folder; `url`: whence its packages say they are."""
    with tempfile.TemporaryDirectory() as tmp:
        pkgs = Path(tmp) / "pkgs"
        listed = asyncio.run(_stage(channel, url, pkgs, Path(tmp) / "scratch"))
        (pkgs / ".installer").mkdir()
        (pkgs / ".installer/packages.json").write_text(
            json.dumps(sorted(listed, key=lambda p: str(p["dir"])), indent=1)
        )
        shutil.copy(PARTS / "link.py", pkgs / ".installer/link.py")
        raw = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as tar,
        ):
            for path in sorted(pkgs.rglob("*")):
                if path.name != ".cache.lock":
                    tar.add(path, path.relative_to(pkgs).as_posix(), recursive=False, filter=_clean)
        payload = raw.getvalue()
    python = next(p["dir"] for p in listed if p["name"] == "python")
    header = (PARTS / "header.sh.in").read_text()
    for key, value in {"@NAME@": out.name, "@SHA256@": hashlib.sha256(payload).hexdigest(), "@PYTHON@": python}.items():
        header = header.replace(key, value)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(with_offset(header) + payload)
    out.chmod(0o755)
    out.with_name(out.name + ".sha256").write_text(f"{hashlib.sha256(out.read_bytes()).hexdigest()}  {out.name}\n")
