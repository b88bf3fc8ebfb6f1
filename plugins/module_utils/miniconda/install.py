"""The base installation: fetch the installer, check it, run it once, freeze what it made.

The installer's options are Miniconda's (`-b` no questions, `-p PREFIX`, `-u` update in place). It is run only after its
sha256 agreed, because its own checksum mismatch is merely a warning (constructor, header.sh).
"""

from __future__ import annotations

import base64
import contextlib
import errno
import fcntl
import glob
import hashlib
import http.client
import json
import netrc
import os
import re
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..host.errors import Problem
from ..host.flock import opened, reported
from ..host.redaction import redact
from ..host.root import need_root_folder
from ..prefix import tree
from .integrity import gone

MARK = ".lockstep-base.json"
ROOM = 1_500_000_000  # bytes: the installer (170 MB), what it unpacks, and some air
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO, errno.ENOENT)
MESSAGE = "The base is shared and never changed in place: use an environment (docs/how-to/write-an-env.md)"
FROZEN = json.dumps({"message": MESSAGE}) + "\n"
MANAGED = "[externally-managed]\nError=The base is shared and never changed. Make a virtual environment of your own.\n"


@dataclass(frozen=True)
class Base:
    """What is at the prefix: `absent`, `unfinished` (ours, killed half-way), `half-updated` (an update was), `ours`,
    `damaged` (ours, and parts are gone), `foreign`, `other` (no conda)."""

    state: str
    version: str = ""
    reason: str = ""


def _record(prefix: str, name: str) -> dict[str, Any]:
    """The conda-meta record of one package, {} where there is none."""
    for path in glob.glob(os.path.join(glob.escape(prefix), "conda-meta", f"{name}-*.json")):
        with contextlib.suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
            record = json.load(file)
            if isinstance(record, dict) and record.get("name") == name:
                return record
    return {}


def intent(root: str) -> str:
    """The file that says what is under way, and where; it outlives a killed run."""
    return os.path.join(root, "state", "miniconda.installing")


def _under_way(root: str, prefix: str) -> str:
    """What a run that was killed was doing at the prefix: `install`, `update`, or "" where no run was."""
    try:
        with open(intent(root), encoding="utf-8") as file:
            found = json.load(file)
        return str(found["action"]) if found["prefix"] == prefix else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # no proof that what is there is ours to remove


def look(root: str, prefix: str) -> Base:
    """Find out what is at the prefix. Reads only."""
    if os.path.islink(prefix):
        return Base(
            "other", reason=f"{prefix} is a symbolic link; prefixes stand inside files, so it must be a real folder"
        )
    if not os.path.exists(prefix):
        return Base("absent")
    if not os.path.isdir(prefix):
        return Base("other", reason=f"{prefix} is not a folder")
    killed = _under_way(root, prefix)
    if killed == "install" and not os.path.exists(os.path.join(prefix, MARK)):
        return Base("unfinished")
    if not os.listdir(prefix):
        return Base("absent")
    try:
        version = str(_mark_of(prefix)["version"])
        if killed:
            return Base("half-updated", version=version)
        lacking = gone(prefix)
        return Base("damaged", version, f"{lacking} is gone") if lacking else Base("ours", version=version)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        return Base("foreign", version=found_version(prefix), reason=f"{MARK} is damaged: {error}")
    if not os.path.isdir(os.path.join(prefix, "conda-meta")):
        return Base("other", reason=f"{prefix} holds files, but no conda installation")
    return Base("foreign", version=found_version(prefix))


def _mark_of(prefix: str) -> dict[str, Any]:
    """Read our mark.

    :raises OSError, ValueError: where it is not there, or no mark
    """
    with open(os.path.join(prefix, MARK), encoding="utf-8") as file:
        found = json.load(file)
    if not isinstance(found, dict):
        raise ValueError("it is no object")
    return found


def found_version(prefix: str) -> str:
    """Python and conda of a prefix, written like an installer's version without its build: `py312_26.5.3`."""
    python, conda = _record(prefix, "python").get("version", ""), _record(prefix, "conda").get("version", "")
    minor = "".join(str(python).split(".")[:2])
    return f"py{minor}_{str(conda).partition('+')[0]}" if minor and conda else ""


def why_not_adopt(prefix: str, found: Base, version: str) -> str:
    """The reason why a conda installation that somebody else made cannot become the fleet's base; "" where it can."""
    if os.stat(prefix).st_uid != os.geteuid():
        return f"it belongs to uid {os.stat(prefix).st_uid}, and this run is uid {os.geteuid()}"
    if not os.access(os.path.join(prefix, "bin", "conda"), os.X_OK):
        return "it has no bin/conda"
    if not os.path.exists(os.path.join(prefix, "conda-meta", "initial-state.explicit.txt")):
        return "it has no conda-meta/initial-state.explicit.txt, so nobody could say what was added to it since"
    if found.version != bare(version):
        return f"it is {found.version or 'of no known version'}, and {version} is declared"
    return ""


def bare(version: str) -> str:
    """`py312_26.5.3-1+local` without the installer's own build and label: `py312_26.5.3`."""
    return re.sub(r"-\d+(\+.*)?$", "", version).split("+")[0]


def _order(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", bare(version))]


@contextlib.contextmanager
def _alone(root: str, seconds: int) -> Iterator[int]:
    """One installation a host at a time; yield the lock's descriptor: the installer of a killed run keeps it."""
    os.makedirs(os.path.join(root, "state"), 0o755, exist_ok=True)
    with opened(os.path.join(root, "state", "miniconda.lock")) as lock:
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > end:
                    raise Problem(
                        f"another run has been installing Miniconda in {root} for more than {seconds} s",
                        remedy="let it end, or look for it with `fuser -v state/miniconda.lock`",
                    ) from None
                time.sleep(0.5)
        yield lock


def fetch(url: str, sha256: str, target: str, tries: int = 3) -> None:
    """Download a file and check it; nothing is left where that fails.

    :raises Problem: where the address does not answer, the disk is full, or the sha256 is another
    """
    part = target + ".part"
    try:
        for attempt in range(1, tries + 1):
            try:
                total = hashlib.sha256()
                opener = urllib.request.build_opener()
                with opener.open(_request(url), timeout=60) as answer, open(part, "wb") as file:
                    for block in iter(lambda: answer.read(1 << 20), b""):
                        total.update(block)
                        file.write(block)
                    expected = answer.headers.get("Content-Length")
                    if expected and file.tell() != int(expected):
                        raise urllib.error.URLError(f"the connection broke after {file.tell()} of {expected} bytes")
                break
            except (ValueError, http.client.InvalidURL) as error:
                raise Problem(
                    f"{redact(url)} is no address", redact(str(error)), "correct miniconda_base_url"
                ) from None
            except (OSError, http.client.HTTPException) as error:
                if getattr(error, "errno", None) in DISK and not isinstance(error, ssl.SSLError):  # has its own numbers
                    raise Problem(
                        f"{part} cannot be written", str(error), "make room on that file system, then run again"
                    ) from None
                refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
                distrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
                if refused or distrusted or attempt == tries:
                    remedy = "check the host's network and proxy (lockstep_environment), then run again"
                    if refused:
                        remedy = "check miniconda_base_url and miniconda_version, and ~/.netrc where it asks for a user"
                    if distrusted:
                        remedy = (
                            "install the site's certificate authority on the host, or name its file in SSL_CERT_FILE "
                            "(lockstep_environment)"
                        )
                    said = redact(str(error).strip() or type(error).__name__)
                    raise Problem(f"{redact(url)} cannot be downloaded", said, remedy) from None
                time.sleep(2 * attempt)
        if total.hexdigest() != sha256:
            raise Problem(
                f"{redact(url)} is not the file that was pinned",
                f"its sha256 is {total.hexdigest()}, and {sha256} is declared",
                "compare with the publisher's list, and correct miniconda_installers only if that list agrees",
            )
        os.replace(part, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)


def _request(url: str) -> urllib.request.Request:
    """Return a request with what the netrc file ($NETRC or ~/.netrc) has for the host; a redirect does not get it."""
    request = urllib.request.Request(url)
    try:
        found = netrc.netrc(os.environ.get("NETRC") or None).hosts.get(urlsplit(url).hostname or "")
    except (OSError, netrc.NetrcParseError):
        found = None
    if found:
        words = base64.b64encode(f"{found[0]}:{found[2] or ''}".encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {words}")
    return request


def frozen_files(prefix: str) -> dict[str, str]:
    """What marks the base as frozen: CEP 22 for conda, PEP 668 for pip. Relative path to text."""
    libs = sorted(glob.glob(os.path.join(glob.escape(prefix), "lib", "python3.*", "")))
    files = {os.path.join("conda-meta", "frozen"): FROZEN}
    files.update({os.path.join(os.path.relpath(lib, prefix), "EXTERNALLY-MANAGED"): MANAGED for lib in libs})
    return files


def unfrozen(prefix: str) -> list[str]:
    """The marks of `frozen_files` that are missing or altered."""
    wrong = []
    for path, text in frozen_files(prefix).items():
        try:
            with open(os.path.join(prefix, path), encoding="utf-8", errors="replace") as file:
                if file.read() != text:
                    wrong.append(path)
        except OSError:
            wrong.append(path)
    return wrong


def freeze(prefix: str) -> None:
    """Write the marks of `frozen_files`."""
    for path, text in frozen_files(prefix).items():
        with open(os.path.join(prefix, path), "w", encoding="utf-8") as file:
            file.write(text)


def _mark(prefix: str, version: str, sha256: str, adopted: bool) -> None:
    path = os.path.join(prefix, MARK)
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        json.dump({"version": version, "installer_sha256": sha256, "adopted": adopted}, file)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".tmp", path)


def decide(found: Base, prefix: str, version: str) -> str:
    """What there is to do: `install`, `reinstall`, `update`, `reupdate`, `adopt`, `freeze` or "".

    :raises Problem: where what is at the prefix must be left alone
    """
    if found.state == "absent":
        return "install"
    if found.state == "unfinished":
        return "reinstall"
    if found.state == "damaged":
        raise Problem(
            f"the base at {prefix} is damaged",
            found.reason,
            "move it away and run again, so that it is installed anew; environments do not depend on it",
        )
    if found.state == "other":
        raise Problem(f"{prefix} is in the way", found.reason, "move it away, or choose another lockstep_root")
    if found.state == "foreign":
        reason = why_not_adopt(prefix, found, version)
        if reason:
            raise Problem(
                f"the installation at {prefix} was not made by Lockstep and cannot be adopted",
                reason,
                "declare the version it has (miniconda_version), or move it away so that Lockstep can install its own",
            )
        return "adopt"
    if found.version != version:
        if _order(found.version) > _order(version):
            raise Problem(
                f"the base at {prefix} is {found.version}, newer than the declared {version}",
                "the installer cannot go back",
                "declare the newer version, or move the base away; environments do not depend on it",
            )
        return "update"
    if found.state == "half-updated":
        return "reupdate"
    return "freeze" if unfrozen(prefix) else ""


def apply(action: str, root: str, prefix: str, version: str, url: str, sha256: str, wait: int = 900) -> list[str]:
    """Carry out what `decide` said.

    :returns: lines that tell what was done
    :raises Problem: where the download, the room or the installer fails; nothing half-made is taken for a base later
    """
    old_mask = os.umask(0o022)  # all users of the host read what is made here
    try:
        need_root_folder(root)
        with reported(f"Miniconda cannot be installed at {prefix}"), _alone(root, wait) as lock:
            found = look(root, prefix)
            action = decide(found, prefix, version)  # another run may have done it meanwhile
            # whoever installed something of their own before we came still has it after an update
            adopted = action == "adopt" or (found.version != "" and bool(_mark_of(prefix).get("adopted")))
            if action in ("install", "reinstall", "update", "reupdate"):
                _install(action, root, prefix, version, url, sha256, lock)
            if action:
                freeze(prefix)
                _mark(prefix, version, sha256 if action != "adopt" else "", adopted)
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(intent(root))
    finally:
        os.umask(old_mask)
    said = {
        "install": f"installed {version}",
        "reinstall": f"removed what a killed run had left, installed {version}",
        "update": f"updated {found.version} to {version}",
        "reupdate": f"finished an update to {version} that a killed run had begun",
        "adopt": f"adopted the installation that was there ({version})",
        "freeze": "froze the base again",
        "": "",
    }
    return [said[action]] if action else []


def _install(action: str, root: str, prefix: str, version: str, url: str, sha256: str, lock: int) -> None:
    """Fetch the installer and run it. Nothing is left of an installation that fails; an update is tried again."""
    disk = os.statvfs(root)
    free = disk.f_bavail * disk.f_frsize
    if free < ROOM:
        raise Problem(
            f"{root} has {free / 1e9:.1f} GB free, and an installation of Miniconda needs {ROOM / 1e9:.1f} GB",
            remedy="make room (bin/lockstep-clean removes what nobody uses), then run again",
        )
    work = os.path.join(root, "state", "installer")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work, 0o700)
    update = action in ("update", "reupdate")
    try:
        installer = os.path.join(work, os.path.basename(url))
        fetch(url, sha256, installer)
        if action == "reinstall":
            tree.remove(prefix)
        elif not update and os.path.isdir(prefix):
            os.rmdir(prefix)  # empty: the installer insists on making it
        _announce(root, {"action": "update" if update else "install", "prefix": prefix, "version": version})
        if update:
            for path in frozen_files(prefix):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(prefix, path))
        try:
            _run(installer, prefix, update, work, lock)
        except (Problem, OSError):
            if not update:  # while it is certain that nobody else made it
                tree.remove(prefix)
                os.unlink(intent(root))
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _announce(root: str, what: dict[str, str]) -> None:
    """Write down what is about to be done, durably and in one step."""
    tree.write_file(intent(root) + ".tmp", json.dumps(what) + "\n", durable=True)
    os.replace(intent(root) + ".tmp", intent(root))


def _run(installer: str, prefix: str, update: bool, work: str, lock: int) -> None:
    """Run the installer, and the conda that it installed.

    :param lock: descriptor of the lock, which the installer keeps if this process is killed
    :raises Problem: where either fails
    """
    argv = ["/bin/bash", installer, "-b", *(["-u"] if update else []), "-p", prefix]
    keep = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TERM", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
    env = {key: value for key, value in os.environ.items() if key in keep}
    done = subprocess.run(
        argv, env={**env, "TMPDIR": work}, stdin=subprocess.DEVNULL, capture_output=True, pass_fds=(lock,), check=False
    )
    if done.returncode != 0:
        said = (done.stderr + done.stdout).decode(errors="replace")
        raise Problem(
            f"the installer {os.path.basename(installer)} ended with {done.returncode}",
            " | ".join(said.strip().splitlines()[-6:]),
            "repair that and run again"
            + ("; until then the base is half-updated" if update else "; nothing of it is left"),
        )
    check = subprocess.run(
        [os.path.join(prefix, "bin", "conda"), "--version"],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if check.returncode != 0:
        raise Problem(
            f"{prefix}/bin/conda does not run after the installation",
            check.stderr.decode(errors="replace")[-400:],
            "see whether this host's glibc is new enough for this installer",
        )
