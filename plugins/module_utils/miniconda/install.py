"""The base installation: fetch the installer, check it, run it once, freeze what it made.

The installer's options are Miniconda's (`-b` no questions, `-p PREFIX`, `-u` update in place). It is run only after its
sha256 agreed, because its own checksum mismatch is merely a warning (constructor, header.sh).
"""

from __future__ import annotations

import base64
import contextlib
import errno
import fcntl
import hashlib
import http.client
import json
import netrc
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

from ..host import fs
from ..host.errors import Problem
from ..host.flock import error_context, open_lock
from ..host.redaction import redact
from ..host.root import need_root_folder
from .inspection import BASE_MARKER, decide, frozen_files, inspect, intent

ROOM = 1_500_000_000  # bytes: the installer (170 MB), what it unpacks, and a reserve
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO, errno.ENOENT)


@contextlib.contextmanager
def _exclusive_lock(root: str, seconds: int) -> Iterator[int]:
    """Hold the lock of the host's one installation; yield its descriptor, which the installer of a killed run keeps."""
    os.makedirs(os.path.join(root, "state"), 0o755, exist_ok=True)
    with open_lock(os.path.join(root, "state", "miniconda.lock")) as lock:
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > end:
                    raise Problem(
                        f"another run has been installing Miniconda in {root} for more than {seconds} s",
                        remedy="let it end, or find it with `fuser -v state/miniconda.lock`",
                    ) from None
                time.sleep(0.5)
        yield lock


def fetch(url: str, sha256: str, target: str, tries: int = 3) -> None:
    """Download a file and check it; nothing is left where that fails.

    :raises Problem: if the address does not answer, the disk is full, or the sha256 is another
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


def freeze(prefix: str) -> None:
    """Write the files that freeze the base."""
    for path, text in frozen_files(prefix).items():
        with open(os.path.join(prefix, path), "w", encoding="utf-8") as file:
            file.write(text)


def _write_marker(prefix: str, version: str, sha256: str, adopted: bool) -> None:
    path = os.path.join(prefix, BASE_MARKER)
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        json.dump({"version": version, "installer_sha256": sha256, "adopted": adopted}, file)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".tmp", path)


def apply(action: str, root: str, prefix: str, version: str, url: str, sha256: str, wait: int = 900) -> list[str]:
    """Carry out what `decide` said.

    :returns: lines that tell what was done
    :raises Problem: if the download, the room or the installer fails; nothing half-made is taken for a base later
    """
    old_mask = os.umask(0o022)  # all users of the host read what is made here
    try:
        need_root_folder(root)
        with error_context(f"Miniconda cannot be installed at {prefix}"), _exclusive_lock(root, wait) as lock:
            found = inspect(root, prefix)
            action = decide(found, prefix, version)  # another run may have done it meanwhile
            # what was there before the adoption is still there after an update
            adopted = action == "adopt" or found.adopted
            if action in ("install", "reinstall", "update", "reupdate"):
                _install(action, root, prefix, version, url, sha256, lock)
            if action:
                freeze(prefix)
                _write_marker(prefix, version, sha256 if action != "adopt" else "", adopted)
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
            remedy="make room (bin/lockstep-clean removes what is unused), then run again",
        )
    work = os.path.join(root, "state", "installer")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work, 0o700)
    update = action in ("update", "reupdate")
    try:
        installer = os.path.join(work, os.path.basename(url))
        fetch(url, sha256, installer)
        if action == "reinstall":
            fs.remove(prefix)
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
            if not update:  # while it is certain that this run made it
                fs.remove(prefix)
                os.unlink(intent(root))
            raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _announce(root: str, what: dict[str, str]) -> None:
    """Write down what is about to be done, durably and in one step."""
    fs.write_file(intent(root) + ".tmp", json.dumps(what) + "\n", durable=True)
    os.replace(intent(root) + ".tmp", intent(root))


def _run(installer: str, prefix: str, update: bool, work: str, lock: int) -> None:
    """Run the installer, and the conda that it installed.

    :param lock: descriptor of the lock, which the installer keeps if this process is killed
    :raises Problem: if either fails
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
