"""playbooks/promote.yml as people run it, and as much of playbooks/rollback.yml as needs no host."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import CHECKOUT
from tests.support.promotion_samples import Site


class Play:
    """A site, and its playbooks run against it."""

    def __init__(self, folder: Path) -> None:
        self.site, self.folder = Site(folder), folder
        self.fresh()
        tiers: dict[str, Any] = {}
        for name, host in self.site.hosts.items():
            group = tiers.setdefault(host.tier, {"hosts": {}, "vars": {"lockstep_tier": host.tier}})
            group["hosts"][name] = {"lockstep_envs": list(host.envs)}
        variables = {
            "lockstep_tiers": ["dev", "test", "prod"], "lockstep_locks_dir": "{{ inventory_dir }}/locks",
            "lockstep_reports_dir": str(folder), "lockstep_channels": ["conda-forge"], "ansible_host": "192.0.2.1",
        }  # fmt: skip
        (folder / "hosts.json").write_text(json.dumps({"all": {"vars": variables, "children": tiers}}))

    def fresh(self) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.site.write(self.site.audit(at=now))

    def run(self, playbook: str, *arguments: str) -> tuple[int, str]:
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(self.folder / "hosts.json"),
                   f"playbooks/{playbook}.yml", *arguments]  # fmt: skip
        env = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "False"}
        done = subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=120)
        output = done.stdout + done.stderr
        assert "Traceback" not in output
        return done.returncode, output


@pytest.fixture
def play(tmp_path: Path) -> Play:
    return Play(tmp_path)


def test_promotion_is_checked_made_and_rolled_back(play: Play) -> None:
    site, words = play.site, ("-e", "from=dev", "-e", "to=test")
    before = site.files()
    code, output = play.run("promote", *words, "--check", "--diff")
    assert code == 0 and "~ zlib 1.3 -> 1.4" in output and "changed=1" in output and site.files() == before
    code, output = play.run("promote", *words, "--limit", "prod-1")
    assert code == 0 and "held by 2 hosts of dev" in output and site.has("test") == site.new, "a limit limits nothing"
    assert site.provenance_of("test") and site.has("test", previous=True) == site.old
    code, output = play.run("promote", *words)
    assert code == 0 and "changed=0" in output and "there already" in output

    code, output = play.run("promote", "-e", "from=test", "-e", "to=prod", "-e", "env=train")
    assert code == 2 and "test-1: train: it held " in output and site.has("prod") == site.old
    play.fresh()
    code, output = play.run("promote", "-e", "from=test", "-e", "to=prod", "-e", "env=train")
    assert code == 0 and site.has("prod") == site.new and site.has("prod", "serve") == site.old


def test_refusals_end_the_run(play: Play) -> None:
    before = play.site.files()
    code, output = play.run("promote")
    assert code == 2 and "a tier: it is not named -> name two of dev -> test -> prod" in output
    for hours in ("nan", "0", "1e300"):
        code, output = play.run(
            "promote", "-e", "from=dev", "-e", "to=test", "-e", f"lockstep_promote_max_age_hours={hours}"
        )
        assert code == 2 and f"lockstep_promote_max_age_hours is {float(hours):g}: give a number of hours" in output
    play.site.report.unlink()
    code, output = play.run("promote", "-e", "from=dev", "-e", "to=test", "--check")
    assert code == 2 and "there is no audit report -> run playbooks/audit.yml" in output
    assert play.site.files() == before


def test_rollback_with_invalid_extra_variables_is_refused(play: Play) -> None:
    before = play.site.files()
    code, output = play.run("rollback")
    assert code == 2 and "no tier is named; name one of dev, test, prod" in output
    code, output = play.run("rollback", "-e", "env=train", "-e", "tier=prod", "--limit", "prod-1")
    assert code == 2 and "leave --limit out" in output
    code, output = play.run("rollback", "-e", "env=notebook", "-e", "tier=prod")
    assert code == 2 and "no host of prod is declared to hold notebook" in output
    assert play.site.files() == before


def test_promotion_with_an_inventory_without_hosts_is_refused(play: Play) -> None:
    (play.folder / "hosts.json").write_text('{"all": {}}')
    for playbook in ("promote", "rollback"):
        code, output = play.run(playbook, "-e", "from=dev", "-e", "to=test")
        assert code == 2 and "The inventory has no hosts" in output
