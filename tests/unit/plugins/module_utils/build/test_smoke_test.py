"""What a finished environment must pass: tests that leave something running, say too much, or never end."""

from __future__ import annotations

import fcntl
import os
import sys
import time
import tracemalloc
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import smoke_test
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem

from tests.support.fake_root import plan_of

LONG = 60  # seconds that what is left behind would live: no test waits that long


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that has a python where an environment has it."""
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return tmp_path


def run(place: Path, smoke: str, seconds: float = 30) -> list[str]:
    """Run a smoke test there; return the notes."""
    plan = plan_of([("python", "3.12.1", "0")])._replace(variables={"MINE": "1"}, smoke=smoke)
    notes: list[str] = []
    with smoke_test.run_smoke_test(plan, str(place), sys.executable, False, seconds, notes):
        pass
    return notes


def gone(pid: int) -> bool:
    """Return whether a process has ended (its parent, init, may not have reaped it yet)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_what_a_test_leaves_running_is_ended_and_waited_for_by_nobody(place: Path) -> None:
    began = time.monotonic()
    run(
        place,
        f"import subprocess\np = subprocess.Popen(['sleep', '{LONG}'])\nopen('{place}/pid', 'w').write(str(p.pid))",
    )
    assert time.monotonic() - began < LONG / 2
    deadline = time.monotonic() + 10
    while not gone(int((place / "pid").read_text())) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone(int((place / "pid").read_text()))


def test_a_daemon_that_keeps_the_output_open_holds_up_nobody(place: Path) -> None:
    began = time.monotonic()
    code = f"import subprocess\np = subprocess.Popen(['sleep', '{LONG}'], start_new_session=True)\n"
    run(place, code + f"open('{place}/pid', 'w').write(str(p.pid))")
    try:
        assert time.monotonic() - began < LONG / 2
    finally:
        os.kill(int((place / "pid").read_text()), 9)


def test_a_forked_daemon_keeps_no_lock(place: Path) -> None:
    handle = os.open(place / "lock", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(handle, True)
    fcntl.flock(handle, fcntl.LOCK_EX)
    run(place, f"import os, time\npid = os.fork()\nif pid:\n    open('{place}/pid', 'w').write(str(pid))\n"
               f"else:\n    os.setsid()\n    time.sleep({LONG})")  # fmt: skip
    os.close(handle)
    other = os.open(place / "lock", os.O_RDWR)
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(other)
        os.kill(int((place / "pid").read_text()), 9)


def test_of_much_output_the_end_is_kept(place: Path) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Problem, match=r"it ended with 7: .*the last word"):
            run(place, "import sys\nprint(('x' * 100 + chr(10)) * 500000 + 'the last word')\nsys.exit(7)")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_one_that_does_not_end_is_ended_and_named(place: Path) -> None:
    with pytest.raises(Problem, match=r"the smoke test failed.*it took longer than 1 s: soon"):
        run(place, f"import time\nprint('soon', flush=True)\ntime.sleep({LONG})", 1)


def test_silence_is_said(place: Path) -> None:
    with pytest.raises(Problem, match="it ended with -11, and said nothing"):
        run(place, "import os\nos.kill(os.getpid(), 11)")


def test_the_input_ends_after_the_program(place: Path) -> None:
    assert run(place, "import sys, os\nassert sys.stdin.read() == '' and os.environ['MINE'] == '1'") == []


def test_has_the_variables_that_packages_bring_and_the_specs_before_them(place: Path) -> None:
    folder = place / "etc/conda/env_vars.d"
    folder.mkdir(parents=True)
    (folder / "x.json").write_text('{"THEIRS": "2", "MINE": "3"}')
    assert run(place, "import os\nassert (os.environ['THEIRS'], os.environ['MINE']) == ('2', '1')") == []
