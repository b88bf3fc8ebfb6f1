"""Run podman with a configuration, storage and networks of its own; the user's podman is never touched."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path
from typing import Any

from local.fleet import paths
from local.fleet.errors import FleetError

# podman 4.3 keeps these at fixed places whatever its configuration says. What was not there before us goes with us,
# unless somebody else has put something in. Inner before outer.
OUTSIDE = (
    "/run/containers/networks/ipam.db",
    "/run/containers/networks",
    "/run/containers",
    "/run/netns",
    "/run/libpod",
    "/run/crun",
    "/run/runc",
    "/var/lib/containers/cache/blob-info-cache-v1.boltdb",
    "/var/lib/containers/cache",
    "/var/lib/containers",
    "/etc/containers/networks",
)


def containers_conf(base: Path, run: Path, nofile: int, nproc: int) -> str:
    """Text of containers.conf; limits are those already held, since not every root may raise them."""
    return f"""\
# Generated; every path is the fleet's own.
[containers]
default_ulimits = ["nofile={nofile}:{nofile}", "nproc={nproc}:{nproc}"]
pids_limit = 0
log_driver = "none"
[network]
network_backend = "netavark"
network_config_dir = "{base}/networks"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
lock_type = "file"
image_copy_tmp_dir = "{base}/tmp"
static_dir = "{base}/graph/libpod"
volume_path = "{base}/graph/volumes"
tmp_dir = "{run}/libpod"
"""


def storage_conf(base: Path, run: Path) -> str:
    """Text of storage.conf."""
    return f"""\
# Generated; every path is the fleet's own.
[storage]
driver = "overlay"
graphroot = "{base}/graph"
runroot = "{run}/storage"
"""


def limits() -> tuple[int, int]:
    """The hard limits held now (open files, processes), capped at what hosts can use."""

    def held(which: int, most: int) -> int:
        hard = resource.getrlimit(which)[1]
        return most if hard == resource.RLIM_INFINITY else min(hard, most)

    return held(resource.RLIMIT_NOFILE, 65536), held(resource.RLIMIT_NPROC, 32768)


class Podman:
    """Runs podman with that configuration."""

    def __init__(self) -> None:
        self.base = paths.cache() / "containers"
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": str(self.base / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.base / "storage.conf"),
            "TMPDIR": str(self.base / "tmp"),
        }

    def prepare(self) -> None:
        """Write the configuration; FleetError when this user or machine cannot run hosts."""
        if os.geteuid():
            raise FleetError(
                "the local fleet needs root: bridge networks and hosts with addresses of their own are root's",
                "run make as root on a machine of yours, or use a virtual machine; real fleets need no root",
            )
        for tool in ("podman", "runc"):
            if not shutil.which(tool):
                raise FleetError(f"{tool} is not installed", "run: make setup")
        before = paths.run() / "before.json"
        if not before.exists():
            before.parent.mkdir(parents=True, exist_ok=True)
            before.write_text(json.dumps([p for p in OUTSIDE if Path(p).exists()]))
        for folder in ("networks", "tmp", "graph"):
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        write_if_changed(self.base / "containers.conf", containers_conf(self.base, paths.run(), *limits()))
        write_if_changed(self.base / "storage.conf", storage_conf(self.base, paths.run()))

    def run(
        self, *argv: str, check: bool = True, stdin: str | None = None, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Run one podman command; FleetError with its last lines when it fails and `check` is set."""
        try:
            done = subprocess.run(
                ["podman", *argv],
                env=self.environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout,
                input=stdin if stdin is not None else "",
            )
        except subprocess.TimeoutExpired:
            raise FleetError(f"podman {argv[0]} took longer than {timeout:.0f} s") from None
        if check and done.returncode:
            said = "\n  ".join(done.stderr.strip().splitlines()[-6:])
            remedy = ""
            if "no space left" in said.lower():
                remedy = f"free space for {self.base}, or set LOCKSTEP_CACHE to a folder on a larger disk"
            raise FleetError(f"podman {' '.join(argv[:2])} failed ({done.returncode}):\n  {said}", remedy)
        return done

    def listed(self, fleet: str | None = None) -> list[dict[str, Any]]:
        """All our containers, or one fleet's, running or not."""
        which = f"label=lockstep.fleet={fleet}" if fleet else "label=lockstep.fleet"
        found: list[dict[str, Any]] = json.loads(
            self.run("ps", "--all", "--filter", which, "--format", "json").stdout or "[]"
        )
        return found

    def root(self, container: str, script: str, *arguments: str, check: bool = True) -> str:
        """Run a sh script as root inside a container with every capability; for provisioning and faults only."""
        done = self.run(
            "exec",
            "--interactive",
            "--privileged",
            "--user",
            "0",
            container,
            "sh",
            "-eu",
            "-s",
            "--",
            *arguments,
            stdin=script,
            check=check,
        )
        return done.stdout

    def leave(self) -> list[str]:
        """When no container of ours is left, remove what podman keeps outside; returns what was removed."""
        if self.listed():
            return []
        before = paths.run() / "before.json"
        there = set(json.loads(before.read_text())) if before.exists() else set(OUTSIDE)
        others = any(Path("/run/netns").glob("netns-*"))  # containers of another podman: these are theirs as well now
        gone = [path for path in OUTSIDE if path not in there and not others and _remove(Path(path))]
        _unmount_below(self.base / "graph")
        _unmount_below(paths.run())
        shutil.rmtree(paths.run(), ignore_errors=True)
        return [*gone, str(paths.run())]


def _remove(path: Path) -> bool:
    """Remove a file, or a folder with nothing in it; return whether it existed and is removed now."""
    try:
        if not path.exists():
            return False
        if path.is_dir():
            if any(path.iterdir()):
                return False
            _unmount_below(path)
            path.rmdir()
        else:
            path.unlink()
    except OSError:
        return False
    return True


def _unmount_below(folder: Path) -> None:
    """Detach what is mounted at or below a folder of ours, deepest first."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((m for m in mounts if m == str(folder) or m.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)


def write_if_changed(path: Path, text: str, mode: int = 0o644) -> bool:
    """Write a file by rename, only if its text differs; return whether it did."""
    if path.exists() and path.read_text() == text:
        return False
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text)
    aside.chmod(mode)
    aside.replace(path)
    return True
