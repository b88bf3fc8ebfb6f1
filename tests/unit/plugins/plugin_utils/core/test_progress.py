"""Progress of a long build: written to the lock's file on the host, read and shown by the controller."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import install_child
from ansible_collections.lockstep.fleet.plugins.module_utils.host import flock
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core.progress import activity, line, watch

from tests.support.lock_samples import lock, package
from tests.support.paths import CHECKOUT

SIGN = json.dumps({"pid": 7, "since": 1, "what": "build", "doing": "has 120 of 308 packages, 1204 MB fetched"})


class TestLockFile:
    def test_names_what_its_holder_does_until_release(self, tmp_path: Path) -> None:
        path = tmp_path / "train.lock"
        with flock.exclusive_lock(str(path), "environment train", "build", 1) as handle:
            flock.tell(handle, "verifies every file")
            sign = json.loads(path.read_text())
            assert sign["doing"] == "verifies every file"
            assert sign["pid"] == os.getpid() and sign["what"] == "build"
            second = flock.exclusive_lock(str(path), "environment train", "build", 0)
            with pytest.raises(Problem, match=r"build, pid \d+.*\(verifies every file\)"), second:
                pass
        assert path.read_text() == ""

    def test_is_updated_by_the_rattler_runtime(self, tmp_path: Path) -> None:
        path = tmp_path / "train.lock"
        with flock.exclusive_lock(str(path), "environment train", "build", 1) as handle:
            reporter = install_child.Reporter(2, handle)
            for name in ("numpy", "scipy"):
                entry = reporter.on_populate_cache_start(0, name)
                reporter.on_download_progress(reporter.on_download_start(entry), 3_000_000, None)
                reporter.told = float("-inf")
                reporter.on_populate_cache_complete(entry, "")
            assert json.loads(path.read_text())["doing"] == "has 2 of 2 packages, 6 MB fetched, 0 linked"
            reporter.on_link_complete(0)  # within the same second: not worth a write
            assert json.loads(path.read_text())["doing"].endswith("0 linked")

    def test_that_cannot_be_written_does_not_stop_the_holder(self) -> None:
        flock.tell(-1, "x")
        install_child.Reporter(1, -1).tell()


class TestWatching:
    def test_reports_at_growing_intervals(self) -> None:
        said: list[tuple[str, float]] = []
        enough = threading.Event()

        def report(doing: str, seconds: float) -> None:
            said.append((doing, seconds))
            if len(said) == 3:
                enough.set()

        with watch(lambda: SIGN, report, 0.05):
            assert enough.wait(30)
        assert [doing for doing, _ in said[:3]] == ["has 120 of 308 packages, 1204 MB fetched"] * 3
        assert said[2][1] >= 0.05 * (1 + 1.5 + 2.25)

    def test_reads_nothing_for_short_work(self) -> None:
        asked: list[str] = []
        began = time.monotonic()

        def read() -> str:
            asked.append(SIGN)
            return SIGN

        with watch(read, lambda doing, seconds: None, 60):
            pass
        assert not asked
        assert time.monotonic() - began < 30

    def test_stops_after_a_failure_and_hides_no_error(self) -> None:
        asked = threading.Event()

        def read() -> str:
            asked.set()
            raise OSError("no route to host")

        with pytest.raises(KeyError), watch(read, lambda doing, seconds: None, 0.01):
            assert asked.wait(30)
            raise KeyError

    @pytest.mark.parametrize("sign", ["", "{", "[]", "3", '{"doing": 3}', '{"pid": 3}', '{"doing": ""}', "[" * 100000])
    def test_ignores_a_malformed_lock_file(self, sign: str) -> None:
        assert activity(sign) == ""

    def test_shows_no_control_characters(self) -> None:
        assert activity(json.dumps({"doing": "\x1b[2Jgone"})) == " [2Jgone"

    def test_writes_lines_for_people(self) -> None:
        assert line("gpu-01", "train", "verifies every file", 14.9) == "gpu-01: train verifies every file (14 s)"
        assert line("gpu-01", "train", "is tested", 75) == "gpu-01: train is tested (1 min 15 s)"


@pytest.fixture(scope="module")
def lock_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("locks") / "train.conda-lock.yml"
    path.write_text(lock(package()).dumps())
    return path


def run_role(lock_file: Path, sign: str, progress: object, *more: str) -> subprocess.CompletedProcess[str]:
    task = {
        "name": "train", "root": "/opt/lockstep", "lock": str(lock_file), "rattler_version": "1",
        "progress": progress,
    }  # fmt: skip
    play = [{"hosts": "all", "gather_facts": False, "tasks": [{"lockstep.fleet.conda_env": task}]}]
    playbook = lock_file.with_name("play.json")
    playbook.write_text(json.dumps(play))
    hosts = {"gpu-01": {"ansible_connection": "slow", "slow_seconds": 3, "slow_sign": sign}}
    inventory = lock_file.with_name("hosts.json")
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    env = {
        **os.environ,
        "ANSIBLE_CONNECTION_PLUGINS": str(CHECKOUT / "tests/support/connection"),
        "ANSIBLE_NOCOLOR": "1",
    }
    return subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", inventory, playbook, *more],
        cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_long_build_is_reported_beside_the_results(lock_file: Path) -> None:
    done = run_role(lock_file, SIGN, 1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gpu-01: train has 120 of 308 packages, 1204 MB fetched (1 s)" in done.stderr
    assert "120 of 308" not in done.stdout  # what reads the results sees nothing new


def test_failure_of_the_progress_report_does_not_fail_the_task(lock_file: Path) -> None:
    done = run_role(lock_file, "", 1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lost" not in done.stderr


def test_progress_report_can_be_switched_off(lock_file: Path) -> None:
    done = run_role(lock_file, SIGN, 0)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "120 of 308" not in done.stderr


@pytest.mark.parametrize(("wrong", "named"), [("abc", "'abc'"), (None, "None")])
def test_invalid_number_is_refused_with_its_variable(lock_file: Path, wrong: object, named: str) -> None:
    done = run_role(lock_file, SIGN, wrong)
    assert done.returncode != 0
    assert f"conda_envs_progress_seconds is {named}" in done.stdout + done.stderr
