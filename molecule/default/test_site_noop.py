"""The benchmark of a run without changes still works; its times are never compared."""

from __future__ import annotations

import re
import subprocess
import sys

from checks import CHECKOUT, INVENTORY


def test_the_benchmark_runs_and_prints_what_it_measures() -> None:
    command = [sys.executable, "tests/bench/site_noop.py", INVENTORY, "1"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for key in ("^3 hosts, ", "own start +[0-9.]+ s$", "^site.yml, nothing to do +[0-9.]+ s", "^ratio +[0-9.]+"):
        assert re.search(key, done.stdout, re.MULTILINE), f"{key} is not in:\n{done.stdout}"
