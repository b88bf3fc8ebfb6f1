"""playbooks/audit.yml as it is run: exit status, report, stale files, limits; hosts answer from files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible_collections.lockstep.fleet.plugins.module_utils.observe import main as observer
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import desired_state, host_files, settings

from tests.support.fake_root import FakeRoot, put, thaw
from tests.support.lock_samples import lock, package
from tests.support.paths import CHECKOUT

PLAYBOOK = Path(sys.executable).parent / "ansible-playbook"
MORE = """
- hosts: all
  gather_facts: false
  tasks:
    - lockstep.fleet.host_info:
      register: inspected
    - ansible.builtin.copy: {dest: "{{ out }}", content: "{{ inspected | to_json }}", mode: "0600"}
      delegate_to: localhost
      connection: local
"""


class Fleet:
    """Some hosts of three tiers, all in order until a test says otherwise."""

    def __init__(self, work: Path) -> None:
        self.work, self.reports, self.made = work, work / "reports", FakeRoot(work / "host", envs=())
        platform = self.made.platform
        self.locks = work / "locks"
        text = lock(package("python", "3.12.1", "h1_0", platform=platform), package(platform=platform)).dumps()
        for tier in ("dev", "prod"):
            put(self.locks / tier / ("train" + lockfile.SUFFIX), text)
        plan = lockfile.plan(lockfile.Lock.loads(text, "x"), "train", platform)
        self.made.build("train", [(p.name, p.version, p.build) for p in plan.packages], plan=plan)
        defaults = settings.role_defaults(lambda path: yaml.safe_load(Path(path).read_text()))
        wheel = defaults["conda_envs_rattler_wheels"][platform]["sha256"]
        self.made.rattler(defaults["conda_envs_rattler_version"], wheel)
        files = host_files.host_files()
        for path, file in files.items():
            put(self.made.root / path, file.text, file.mode)
        self.vars: dict[str, Any] = {
            "ansible_connection": "canned", "lockstep_root": str(self.made.root), "lockstep_envs": ["train"],
            "lockstep_tiers": ["dev", "prod"], "lockstep_locks_dir": str(self.locks),
            "lockstep_system_requirements": {"glibc": "2.17"},
            "lockstep_reports_dir": str(self.reports), "lockstep_channels": ["conda-forge"],
        }  # fmt: skip
        base = f"{self.made.root}/miniconda"
        values = {**defaults, **self.vars, "lockstep_tier": "dev"}
        values = {name: values[name] for name in desired_state.SETTINGS if name in values}
        values.update(conda_envs_root=str(self.made.root), miniconda_prefix=base, condarc_prefix=base,
                      condarc_root=str(self.made.root),
                      conda_envs_tier="dev", conda_envs_names=["train"], conda_envs_locks_dir=str(self.locks),
                      conda_envs_channels=["conda-forge"], condarc_channels=["conda-forge"],
                      condarc_channel_alias="https://conda.anaconda.org",
                      conda_clean_root=str(self.made.root))  # fmt: skip
        known = {path: (file.sha256, file.mode) for path, file in files.items()}
        self.asked = desired_state.request(desired_state.build(values, "h", None, known))
        self.good = self.answer("good")

    def answer(self, name: str) -> str:
        seen = observer.observe(self.asked)
        seen["clean"] = {"units": {}, "enabled": True, "linger": True}
        seen["unmanaged_condarc"] = []
        seen.pop("depth")  # one answer stands for several depths
        seen["machine"] = ""  # and hosts
        put(self.work / f"{name}.json", "banner of a login shell\n" + json.dumps(seen) + "\n")
        return str(self.work / f"{name}.json")

    def run(
        self, hosts: dict[str, dict[str, Any]], *extra: str, playbook: str = "playbooks/audit.yml"
    ) -> tuple[int, str, Any]:
        tiers = {name: {"lockstep_tier": name.split("-")[0], **values} for name, values in hosts.items()}
        put(self.work / "hosts.json", json.dumps({"all": {"vars": self.vars, "hosts": tiers}}))
        env = {**os.environ, "ANSIBLE_CONNECTION_PLUGINS": str(CHECKOUT / "tests/bench/connection"),
               "ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_NOCOLOR": "1"}  # fmt: skip
        command = [str(PLAYBOOK), "-i", str(self.work / "hosts.json"), playbook, *extra]
        done = subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=300)
        path = self.reports / "report.json"
        return done.returncode, done.stdout + done.stderr, json.loads(path.read_text()) if path.exists() else None


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    work = tmp_path_factory.mktemp("audit")
    yield Fleet(work)
    thaw(work)


def verdicts(report: Any) -> dict[str, str]:
    return {result["host"]: result["verdict"] for result in report["results"]}


def test_audit_in_parity_exits_0_and_shows_every_host(fleet: Fleet) -> None:
    hosts = {name: {"canned_answer": fleet.good} for name in ("dev-1", "prod-1", "prod-2")}
    status, text, report = fleet.run(hosts)
    assert status == 0, text
    assert verdicts(report) == dict.fromkeys(hosts, "parity")
    assert "3 of 3 hosts are in sync" in text
    assert text.count(fleet.made.tree("train").name) == 3
    assert "<!DOCTYPE html>" in (fleet.reports / "report.html").read_text()
    assert (fleet.reports / "observations/dev-1.json").stat().st_mode & 0o777 == 0o600


def test_audit_with_drift_exits_non_zero_and_names_it(fleet: Fleet) -> None:
    """After the run above, whose observations of all hosts lie there and must not be taken for fresh."""
    path = next((fleet.made.tree("train") / "lib/python3.12/site-packages/zlib").iterdir())
    text = path.read_text()
    path.write_text(text + "evil\n")
    bad = fleet.answer("bad")
    path.write_text(text)
    put(fleet.work / "mute.json", "Traceback (most recent call last):\n")
    away = {"reason": "new disk", "until": "2999-01-01"}
    over = {"reason": "new disk", "until": "2020-01-01"}
    status, text, report = fleet.run(
        {
            "dev-1": {"canned_answer": fleet.good, "lockstep_maintenance": over},
            "prod-1": {"canned_answer": bad},
            "prod-2": {},
            "prod-3": {"canned_answer": str(fleet.work / "mute.json")},
            "prod-4": {"lockstep_maintenance": away},
            "prod-5": {"canned_answer": fleet.good, "lockstep_tier": "{{ nowhere }}"},
            "prod-6": {"canned_answer": fleet.good, "ansible_connection": "no-such"},
        }
    )
    assert status != 0
    assert verdicts(report) == {
        "dev-1": "parity", "prod-1": "drift", "prod-2": "unknown", "prod-3": "unknown", "prod-4": "maintenance",
        "prod-5": "unknown", "prod-6": "unknown",
    }  # fmt: skip
    assert "train: lib/python3.12/site-packages/zlib/__init__.py is altered (of zlib-1.3)" in text
    assert "prod-2: host: unreachable: Failed to connect" in text
    assert "the observer gave no answer" in text
    assert "lockstep_tier cannot be templated" in text
    assert any("ended on 2020-01-01" in note["detail"] for result in report["results"] for note in result["notes"])


def test_limited_audit_is_marked_in_the_report(fleet: Fleet) -> None:
    hosts = {name: {"canned_answer": fleet.good} for name in ("dev-1", "prod-1", "prod-2")}
    status, _, report = fleet.run(hosts, "--limit", "dev-1")
    assert status == 0
    assert report["hosts"] == {"audited": 1, "total": 3, "limited": True}
    assert [(tier["tier"], tier["proven"]) for tier in report["tiers"]] == [("dev", True), ("prod", False)]


def test_audit_of_an_inventory_without_hosts_fails(fleet: Fleet) -> None:
    status, text, _ = fleet.run({})
    assert status != 0
    assert "nothing would be inspected" in text


def test_audit_with_no_host_left_by_the_limit_fails(fleet: Fleet) -> None:
    """Ansible itself ends well where --limit leaves a play no hosts."""
    hosts = {name: {"canned_answer": fleet.good} for name in ("dev-1", "prod-1")}
    here = {"localhost": {"ansible_connection": "local"}}
    for extra in (("-e", "audit_hosts=prod-1", "--limit", "dev-1"), ("--limit", "localhost")):
        status, text, _ = fleet.run({**hosts, **here}, *extra)
        assert status != 0, extra
        assert f"together with --limit {extra[-1]}: nothing would be inspected" in " ".join(text.split())


def test_audit_with_tags_or_another_strategy_omits_no_host(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_STRATEGY", "free")
    bad = {"dev-0": {"ansible_connection": "no-such", "lockstep_tiers": "{{ nowhere }}"}}
    hosts: dict[str, dict[str, Any]] = {name: {"canned_answer": fleet.good} for name in ("dev-1", "prod-1")}
    status, text, report = fleet.run({**bad, **hosts}, "--tags", "miniconda")
    assert status != 0
    assert verdicts(report) == {"dev-0": "unknown", "dev-1": "parity", "prod-1": "parity"}
    assert text.count("TASK [Write the report]") == 1
    assert "run_once with the free strategy" not in text


MEANWHILE = """
- hosts: all
  gather_facts: false
  tasks:
    - lockstep.fleet.host_info: {on_unknown: record}
    - ansible.builtin.replace:
        path: "{{ lockstep_reports_dir }}/observations/{{ inventory_hostname }}.json"
        regexp: '"run":"[^"]*"'
        replace: '"run":"another"'
      delegate_to: localhost
      connection: local
    - lockstep.fleet.audit_report:
      run_once: true
      delegate_to: localhost
"""


def test_concurrent_audits_write_separate_reports(fleet: Fleet) -> None:
    """Another run, of site.yml or an audit, inspects the hosts between this audit's inspections and its report."""
    (fleet.work / "meanwhile.yml").write_text(MEANWHILE)
    killed = fleet.reports / "running/killed"
    killed.mkdir(parents=True)
    os.utime(killed, (1, 1))
    (fleet.reports / "running/other").mkdir()
    hosts = {name: {"canned_answer": fleet.good} for name in ("dev-1", "prod-1")}
    status, text, report = fleet.run(hosts, playbook=str(fleet.work / "meanwhile.yml"))
    assert status == 0 and report["proven"], text
    assert [path.name for path in (fleet.reports / "running").iterdir()] == ["other"]


def test_audit_times_out_a_host_that_hangs(fleet: Fleet) -> None:
    """A disk that is gone holds the observer in the kernel, where no signal reaches it, and ssh stays alive."""
    put(fleet.work / "hang", "#!/bin/sh\nexec sleep 40\n", 0o755)
    hangs = {"ansible_connection": "local", "ansible_python_interpreter": str(fleet.work / "hang")}
    began = time.monotonic()
    status, text, report = fleet.run({"dev-1": {"canned_answer": fleet.good}, "prod-0": hangs}, "-e", "seconds=-57")
    assert status != 0 and time.monotonic() - began < 35
    assert verdicts(report) == {"dev-1": "parity", "prod-0": "unknown"}
    assert "not observed in this run; the run's output has the reason" in " ".join(text.split())


def test_templated_variables_reach_the_comparison(fleet: Fleet) -> None:
    hosts = {"dev-1": {"canned_answer": fleet.good, "lockstep_envs": "{{ ['train', 'ser' ~ 've'] }}"}}
    status, text, report = fleet.run(hosts)
    assert status != 0
    assert "serve" in report["envs"]
    assert "serve.conda-lock.yml cannot be read" in text


def test_site_yml_inspects_at_the_depth_at_which_it_repairs() -> None:
    """Otherwise drift that only depth hashes shows would stay: site.yml skips hosts without drift."""
    plays = yaml.safe_load((CHECKOUT / "playbooks/site.yml").read_text())
    limits = yaml.safe_load((CHECKOUT / "playbooks/vars/inspection.yml").read_text())["lockstep_inspection_seconds"]
    inspections = [
        (task["lockstep.fleet.host_info"], play["vars"])
        for play in plays
        for task in play["tasks"]
        if "lockstep.fleet.host_info" in task
    ]
    assert len(inspections) == 2
    for inspected, variables in inspections:
        for given, depth in (
            ({}, "stats"),
            ({"conda_envs_verify": "hashes"}, "hashes"),
            ({"conda_envs_verify": "stats"}, "stats"),
        ):
            chosen = jinja2.Template(variables["lockstep_inspection_depth"]).render(given)
            given = {"lockstep_inspection_depth": chosen, "lockstep_inspection_seconds": limits}
            assert jinja2.Template(inspected["depth"]).render(given) == depth
            assert jinja2.Template(inspected["seconds"]).render(given) == {"stats": "300", "hashes": "1800"}[depth]


@pytest.mark.parametrize("python", ["/usr/bin/env python3", "~/bin/python 3", "/usr/bin/python3"])
def test_interpreters_run_as_ansible_runs_them(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, python: str) -> None:
    home = fleet.work / "home"
    (home / "bin").mkdir(parents=True, exist_ok=True)
    link = home / "bin/python 3"
    if not link.is_symlink():
        link.symlink_to(sys.executable)
    monkeypatch.setenv("HOME", str(home))
    hosts = {"dev-1": {"ansible_connection": "local", "ansible_python_interpreter": python}}
    _, text, report = fleet.run(hosts)
    ran = "cannot be run" not in text
    assert ran == (python != "~/bin/python 3"), text
    assert verdicts(report) == {"dev-1": "drift" if ran else "unknown"}  # drift: nothing schedules the clean here


def test_site_yml_reports_what_it_will_change(fleet: Fleet) -> None:
    """The same action as site.yml uses it: unknown fails, drift says which roles repair it, results are small."""
    playbook = fleet.work / "inspect.yml"
    playbook.write_text(MORE)
    out = fleet.work / "out.json"
    status, text, _ = fleet.run({"dev-1": {"canned_answer": fleet.good}}, "-e", f"out={out}", playbook=str(playbook))
    assert status == 0, text
    inspected = json.loads(out.read_text())
    assert (inspected["verdict"], inspected["in_sync"], inspected["drift"], inspected["changed"]) == (
        "parity",
        True,
        [],
        False,
    )
    (fleet.made.root / "envs/train").unlink()
    bad = fleet.answer("unlinked")
    fleet.made.publish("train", f"../generations/train/{fleet.made.plans['train'].generation}")
    status, _, _ = fleet.run({"dev-1": {"canned_answer": bad}}, "-e", f"out={out}", playbook=str(playbook))
    inspected = json.loads(out.read_text())
    assert (status, inspected["verdict"], inspected["roles"]) == (0, "drift", ["conda_envs"])
    assert len(out.read_text()) < 2000
    status, text, _ = fleet.run({"dev-1": {"canned_answer": str(fleet.work / "mute.json")}}, "-e", f"out={out}",
                                playbook=str(playbook))  # fmt: skip
    assert status != 0
    assert "cannot determine whether this host is in sync" in text
