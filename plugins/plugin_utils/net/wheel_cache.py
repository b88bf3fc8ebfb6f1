"""Fetch the rattler runtime's wheels into the controller's cache: once for each name, version and sha256."""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ...module_utils.host.errors import Problem
from ...module_utils.host.redaction import redact
from ..core.digest import sha256_file
from .credentials import opener

FILE = re.compile(
    r"(?P<name>[A-Za-z0-9_]+)-(?P<version>[0-9][A-Za-z0-9.]*)-[^/-]+-[^/-]+-(?P<tags>[A-Za-z0-9_.]+)[.]whl\Z"
)
PYTHON = "3.12"  # that of Miniconda; the wheel is abi3, good for 3.10 and later


def cache_dir() -> Path:
    """Return the controller's cache: `$LOCKSTEP_CACHE`, or `~/.cache/lockstep`."""
    return Path(os.environ.get("LOCKSTEP_CACHE") or "~/.cache/lockstep").expanduser()


def wheel(file: str, sha256: str, source: str = "", cache: Path | None = None) -> Path:
    """Return the path of a verified wheel in the cache; fetch it first if it is not there. Safe for many processes.

    :param file: the wheel's file name (PEP 427)
    :param sha256: the expected sha256
    :param source: url or path of the folder that has it; "": the package index of the controller's pip
    :raises Problem: if it cannot be fetched, or its sha256 is another one
    """
    folder = (cache or cache_dir()) / "wheels"
    match = FILE.match(file)
    if not match:
        raise Problem(
            f"conda_envs_rattler_wheels: {file!r} is not a wheel's file name",
            remedy="write the full name, as the package index has it",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{sha256[:16]}-{file}"
        if path.is_file() and sha256_file(path) == sha256:
            return path
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.is_file() and sha256_file(path) == sha256:  # fetched by another process meanwhile
                return path
            with tempfile.TemporaryDirectory(dir=folder) as temporary:
                got = _fetch(file, match, sha256, source, Path(temporary))
                found = sha256_file(got)
                if found != sha256:
                    raise Problem(
                        f"the rattler runtime's wheel {file} is not the declared one",
                        f"its sha256 is {found}, declared is {sha256}",
                        "correct conda_envs_rattler_wheels if its sha256 is wrong; otherwise use another source",
                    )
                got.replace(path)
    except OSError as error:
        raise Problem(
            f"the rattler runtime's wheel cannot be written to {folder}",
            str(error),
            "correct LOCKSTEP_CACHE, or make room",
        ) from None
    return path


def _fetch(file: str, match: re.Match[str], sha256: str, source: str, to: Path) -> Path:
    """Copy or download the wheel from its source into the folder `to`; return its path."""
    path = to / file
    if source.startswith(("http://", "https://")):
        url = f"{source.rstrip('/')}/{file}"
        try:
            with opener().open(url, timeout=60) as answer:
                data = answer.read()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Problem(
                f"the rattler runtime's wheel cannot be fetched from {redact(url)}",
                str(error) or type(error).__name__,
                "check conda_envs_rattler_wheel_source",
            ) from None
        path.write_bytes(data)
        return path
    if source:
        origin = Path(source.removeprefix("file://")).expanduser() / file
        if not origin.is_file():
            raise Problem(
                f"the rattler runtime's wheel is not at {origin}", remedy="check conda_envs_rattler_wheel_source"
            )
        shutil.copyfile(origin, path)
        return path
    name, version = match["name"].replace("_", "-"), match["version"]
    wanted = to / "requirements.txt"
    wanted.write_text(f"{name}=={version} --hash=sha256:{sha256}\n", encoding="utf-8")
    platforms = [word for tag in match["tags"].split(".") for word in ("--platform", tag)]
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes",
        *platforms, "--python-version", PYTHON, "--dest", str(to), "--requirement", str(wanted),
    ]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode or not path.is_file():
        output = [line for line in (done.stderr or done.stdout).splitlines() if "notice" not in line]
        raise Problem(
            f"the rattler runtime's wheel {file} cannot be fetched",
            "pip printed: " + " | ".join(redact(line) for line in output[-4:])[-700:],
            "give the controller a package index (pip config), or set conda_envs_rattler_wheel_source",
        )
    return path
