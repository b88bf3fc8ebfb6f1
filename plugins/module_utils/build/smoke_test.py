"""Run the smoke test and `pip check`, which an environment must pass at its final path before it is complete.

Python 3.9, standard library.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from ..host.child_env import clean_environment
from ..host.errors import Problem
from ..host.install_plan import InstallPlan
from .extra_files import library, package_variables, pip_command

KEPT = 65536  # bytes of what a test says


class Test(NamedTuple):
    """A test: its name for people, what is run, and what is written to its standard input."""

    label: str
    command: list[str]
    text: str


def tests_of(plan: InstallPlan, place: str, miniconda: str, pip_check: bool) -> list[Test]:
    """Return the tests of an environment; none where it has no python.

    :param place: where the environment is
    :param miniconda: interpreter whose pip is used where the environment has none of its own
    """
    if not library(plan):
        return []
    python = os.path.join(place, "bin", "python")
    tests = [Test("smoke test", [python, "-I", "-B", "-"], plan.smoke or "import sys\n")]
    if pip_check:
        tests.append(Test("pip check", [*pip_command(plan, place, miniconda), "check"], ""))
    return tests


@contextlib.contextmanager
def run_smoke_test(
    plan: InstallPlan, place: str, miniconda: str, pip_check: bool, seconds: float, notes: list[str]
) -> Iterator[None]:
    """Start the tests side by side; on leaving, wait for them. What they leave running is ended.

    :param seconds: limit of each
    :param notes: gets a sentence for what could not be tested
    :raises Problem: on leaving, with the last lines of what failed
    """
    path = os.environ.get("PATH") or "/usr/local/bin:/usr/bin:/bin"
    env = clean_environment(
        {"PATH": f"{place}/bin:{path}", "CONDA_PREFIX": place, "CONDA_DEFAULT_ENV": plan.name,
         "PYTHONNOUSERSITE": "1", **package_variables(place), **plan.variables}
    )  # fmt: skip
    tests = tests_of(plan, place, miniconda, pip_check)
    if not tests:
        notes.append("no python in this environment: neither smoke test nor pip check")
    running: list[_Running] = []
    try:
        for test in tests:
            running.append(_Running(test, env))
        yield
    except BaseException:
        for one in running:
            one.end()
        raise
    failed = [
        problem for problem in [_judged(plan.name, one, seconds, notes) for one in running] if problem is not None
    ]
    if failed:
        raise failed[0]


def _judged(env: str, one: _Running, seconds: float, notes: list[str]) -> Problem | None:
    """Wait for a test, and return why it failed."""
    test, over = one.test, not one.ended(seconds)
    code, said = one.end()
    if test.label == "pip check" and "No module named pip" in said:
        notes.append("pip check was not run: neither the environment nor Miniconda has pip")
        return None
    if not code and not over:
        return None
    why = f"it took longer than {seconds:.0f} s" if over else f"it ended with {code}"
    told = " | ".join(line.strip() for line in said.strip().splitlines()[-6:])[-800:]
    return Problem(
        f"environment {env}: the {test.label} failed; what was live before still is",
        f"{why}: {told}" if told else f"{why}, and said nothing",
        "repair the spec or the test, and lock again"
        if test.label == "smoke test"
        else "add what is missing to the spec and lock again, or set conda_envs_pip_check to false",
    )


class _Running:
    """A test at work, in a group of its own; of what it says the end is kept, however much it is."""

    def __init__(self, test: Test, env: dict[str, str]) -> None:
        """Start it. It inherits no lock: what it leaves running in the background would keep that.

        :raises OSError: if it cannot be started
        """
        self.test = test
        self.said = b""
        self.child = subprocess.Popen(
            test.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, cwd="/",
            start_new_session=True,
        )  # fmt: skip
        # waited for only a moment: whatever the test has started may keep its output open for ever
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._write, self._read)]
        for thread in self.threads:
            thread.start()

    def _write(self) -> None:
        if self.child.stdin:
            with contextlib.suppress(OSError), self.child.stdin as pipe:
                pipe.write(self.test.text.encode())

    def _read(self) -> None:
        if self.child.stdout:
            with contextlib.suppress(OSError, ValueError):
                while block := os.read(self.child.stdout.fileno(), 65536):
                    self.said = (self.said + block)[-KEPT:]

    def ended(self, seconds: float) -> bool:
        """Wait, at most so long; return whether it has ended. It is left to be reaped, so that its group stays its."""
        deadline, pause = time.monotonic() + seconds, 0.002
        while os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)
        return True

    def end(self) -> tuple[int, str]:
        """End it with all of its group; return its exit code, and the end of what it said."""
        with contextlib.suppress(OSError):
            os.killpg(self.child.pid, signal.SIGKILL)
        code = self.child.wait()
        for thread in self.threads:
            thread.join(1.0)
        if self.child.stdout and not self.threads[1].is_alive():
            self.child.stdout.close()
        return code, self.said.decode(errors="replace")
