"""Whether a real conda took part; one line says so where none did, in place of one for each check."""

from __future__ import annotations

import os
import subprocess

import pytest


def test_every_check_ran_against_a_real_conda_too() -> None:
    exe = os.environ.get("LOCKSTEP_REAL_CONDA")
    if not exe:
        pytest.skip("LOCKSTEP_REAL_CONDA is not set: the checks ran against the fake alone")
    told = subprocess.run([exe, "--version"], capture_output=True, text=True, check=True).stdout
    assert told.startswith("conda ") and "fake" not in told
