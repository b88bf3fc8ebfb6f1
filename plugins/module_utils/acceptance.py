"""What a finished environment must pass, at its final path, before it counts as complete: smoke test and `pip check`.

Python 3.9, standard library.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from typing import Any, NamedTuple

from .children import clean_environment
from .layout import library, pip_command
from .problem import Problem


class Test(NamedTuple):
    """A test: its name for people, what is run, and what is written to its standard input."""

    label: str
    command: list[str]
    text: str


def tests_of(plan: dict[str, Any], place: str, miniconda: str, pip_check: bool) -> list[Test]:
    """Return the tests of an environment; none where it has no python.

    :param place: where the environment is
    :param miniconda: interpreter whose pip is used where the environment has none of its own
    """
    if not library(plan):
        return []
    python = os.path.join(place, "bin", "python")
    tests = [Test("smoke test", [python, "-I", "-B", "-"], plan["smoke"] or "import sys\n")]
    if pip_check:
        tests.append(Test("pip check", [*pip_command(plan, place, miniconda), "check"], ""))
    return tests


@contextlib.contextmanager
def accepted(
    plan: dict[str, Any], place: str, miniconda: str, pip_check: bool, seconds: float, fds: tuple[int, ...],
    notes: list[str],
) -> Iterator[None]:  # fmt: skip
    """Start the tests side by side; on leaving, wait for them.

    :param seconds: limit of each
    :param fds: locks that the tests keep if this process is killed
    :param notes: gets a sentence for what could not be tested
    :raises Problem: on leaving, with the last lines of what failed
    """
    path = os.environ.get("PATH") or "/usr/local/bin:/usr/bin:/bin"
    env = clean_environment(
        {"PATH": f"{place}/bin:{path}", "CONDA_PREFIX": place, "CONDA_DEFAULT_ENV": plan["name"],
         "PYTHONNOUSERSITE": "1", **plan["variables"]}
    )  # fmt: skip
    tests = tests_of(plan, place, miniconda, pip_check)
    if not tests:
        notes.append("no python in this environment: neither smoke test nor pip check")
    running: list[tuple[Test, subprocess.Popen[bytes]]] = []
    try:
        for test in tests:
            child = subprocess.Popen(
                test.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=fds,
                env=env, cwd="/", start_new_session=True,
            )  # fmt: skip
            running.append((test, child))
        yield
    except BaseException:
        for _, child in running:
            end(child)
        raise
    failed = [
        problem
        for problem in [_judged(plan["name"], test, child, seconds, notes) for test, child in running]
        if problem is not None
    ]
    if failed:
        raise failed[0]


def _judged(env: str, test: Test, child: subprocess.Popen[bytes], seconds: float, notes: list[str]) -> Problem | None:
    """Wait for a test, and say what is wrong with its end."""
    said, over = talk(child, test.text, seconds)
    if test.label == "pip check" and "No module named pip" in said:
        notes.append("pip check was not run: neither the environment nor Miniconda has pip")
        return None
    if not child.returncode and not over:
        return None
    why = f"it took longer than {seconds:.0f} s" if over else f"it ended with {child.returncode}"
    return Problem(
        f"environment {env}: the {test.label} failed; what was live before still is",
        why + ": " + " | ".join(said.strip().splitlines()[-6:])[-800:],
        "mend the spec or the test, and lock again"
        if test.label == "smoke test"
        else "add what is missing to the spec and lock again, or set conda_envs_pip_check to false",
    )


def talk(child: subprocess.Popen[bytes], text: str, seconds: float) -> tuple[str, bool]:
    """Give a child its input and take its output; after `seconds` end it with all its children."""
    try:
        out, _ = child.communicate(text.encode(), timeout=seconds)
        return out.decode(errors="replace"), False
    except subprocess.TimeoutExpired:
        end(child)
        out, _ = child.communicate()
        return out.decode(errors="replace"), True


def end(child: subprocess.Popen[bytes]) -> None:
    """End a child that leads a group of its own, with all that it started."""
    with contextlib.suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
