"""Each benchmark in its smallest size still works and prints what it measures. Times are never compared."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.pulumi_engine.ensure import ensure
from local.pulumi_engine.places import EngineError

HERE = Path(__file__).parent
NUMBER = r" +\d+\.\d+"
SMOKE = {
    "build": [
        rf"^{label}{NUMBER} s {NUMBER} CPU-s  +\d+ MB"
        for label in (
            "bare py-rattler, cold",
            "byte-compiling alone",
            "stage, cold",
            "bare py-rattler, warm",
            "cp -al of it",
            "stage, warm, a sibling's .pyc",
            "stage, nothing to do",
        )
    ]
    + [rf"^cold / \(py-rattler \+ compiling\){NUMBER}$"],
    "audit_controller": [
        r"^observation: \d+ bytes in order, \d+ bytes drifted; 5 environments$",
        rf"^   10 hosts:{NUMBER} s wall,{NUMBER} s CPU, 15 locks read$",
        rf"^   20 hosts:{NUMBER} s wall,{NUMBER} s CPU, +\d+ MB, page{NUMBER} MB$",
        rf"one bare task on the same hosts:{NUMBER} s wall",
        rf"^growth: 2 times the hosts,{NUMBER} times the time$",
    ],
    "lock_time": [
        "^environment +platforms +packages +bare solve +lock, first +ratio +lock, again +ratio +peak MB +goal$",
        rf"^a few tools +1 +3{NUMBER} s{NUMBER} s{NUMBER}{NUMBER} s{NUMBER} +\d+{NUMBER} s$",
    ],
    "pulumi_preview": [
        rf"^ +2  {name} +{NUMBER}{NUMBER}  \d+ \(.*engine \d+.*\)$"
        for name in ("empty components", "plain instances", "the cluster")
    ],
}
ON_A_FLEET = {"site_noop"}  # molecule's scenario `parity` runs it


def test_every_benchmark_has_a_smoke_size() -> None:
    assert {path.stem for path in HERE.glob("*.py") if path != Path(__file__)} == set(SMOKE) | ON_A_FLEET


@pytest.mark.parametrize("name", SMOKE)
def test_a_smoke_run_ends_well_and_prints_what_it_measured(name: str) -> None:
    if name == "pulumi_preview":
        try:
            ensure()
        except EngineError as error:
            pytest.skip(f"no Pulumi engine: {error}")
    command = [sys.executable, str(HERE / f"{name}.py"), "--smoke"]
    done = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for key in SMOKE[name]:
        assert re.search(key, done.stdout, re.MULTILINE), f"{key} is not in:\n{done.stdout}"


def test_a_benchmark_without_its_data_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCKSTEP_CONDA_FORGE_SUBSET", raising=False)
    done = subprocess.run([sys.executable, str(HERE / "lock_time.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "LOCKSTEP_CONDA_FORGE_SUBSET" in done.stderr
