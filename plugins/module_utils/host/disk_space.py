"""Check the file system and the free space before anything is downloaded. Python 3.9, standard library."""

from __future__ import annotations

import os
import re

from .errors import Problem
from .install_plan import InstallPlan, PlannedPackage

NETWORK = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "9p", "ceph", "glusterfs", "lustre", "gpfs", "beegfs",
     "orangefs", "pvfs2", "wekafs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph-fuse", "fuse.s3fs", "fuse.gcsfuse",
     "fuse.mount-s3", "fuse.juicefs", "fuse.rclone")
)  # fmt: skip
"""File systems whose locks, links or renames cannot be trusted across hosts."""

# Measured on 150 packages (670 MB packed, 2.2 GB and 29,700 files unpacked, 8,400 of them .py): what one packed byte
# becomes on disk, and how many inodes a package takes in the cache and, as folders, copies and .pyc, in a generation.
UNPACKED = 3.5
COPIES = 0.4
FILES_CACHED = 220
FILES_BUILT = 100
UNKNOWN_PACKAGE = 3 << 20  # bytes packed, where a lock does not say
RESERVE = 64 << 20  # bytes that stay free for others


def filesystem_type(path: str, mounts: str = "/proc/self/mounts") -> str:
    """Return the type of the file system of a path ("ext4", "nfs4", ...), or "" where the system does not tell."""
    real = os.path.realpath(path)
    best, kind = "", ""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                fields = line.split(" ")
                at = re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[1])  # blanks and the like
                below = at == "/" or real == at or real.startswith(at + "/")
                if below and len(at) >= len(best):  # of two mounts at one place the later one is seen
                    best, kind = at, fields[2]
    except (OSError, IndexError):
        return ""
    return kind


def refuse_network(path: str, mounts: str = "/proc/self/mounts") -> None:
    """Check that a path is on a disk of this host.

    :raises Problem: if it is on a network file system
    """
    kind = filesystem_type(path, mounts)
    if kind in NETWORK:
        raise Problem(
            f"{path} is on a network file system ({kind})",
            "links, locks and renames there do not protect running jobs, and every host would write to the same place",
            "set lockstep_root to a folder on a local disk, the same path on every host",
        )


def refuse_other_filesystem(folders: list[str]) -> None:
    """Check that folders share a file system, so that hard links and renames between them work.

    :raises Problem: if they do not: every environment would silently become a full copy
    """
    devices = {folder: os.stat(folder).st_dev for folder in folders}
    first = folders[0]
    for folder, device in devices.items():
        if device != devices[first]:
            raise Problem(
                f"{folder} is not on the file system of {first}",
                "package cache and environments share files by hard links, which cannot cross file systems",
                "put the whole of lockstep_root on one file system",
            )


def cached(pkgs: str, package: PlannedPackage) -> bool:
    """Return whether the cache seems to hold a package of a plan (existence only: what is linked is verified later)."""
    stem = package.stem
    return os.path.isdir(os.path.join(pkgs, stem, "info"))


def estimate(plan: InstallPlan, pkgs: str) -> dict[str, int]:
    """Estimate what a build takes: `missing` packages, and `bytes` and `inodes` to be written."""
    total = len(plan.packages) + len(plan.pip)
    missing = sum(not cached(pkgs, package) for package in plan.packages)
    wheels = os.path.join(os.path.dirname(pkgs), "wheels")
    missing += sum(not os.path.exists(os.path.join(wheels, w.sha256, w.file_name)) for w in plan.pip)
    packed = plan.download_bytes or total * UNKNOWN_PACKAGE
    share = missing / total if total else 0
    return {
        "missing": missing,
        "bytes": int(packed * share * UNPACKED + packed * COPIES),
        "inodes": missing * FILES_CACHED + total * FILES_BUILT,
    }


def need_room(root: str, plan: InstallPlan, pkgs: str, reserve: int = RESERVE) -> dict[str, int]:
    """Check free bytes and inodes before a build; return the estimate.

    :param reserve: bytes that must stay free
    :raises Problem: if there is not enough, naming what is needed, what is free and what to do
    """
    wanted = estimate(plan, pkgs)
    disk = os.statvfs(root)
    free, free_inodes = disk.f_bavail * disk.f_frsize, disk.f_favail
    remedy = (
        f"run {root}/bin/lockstep-clean, which removes retired generations and unused packages, or give {root} a "
        "larger disk"
    )
    if free < wanted["bytes"] + reserve:
        raise Problem(
            f"no room for environment {plan.name}: about {human(wanted['bytes'])} needed and {human(reserve)} kept "
            f"in reserve, {human(free)} free in {root}",
            f"{wanted['missing']} of {len(plan.packages) + len(plan.pip)} packages are not in the cache yet; "
            "nothing was downloaded",
            remedy,
        )
    if disk.f_files and free_inodes < wanted["inodes"]:  # file systems without a fixed number of inodes say 0
        raise Problem(
            f"no room for environment {plan.name}: about {wanted['inodes']} inodes needed, {free_inodes} free "
            f"in {root}",
            "the file system can hold no more files, whatever bytes are free; nothing was downloaded",
            remedy,
        )
    return wanted


def human(size: float) -> str:
    """Write a number of bytes for people: "1.5 GB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return ""
