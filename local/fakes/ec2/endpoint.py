"""Start the emulated EC2's process in the background, find it again, and end it by its id."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.fleet import paths
from local.fleet.errors import FleetError

REGION = "us-east-1"
START_SECONDS = 120  # it takes one or two seconds on an idle machine
ANSWER_SECONDS = 20
TRIES = 3  # between finding a port free and listening on it, another program may take it


@dataclass(frozen=True)
class Process:
    """A process by id and start time (clock ticks since boot), since ids are used again."""

    pid: int
    started: int
    port: int

    @property
    def url(self) -> str:
        """The URL that it answers at."""
        return f"http://127.0.0.1:{self.port}"


def start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat, or None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


class Endpoint:
    """One emulated EC2 with its state, log and process file in one folder."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self.folder, self.wanted = folder, port or own_port(folder)
        self.file = folder / "endpoint.json"
        self.state = folder / "cloud.pickle"
        self.log = folder / "endpoint.log"

    def process(self) -> Process | None:
        """Return the running process, or None; the file of a process that died does not count."""
        try:
            found = Process(**json.loads(self.file.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return found if start_time(found.pid) == found.started else None

    def answering(self) -> Process | None:
        """Return the running process if it answers on its port, and no other process does."""
        found = self.process()
        if not found:
            return None
        try:
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(f"{found.url}/lockstep/health", timeout=ANSWER_SECONDS) as answer:
                return found if answer.read(20).strip() == b"%d" % found.pid else None
        except (OSError, http.client.HTTPException):
            return None

    def up(self) -> tuple[Process, str]:
        """Ensure that it answers; return the process, and "running" or "started (...)" with the fate of its state."""
        found = self.answering()
        if found:
            return found, "running"
        self.down()
        self.folder.mkdir(parents=True, exist_ok=True)
        for wanted in (self._last_port() or self.wanted, *[0] * (TRIES - 1)):
            started = self._start(_free(wanted))
            if started:
                return started, f"started ({self.log.read_text().splitlines()[0]})"
        said = "\n  ".join(self.log.read_text().strip().splitlines()[-6:])
        raise FleetError(f"the emulated EC2 did not start:\n  {said}", f"its log: {self.log}")

    def _start(self, port: int) -> Process | None:
        """Start it on a port; None if it ended, or did not answer in time."""
        command = [sys.executable, "-m", "local.fakes.ec2.moto_server", "--port", str(port), "--region", REGION]
        command += ["--state", str(self.state)]
        environment = {**ours(os.environ), "PYTHONPATH": str(paths.CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
        with self.log.open("w") as log:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        record = Process(child.pid, start_time(child.pid) or 0, port)
        self.file.write_text(json.dumps(record.__dict__))
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and child.poll() is None:
            if self.answering():
                return record
            time.sleep(0.1)
        self.down()
        return None

    def _last_port(self) -> int | None:
        try:
            return int(json.loads(self.file.read_text())["port"])
        except (OSError, ValueError, KeyError):
            return None

    def down(self) -> bool:
        """End the process if it is ours and runs; return whether it ran."""
        found = self.process()
        if not found:
            return False
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):  # it may end by itself meanwhile
                os.kill(found.pid, how)
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                _reap(found.pid)
                if start_time(found.pid) != found.started:
                    return True
                time.sleep(0.05)
        return True

    def forget(self) -> None:
        """Remove the state, log and process file; the process must be down."""
        for name in ("endpoint.json", "cloud.pickle", "cloud.new", "cloud.unreadable", "endpoint.log"):
            (self.folder / name).unlink(missing_ok=True)


def ours(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without variables of real AWS accounts: a missing profile stops every AWS tool."""
    return {name: value for name, value in environ.items() if not name.startswith("AWS_")}


def own_port(folder: Path) -> int:
    """The port that is asked for first: each folder's own, so that a shell which sourced the settings reaches the same
    cloud after a restart, and never another checkout's.
    """
    return 20000 + int(hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:8], 16) % 10000


def _reap(pid: int) -> None:
    """Collect a child of this process; other processes cannot be waited for."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _free(port: int) -> int:
    """Return the port if it is free on loopback, otherwise a free one."""
    for wanted in (port, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise FleetError("no free port on loopback")
