"""Check `lockstep_root`, and the user who works in it."""

from __future__ import annotations

import contextlib
import os
import pwd

from .errors import Problem

LONGEST = 80  # characters: prefixes stand in shebangs, which the kernel cuts at 127
PROVISION = (
    "create it when the machine is provisioned, owned by the user that Ansible connects as (docs/how-to/provision.md)"
)


def refuse_root(uid: int | None = None) -> None:
    """Stop a run as root: everything belongs to an ordinary user, and root would leave files that user cannot repair.

    :raises Problem: if the effective uid is 0
    """
    if (os.geteuid() if uid is None else uid) == 0:
        raise Problem(
            "Lockstep does not run as root",
            "environments belong to an ordinary user, and files made by root could never be updated by it",
            "connect as that user (ansible_user), and leave `become` off",
        )


def refuse_stranger(root: str, command: str) -> None:
    """Refuse a user who does not own the root, root itself included: the owner could not repair what they leave.

    :param command: what was called, for the remedy
    :raises Problem: if the folder belongs to another user, or is missing
    """
    try:
        owner = os.stat(root).st_uid
    except OSError as error:
        raise Problem(f"{root} cannot be read", str(error)) from None
    if owner == os.geteuid():
        return
    name = f"#{owner}"
    with contextlib.suppress(KeyError):
        name = pwd.getpwuid(owner).pw_name
    raise Problem(
        f"{root} belongs to {name}, and this is uid {os.geteuid()}",
        "locks and records that another user makes there would keep its owner out",
        f"sudo -u '{name}' {command}",
    )


def check_root(root: str) -> None:
    """Check that a path can be the root of a fleet's environments.

    :raises Problem: if it is relative, has spaces or special characters, or is too long for a shebang
    """
    remedy = "set lockstep_root to something like /opt/lockstep, the same on every host"
    if not root.startswith("/") or os.path.normpath(root) != root or root == "/":
        raise Problem(f"lockstep_root {root!r} is not an absolute, plain path", remedy=remedy)
    if any(c.isspace() or c in "\"'\\$`:;%#!" for c in root):
        raise Problem(
            f"lockstep_root {root!r} has spaces or characters that shells and shebangs take for their own",
            remedy=remedy,
        )
    if len(root) >= LONGEST:
        raise Problem(f"lockstep_root has {len(root)} characters; from {LONGEST} on shebangs break", remedy=remedy)


def need_root_folder(root: str) -> None:
    """Check that the folder is there and ours to write, before anything is downloaded into it.

    :raises Problem: if it is missing and cannot be made, or belongs to another user
    """
    check_root(root)
    if not os.path.isdir(root):
        try:
            os.makedirs(root, 0o755)
        except OSError as error:
            raise Problem(f"{root} is not there and cannot be made", str(error), PROVISION) from None
    if os.statvfs(root).f_flag & os.ST_RDONLY:
        raise Problem(
            f"{root} is on a file system that is mounted read-only",
            "it was mounted so, or the kernel did that after an error",
            "read `dmesg`, have the disk repaired and mounted for writing, then run again",
        )
    if not os.access(root, os.W_OK | os.X_OK):
        owner = os.stat(root).st_uid
        raise Problem(f"{root} is not writable by uid {os.geteuid()}", f"it belongs to uid {owner}", PROVISION)
