"""Lockstep's own files on a host, as data: hooks, commands, and the code that builds and cleans."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..core.digest import sha256

PLUGINS = Path(__file__).resolve().parent.parent.parent
HERE = PLUGINS / "module_utils"
FILES = Path(__file__).absolute().parent.parent.parent.parent / "roles" / "conda_envs" / "files"

PACKAGES = ("build", "gc", "host", "prefix", "store")
"""The packages that the scheduled clean and the install child import."""

MAIN = """'''Starts gc/cli.py: `python <this folder> clean`.'''

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lockstep_host.gc.cli import main

sys.exit(main())
"""

HOOKS = tuple(f"{folder}.d/00-lockstep.{shell}" for folder in ("activate", "deactivate") for shell in ("sh", "fish"))


class HostFile(NamedTuple):
    """A file on a host: content and mode."""

    text: str
    mode: int

    @property
    def sha256(self) -> str:
        """The sha256 of the content."""
        return sha256(self.text.encode())


@cache
def tools() -> dict[str, HostFile]:
    """Return the files of the tools' folder, by path below it.

    :raises OSError: if a file of the collection is missing
    """
    sources = [file for package in PACKAGES for file in sorted((HERE / package).glob("*.py"))]
    package = {f"lockstep_host/{file.relative_to(HERE).as_posix()}": file for file in sources}
    hooks = {f"hooks/{name}": FILES / "hooks" / name for name in HOOKS}
    found = {path: HostFile(source.read_text("utf-8"), 0o644) for path, source in (package | hooks).items()}
    found["lockstep_host/__main__.py"] = HostFile(MAIN, 0o644)
    found["lockstep_host/__init__.py"] = HostFile(
        '"""Lockstep\'s own files on this host; replaced as a whole."""\n', 0o644
    )
    return dict(sorted(found.items()))


def digest(files: dict[str, HostFile]) -> str:
    """Return the sha256 (64 hex digits) of the sorted (path, sha256) list."""
    listed = sorted([path, file.sha256] for path, file in files.items())
    return sha256(json.dumps(listed, separators=(",", ":")).encode())


def folder() -> str:
    """Return the name of the tools' folder below `<root>/rattler`."""
    return f"tools-{digest(tools())[:12]}"


@cache
def host_files() -> dict[str, HostFile]:
    """Return all of Lockstep's own files on a host, by path below the root."""
    files = {f"rattler/{folder()}/{path}": file for path, file in tools().items()}
    files["bin/lockstep-run"] = HostFile((FILES / "lockstep-run").read_text("utf-8"), 0o755)
    clean = (FILES / "lockstep-clean.in").read_text("utf-8").replace("@TOOLS@", folder())
    files["bin/lockstep-clean"] = HostFile(clean, 0o755)
    return files


def hashes() -> dict[str, str]:
    """Return the sha256 of each of these files, by path below the root."""
    return {path: file.sha256 for path, file in host_files().items()}
