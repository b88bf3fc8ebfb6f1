"""A real conda with the plugin conda-lockfiles takes the committed locks as they are; nothing is fetched."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

import pytest

from tests.contract.subjects import CHECKOUT, Conda

REAL = "LOCKSTEP_REAL_CONDA"
PLATFORM = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}.get(platform.machine(), "")
LOCKS = sorted((CHECKOUT / "envs" / "locks" / "dev").glob("*.conda-lock.yml"))
ENTRY = re.compile(r"::(\S+?)==(\S+?)=(\S+?)\[md5=([0-9a-f]{32}),sha256=([0-9a-f]{64})\]")


@pytest.fixture
def real(tmp_path: Path) -> Conda:
    """The real conda, if one is given and has the plugin."""
    exe = os.environ.get(REAL)
    if not exe:
        pytest.skip(f"{REAL} is not set: conda-lockfiles was not asked")
    root = Path(exe).absolute().parents[1]
    asked = subprocess.run([root / "bin" / "python", "-c", "import conda_lockfiles"], capture_output=True, check=False)
    if asked.returncode:
        pytest.skip(f"{exe} lacks the plugin conda-lockfiles (conda install -n base conda-lockfiles)")
    solver = {"CONDA_SOLVER": os.environ["CONDA_SOLVER"]} if os.environ.get("CONDA_SOLVER") else {}
    return Conda(root, tmp_path, "real", {**solver, "CONDA_OFFLINE": "1"})


def test_conda_takes_the_committed_locks(real: Conda, tmp_path: Path) -> None:
    from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock

    seen = 0
    for path in LOCKS:
        wanted = Lock.loads(path.read_text(), str(path)).of(PLATFORM)
        if not wanted:
            continue
        done = real("create", "--dry-run", "-n", "x", "--file", path)
        assert "DryRunExit" in done.stdout + done.stderr, done.stdout + done.stderr
        found = set(ENTRY.findall(done.stdout))
        assert found == {(p.name, p.version, p.build, p.md5, p.sha256) for p in wanted}, path
        seen += 1
    assert seen or not PLATFORM

    # nothing but the file decides: what the plugin shows follows it
    altered, text = tmp_path / "x.conda-lock.yml", LOCKS[0].read_text()
    sha256 = re.findall(r"sha256: ([0-9a-f]{64})", text)[0]
    altered.write_text(text.replace(sha256, "ab" * 32))
    done = real("create", "--dry-run", "-n", "x", "--file", altered)
    assert sha256 not in done.stdout and "ab" * 32 in done.stdout
