"""Name the paths: the checkout, its ignored folder, and the cache that several checkouts share."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
HERE = CHECKOUT / "local"
PROGRAM = ("__main__.py", "infra", "plugins")
"""What the Pulumi program consists of; `plugins` holds the contract of its inventory."""
FAKES = HERE / "fakes"


def state(fleet: str) -> Path:
    """The ignored folder of one fleet in this checkout: key pair, known_hosts, generated variables."""
    return CHECKOUT / ".lockstep" / fleet


def cache() -> Path:
    """The folder for what is slow to make: ``$LOCKSTEP_CACHE``, else ``~/.cache/lockstep``."""
    named = os.environ.get("LOCKSTEP_CACHE", "")
    return Path(named).resolve() if named else Path.home() / ".cache" / "lockstep"


def run() -> Path:
    """Podman's volatile state, removed with the last fleet; another cache is another podman with another folder."""
    if cache() == Path.home() / ".cache" / "lockstep":
        return Path("/run/lockstep")
    return Path("/run/lockstep-" + hashlib.sha256(str(cache()).encode()).hexdigest()[:8])


def digest_of(paths: Iterable[Path], *words: str) -> str:
    """Sha256 (hex) of names and contents of files (folders are walked, without their pages) and of further words."""
    total = hashlib.sha256()
    for path in sorted(paths):
        files = (
            sorted(f for f in path.rglob("*") if f.is_file() and "__pycache__" not in f.parts and f.suffix != ".md")
            if path.is_dir()
            else [path]
        )
        for file in files:
            name = file.relative_to(CHECKOUT).as_posix() if file.is_relative_to(CHECKOUT) else file.name
            total.update(f"{name}\0{int(os.access(file, os.X_OK))}\0".encode())
            total.update(hashlib.sha256(file.read_bytes()).digest())
    for word in words:
        total.update(f"\0{word}".encode())
    return total.hexdigest()


def inventory() -> Path:
    """What Ansible reads for the fleet of `make up`: its Pulumi stack where there is one, else the saved hosts."""
    return CHECKOUT / "inventory" / ("stack" if (state("local") / "inventory.json").exists() else "local")
