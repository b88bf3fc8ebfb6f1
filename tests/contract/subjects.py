"""What the contract's checks work with: a conda, a tiny channel, environments."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import shutil
import subprocess
import sysconfig
import tarfile
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
FAKE = CHECKOUT / "local" / "fakes" / "conda"
PLACEHOLDER = "/opt/placeholder_" + "x" * 100
EPOCH = 1767225600


def ordinary() -> list[str]:
    """What makes root an ordinary user, as far as the rights on files go: a process without capabilities."""
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


@dataclass
class Conda:
    """One conda with a home of its own: an ordinary user's, with nothing else in the environment."""

    root: Path
    home: Path
    name: str
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def exe(self) -> Path:
        return self.root / "bin" / "conda"

    @property
    def rc(self) -> Path:
        return self.home / ".condarc"

    def environ(self, **extra: str) -> dict[str, str]:
        base = {"HOME": str(self.home), "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TERM": "dumb"}
        return {**base, **self.variables, **extra}

    def __call__(self, *args: str | Path, stdin: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*ordinary(), str(self.exe), *map(str, args)],
            env=self.environ(**extra),
            cwd=self.home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def ok(self, *args: str | Path, **extra: str) -> str:
        done = self(*args, **extra)
        assert done.returncode == 0, f"conda {args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *args: str | Path, **extra: str) -> Any:
        return json.loads(self.ok(*args, "--json", **extra))

    def fails(self, name: str, *args: str | Path, code: int = 1, **extra: str) -> dict[str, Any]:
        """Fail with conda's own name for the error, in JSON on stdout."""
        done = self(*args, "--json", **extra)
        assert done.returncode == code, f"conda {args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        error: dict[str, Any] = json.loads(done.stdout)
        assert error["exception_name"] == name, error
        return error


def write_package(
    channel: Path,
    name: str,
    version: str,
    files: dict[str, str],
    depends: tuple[str, ...] = (),
    subdir: str = "noarch",
    build: str = "0",
) -> Path:
    """Write one archive; text that holds the placeholder is marked, so that linking puts the prefix there."""
    index: dict[str, Any] = {"name": name, "version": version, "build": build, "build_number": 0, "subdir": subdir}
    index |= {"depends": list(depends), "license": "MIT", "timestamp": EPOCH * 1000}
    index |= {"noarch": "generic"} if subdir == "noarch" else {"arch": "x86_64", "platform": "linux"}
    paths: list[dict[str, Any]] = []
    for path, text in files.items():
        entry: dict[str, Any] = {"_path": path, "path_type": "hardlink", "size_in_bytes": len(text.encode())}
        entry["sha256"] = hashlib.sha256(text.encode()).hexdigest()
        if PLACEHOLDER in text:
            entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"}
        paths.append(entry)
    info = {
        "info/index.json": json.dumps(index),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
        "info/files": "".join(f"{path}\n" for path in files),
    }
    (channel / subdir).mkdir(parents=True, exist_ok=True)
    archive = channel / subdir / f"{name}-{version}-{build}.tar.bz2"
    with tarfile.open(archive, "w:bz2") as tar:
        for path, text in {**info, **files}.items():
            member = tarfile.TarInfo(path)
            member.size, member.mtime = len(text.encode()), EPOCH
            member.mode = 0o755 if path.startswith("bin/") else 0o644
            tar.addfile(member, io.BytesIO(text.encode()))
    return archive


def write_channel(channel: Path) -> None:
    """A few packages: two versions, a chain of dependencies, a program with a prefix in it, activation scripts."""
    write_package(channel, "alpha", "1.0", {"share/alpha.txt": "alpha 1.0\n"})
    write_package(channel, "alpha", "2.0", {"share/alpha.txt": "alpha 2.0\n"})
    write_package(channel, "beta", "1.5", {"share/beta.txt": "beta\n"}, ("alpha >=1",))
    write_package(channel, "gpu", "1.0", {"share/gpu.txt": "gpu\n"}, ("__cuda >=12",))
    write_package(
        channel,
        "tool",
        "3.1",
        {
            "bin/tool": f'#!/bin/sh\necho "tool in {PLACEHOLDER} with ${{TOOL_MODE-no mode}}"\nexit "${{1-0}}"\n',
            "etc/conda/activate.d/20-tool.sh": 'export TOOL_MODE=on; echo "tool on" >&2\n',
            "etc/conda/deactivate.d/20-tool.sh": 'unset TOOL_MODE; echo "tool off" >&2\n',
            "etc/conda/activate.d/20-tool.fish": 'set -gx TOOL_MODE on; echo "tool on" >&2\n',
            "etc/conda/deactivate.d/20-tool.fish": 'set -e TOOL_MODE; echo "tool off" >&2\n',
        },
        ("beta",),
        subdir="linux-64",
    )
    from rattler.index import index_fs

    asyncio.run(index_fs(channel, write_shards=False, force=True))


def install_fake(root: Path) -> None:
    """What the local fleet's installer makes, in small: a prefix with the fake, and py-rattler beside it."""
    venv.EnvBuilder(with_pip=False, symlinks=True).create(root)
    site = next((root / "lib").glob("python3*/site-packages"))
    shutil.copytree(FAKE / "conda_fake", site / "conda_fake", ignore=shutil.ignore_patterns("__pycache__"))
    (site / "rattler.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for source in sorted((FAKE / "root").rglob("*")):
        if source.is_file():
            target = root / source.relative_to(FAKE / "root")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(source.read_text().replace("@PREFIX@", str(root)))
            target.chmod(source.stat().st_mode)
    (root / "conda-meta").mkdir()
    (root / "conda-meta" / "history").touch()


def solver(conda: Conda) -> str:
    return conda.variables.get("CONDA_SOLVER", "libmamba" if conda.name == "real" else "rattler")


def make_environment(prefix: Path, **state: Any) -> Path:
    """An environment without packages, as any tool may write one."""
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta" / "history").touch()
    if state:
        (prefix / "conda-meta" / "state").write_text(json.dumps(state))
    return prefix
