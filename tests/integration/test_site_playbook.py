"""The order of the plays of playbooks/site.yml and the hosts that each play skips; the roles are stubs."""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.paths import CHECKOUT

HOSTS = ("a", "b", "c", "d", "agrees", "away")
VERDICTS = {"agrees": "parity", "away": "maintenance"}


def stub(task: dict[str, Any], play: str) -> dict[str, Any]:
    """The same task with a stub for a role or an inspection; the stub prints which host reached it."""
    made = copy.deepcopy(task)
    if "lockstep.fleet.host_info" in made:
        del made["lockstep.fleet.host_info"]
        made.pop("register", None)
        verdict = "{{ verdicts[inventory_hostname] | default('drift') }}"
        if "fail_on_drift" not in str(task):
            made["ansible.builtin.set_fact"] = {"lockstep_inspected": {"verdict": verdict}}
            return made
    elif "ansible.builtin.import_role" not in made:
        return made
    else:
        del made["ansible.builtin.import_role"]
    if "Stage" in play:
        made["ansible.builtin.raw"] = "test {{ inventory_hostname }} != {{ broken }}"
    else:
        made["ansible.builtin.debug"] = {"msg": f"{play.split()[0]}: {{{{ inventory_hostname }}}}"}
    return made


class Run:
    """One run with stubs: the hosts that were activated and verified, and the output."""

    def __init__(self, folder: Path, *arguments: str, broken: str = "none") -> None:
        plays = yaml.safe_load((CHECKOUT / "playbooks" / "site.yml").read_text())
        for play in plays:
            play["tasks"] = [stub(task, play["name"]) for task in play["tasks"]]
        shutil.copytree(CHECKOUT / "playbooks" / "vars", folder / "vars")
        (folder / "site.yml").write_text(yaml.safe_dump(plays, sort_keys=False))
        hosts = {name: {"ansible_connection": "local"} for name in HOSTS}
        hosts["c"] = {"ansible_host": "127.0.0.1", "ansible_port": 9} if broken == "unreachable" else hosts["c"]
        variables = {"verdicts": VERDICTS, "broken": broken}
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": variables}}))
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(folder / "hosts.yml"),
                   str(folder / "site.yml"), *arguments]  # fmt: skip
        environment = {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        self.code, self.output = done.returncode, done.stdout + done.stderr
        self.words = " ".join(self.output.split())
        assert "Traceback" not in self.output
        self.activated = [name for name in HOSTS if f"Activate: {name}" in self.output]
        self.verified = [name for name in HOSTS if f"Verify: {name}" in self.output]


@pytest.mark.parametrize("wave", [(), ("-e", "lockstep_wave=2")], ids=["at once", "waves"])
@pytest.mark.parametrize("broken", ["b", "unreachable"])
def test_host_that_fails_to_build_does_not_stop_the_others(tmp_path: Path, broken: str, wave: tuple[str, ...]) -> None:
    run = Run(tmp_path, *wave, broken=broken)
    rest = [name for name in "abcd" if name != {"unreachable": "c"}.get(broken, broken)]
    assert run.code != 0 and run.activated == run.verified == rest, run.output
    assert f"updated: 3 ({', '.join(rest)}) failed, see above: 1 (" in run.words


@pytest.mark.parametrize("broken", ["b", "unreachable"])
def test_all_or_none_aborts_activation_unless_every_host_is_staged(tmp_path: Path, broken: str) -> None:
    run = Run(tmp_path, "-e", "lockstep_all_or_none=true", "-e", "lockstep_wave=2", broken=broken)
    name = {"unreachable": "c"}.get(broken, broken)
    assert run.code != 0 and run.activated == run.verified == []
    assert f"lockstep_all_or_none is set and 1 hosts are not staged: {name}." in " ".join(run.output.split())


def test_all_or_none_activates_when_every_host_is_ready(tmp_path: Path) -> None:
    run = Run(tmp_path, "-e", "lockstep_all_or_none=true", "--limit", "a:c:agrees:away", broken="b")
    assert run.code == 0 and run.activated == run.verified == ["a", "c"]
    said = "in sync, skipped: 1 of 4 hosts in maintenance, skipped: 1 updated: 2 (a, c)"
    assert said in run.words and "failed, see" not in run.words


def test_summary_in_check_mode_says_what_would_change(tmp_path: Path) -> None:
    run = Run(tmp_path, "--check", "--limit", "a:b:agrees")
    assert "in sync, skipped: 1 of 3 hosts to be updated: 2 (a, b)" in run.words
    assert "in maintenance, skipped" not in run.words


def test_playbooks_use_no_template_in_a_keyword_that_ansible_takes_literally() -> None:
    for path in (CHECKOUT / "playbooks").glob("*.yml"):
        for play in yaml.safe_load(path.read_text()):
            assert not isinstance(play.get("any_errors_fatal"), str), path


def test_run_ends_after_a_wave_in_which_every_host_failed(tmp_path: Path) -> None:
    run = Run(tmp_path, "-e", "lockstep_wave=1", broken="a")
    assert run.code != 0 and run.activated == [] and "Record that the host is staged" not in run.output
