"""``python -m local.suite NAME...``: run suites of tests one after the other, and end with one line of counts.

A suite is a folder of pytest tests, the Molecule scenarios, or the linters.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local.fleet import paths

ROOT = paths.CHECKOUT
LOGS = ROOT / ".lockstep" / "log"
BIN = Path(sys.executable).parent


@dataclass
class Count:
    """The counts of a suite."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def call(*argv: str | Path, **environment: str) -> int:
    """Run a command in the checkout with our tools first on PATH; return its exit code."""
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [str(a) for a in argv]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, check=False, env={**os.environ, "PATH": path, **environment}
    )
    return done.returncode


def counted(report: Path) -> Count:
    """Return the counts in a JUnit report; a missing or malformed report is one failure."""
    try:
        suites = ElementTree.parse(report).getroot().iter("testsuite")
    except (OSError, ElementTree.ParseError):
        return Count(failed=1)
    total = Count()
    for suite in suites:
        number = {key: int(suite.get(key, "0")) for key in ("tests", "failures", "errors", "skipped")}
        bad = number["failures"] + number["errors"]
        total += Count(number["tests"] - bad - number["skipped"], bad, number["skipped"])
    return total


def pytest(folder: str) -> Count:
    """Run a folder of tests; a folder in which pytest finds no test is a failure."""
    report = LOGS / f"{Path(folder).name}.xml"
    report.unlink(missing_ok=True)
    code = call(BIN / "python", "-m", "pytest", "-q", "--durations=5", f"--junitxml={report}", folder)
    count = counted(report)
    if code not in (0, 1) and not count.failed:  # interrupted, or not one test was collected
        count.failed += 1
    return count


def sanity() -> Count:
    """Run ansible-test's sanity tests on the installed collection."""
    report = LOGS / "sanity.xml"
    report.unlink(missing_ok=True)
    code = call(BIN / "python", "tests/sanity/run.py", report)
    count = counted(report)
    if code and not count.failed:
        count.failed += 1
    return count


def linters() -> dict[str, list[str]]:
    """Return the command of each linter; it gets the files that git knows, so ignored files are not linted."""
    known = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [f for f in known.stdout.splitlines() if (ROOT / f).is_file() and not f.startswith("collections/")]
    shell = [
        f for f in files if (ROOT / f).read_bytes().startswith((b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash"))
    ]
    return {
        "ruff": ["ruff", "check", "--quiet", "."],
        "mypy": ["mypy", "--exclude", r"\.smoke\.py$", "local", "infra", "plugins"],
        "yamllint": ["yamllint", "--strict", *[f for f in files if f.endswith((".yml", ".yaml"))]],
        "import-linter": ["lint-imports"],
        "ansible-lint": ["ansible-lint", "--offline", "-q"],
        "shellcheck": ["shellcheck", *sorted(shell)],
    }


def lint() -> Count:
    """Run every linter, also after one that found something."""
    total = Count()
    for name, command in linters().items():
        started = time.monotonic()
        if shutil.which(command[0], path=f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}") is None:
            print(f"lint: {name} is not installed (run: make setup)")
            total += Count(failed=1)
            continue
        code = call(*command, PYTHONPATH=str(ROOT))
        print(
            f"lint: {name} {'ok' if code == 0 else 'found something'} ({time.monotonic() - started:.0f} s)", flush=True
        )
        total += Count(passed=1) if code == 0 else Count(failed=1)
    return total


def molecule() -> Count:
    """Run every scenario; keep the hosts of a failed one only if asked for."""
    total = Count()
    keep = ["--destroy=never"] if os.environ.get("KEEP") else []
    for scenario in sorted((ROOT / "molecule").glob("*/molecule.yml")):
        name = scenario.parent.name
        started = time.monotonic()
        code = call("molecule", "test", "--scenario-name", name, *keep)
        print(f"molecule: {name} {'ok' if code == 0 else 'failed'} ({time.monotonic() - started:.0f} s)", flush=True)
        total += Count(passed=1) if code == 0 else Count(failed=1)
    return total


def bench() -> Count:
    """Run every script of tests/bench; a script that misses a goal exits non-zero."""
    total = Count()
    for script in sorted((ROOT / "tests" / "bench").glob("*.py")):
        if script.name.startswith("test_"):
            continue
        print(f"bench: {script.stem}", flush=True)
        code = call(BIN / "python", script)
        total += Count(passed=1) if code == 0 else Count(failed=1)
    return total


SUITES: dict[str, Callable[[], Count]] = {
    "lint": lint,
    "sanity": sanity,
    "unit": lambda: pytest("tests/unit"),
    "integration": lambda: pytest("tests/integration"),
    "contract": lambda: pytest("tests/contract"),
    "pulumi": lambda: pytest("tests/pulumi"),
    "molecule": molecule,
    "faults": lambda: pytest("tests/faults"),
    "bench-smoke": lambda: pytest("tests/bench"),
    "bench": bench,
}


def main(names: list[str]) -> int:
    """Run the named suites; exit code 0 only when something ran and nothing failed."""
    unknown = [name for name in names if name not in SUITES]
    if unknown or not names:
        print(
            f"error: no suite {', '.join(unknown) or '(none named)'}\n  there are: {', '.join(SUITES)}", file=sys.stderr
        )
        return 2
    LOGS.mkdir(parents=True, exist_ok=True)
    total, rows = Count(), []
    for name in names:
        print(f"==> {name}", flush=True)
        started = time.monotonic()
        count = SUITES[name]()
        rows.append(f"  {name:<11} {time.monotonic() - started:6.0f} s  {count}")
        total += count
    print("\n" + "\n".join(rows) + f"\n\n{total}")
    return 0 if total.passed and not total.failed else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
