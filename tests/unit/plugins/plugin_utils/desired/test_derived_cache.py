"""The one cache of what is derived from locks: an answer counts for the same inputs and the same code alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import derived_cache

from tests.support.lock_samples import lock
from tests.support.paths import CHECKOUT

PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import desired_state, install_plans
lock, cache = Path(sys.argv[2]), Path(sys.argv[3])
env = desired_state.read_env(lock, "train", None, cache)
assert not env.error, env.error
print(env.platforms["linux-64"].digest, install_plans.packed_plans("train", lock, "https://a.example", None, cache))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the code that derives, which a test may alter."""
    collection = tmp_path / "code/ansible_collections/lockstep/fleet/plugins"
    shutil.copytree(CHECKOUT / "plugins", collection, ignore=shutil.ignore_patterns("__pycache__"))
    return collection


def derive(checkout: Path, path: Path, cache: Path) -> tuple[str, str]:
    """What another process makes of a lock: the digest that the audit declares, and the packed install plans."""
    command = [sys.executable, "-B", "-c", PROGRAM, str(checkout.parents[3]), str(path), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    digest, packed = done.stdout.split()
    return digest, packed


def test_an_upgrade_of_the_deriving_code_is_answered_anew(checkout: Path, tmp_path: Path) -> None:
    path, cache = tmp_path / "train.conda-lock.yml", tmp_path / "cache"
    path.write_text(lock().dumps())
    before = derive(checkout, path, cache)
    kept = {file.name: file.stat().st_mtime_ns for file in (cache / "derived").glob("*.json")}
    assert len(kept) == 2 and derive(checkout, path, cache) == before
    assert {file.name: file.stat().st_mtime_ns for file in (cache / "derived").glob("*.json")} == kept
    source = checkout / "module_utils/host/install_plan.py"
    status, text = source.stat(), source.read_text()
    source.write_text(text.replace('"variables": self.variables,', '"variable5": self.variables,'))
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))  # size and time are no identity of code
    assert source.stat().st_size == status.st_size
    after = derive(checkout, path, cache)
    assert after[0] != before[0] and after[1] != before[1]
    source.write_text(text)
    assert derive(checkout, path, cache) == before


def test_what_fails_is_not_kept_and_what_is_kept_is_swept(tmp_path: Path) -> None:
    def fail() -> Any:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        derived_cache.derived(tmp_path, ["x"], fail)
    assert derived_cache.derived(tmp_path, ["x"], lambda: {"a": [1]}) == {"a": [1]}
    assert derived_cache.derived(tmp_path, ["x"], fail) == {"a": [1]}
    (kept,) = (tmp_path / "derived").glob("*.json")
    old = time.time() - derived_cache.KEPT_SECONDS - 9
    os.utime(kept, (old, old))
    derived_cache.derived(tmp_path, ["y"], lambda: 1)
    assert not kept.exists()


def test_the_sources_hold_all_code_that_derives() -> None:
    """Every module of the project that takes part is in one of the hashed folders, the downloads' cache apart."""
    program = "import sys; sys.path.insert(0, sys.argv[1])\n" + "\n".join(
        f"import ansible_collections.lockstep.fleet.plugins.plugin_utils.desired.{name}"
        for name in ("desired_state", "install_plans")
    )
    program += "\nprint(*(m for m in sys.modules if '.lockstep.fleet.plugins.' in m))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(CHECKOUT / "collections")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    modules = [name.split(".fleet.plugins.")[1].replace(".", "/") for name in done.stdout.split()]
    outside = [name for name in modules if name.count("/") > 1 and not name.startswith(derived_cache.SOURCES)]
    assert outside and all(name.startswith("plugin_utils/net/") for name in outside), outside
