"""A new lock from dev to prod and back while jobs run; the tests depend on each other in this order."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from typing import Any

import pytest

from tests.support.fleet_hosts import ROOT, Fleet
from tests.support.paths import CHECKOUT

STATE = CHECKOUT / ".lockstep/promotion"
LOCKS = STATE / "locks"
SPECS = ("-e", f"lockstep_envs_dir={STATE}/specs")


class Site(Fleet):
    """The hosts of this scenario; the time of each playbook run is printed."""

    def __init__(self) -> None:
        super().__init__("promotion")

    def play(self, *arguments: str, rc: int | None = 0) -> str:
        started = time.monotonic()
        said = re.sub(r"\x1b\[[0-9;]*m", "", super().play(*arguments, *SPECS, rc=rc))  # Molecule turns colours on
        words = " ".join(item for item in arguments if not item.startswith("lockstep_"))
        print(f"\n{time.monotonic() - started:6.1f} s  {words}{' (refused)' if rc else ''}", flush=True)
        return said

    def live(self, host: str) -> str:
        return self.run(host, f"readlink {ROOT}/envs/train").strip().rsplit("/", 1)[1]

    def job(self, host: str, flag: str) -> subprocess.Popen[str]:
        """Start a job by lockstep-run that imports late, once its flag file is removed."""
        return self.start_late_imports(host, flag, f"exec {ROOT}/bin/lockstep-run train python")


def lock(tier: str, folder: str = "") -> bytes:
    return (LOCKS / tier / folder / "train.conda-lock.yml").read_bytes()


def provenance(tier: str) -> Any:
    return json.loads((LOCKS / tier / "train.provenance.json").read_text())


@pytest.fixture(scope="module")
def site() -> Site:
    return Site()


@pytest.fixture(scope="module")
def names(site: Site) -> dict[str, str]:
    """The generation that all tiers hold at first; later the new one."""
    return {"old": site.live("prod-p")}


def test_new_lock_goes_live_on_dev_only(site: Site, names: dict[str, str]) -> None:
    shutil.copy(CHECKOUT / "local/envs/train.yml", STATE / "specs/train.yml")
    site.play("playbooks/lock.yml", "-e", "env=train", "-e", "upgrade=true")
    site.play("site.yml", "--limit", "dev")
    names["new"] = site.live("dev-p")
    assert names["new"] != names["old"]


def test_promotion_without_an_accepted_report_is_refused(site: Site) -> None:
    before = lock("test")
    way = ("playbooks/promote.yml", "-e", "from=dev", "-e", "to=test")
    (STATE / "reports/report.json").unlink(missing_ok=True)
    assert "there is no audit report" in site.play(*way, rc=2)
    site.audit("--limit", "dev", rc=0)
    assert "it leaves out 2 hosts" in site.play(*way, rc=2)
    site.audit("-e", "depth=names", rc=0)
    assert "depth names does not inspect enough" in site.play(*way, rc=2)
    f = f"{ROOT}/envs/train/lib/python3.12/site-packages/numpy/version.py"
    site.run("dev-p", f"cp -p {f} /tmp/kept; chmod u+w {f}; echo '#' >> {f}")
    site.audit(rc=2)
    said = site.play(*way, rc=2)
    assert "dev-p: drift: train: " in said and "numpy/version.py" in said
    site.play("site.yml", "--limit", "dev")
    assert "dev to prod: a lock goes from a tier to the next one" in site.play(*way[:-1], "to=prod", rc=2)
    assert lock("test") == before


def test_promotion_from_dev_to_prod_keeps_a_running_job(site: Site, names: dict[str, str]) -> None:
    job = site.job("prod-p", "/tmp/late-1")
    site.audit(rc=0)
    way = ("playbooks/promote.yml", "-e", "from=dev", "-e", "to=test")
    before = lock("test")
    assert "~ numpy 2.2.4 -> " in site.play(*way, "--check", "--diff") and lock("test") == before
    site.play(*way)
    assert lock("test") == lock("dev") and lock("test", "previous") == before
    site.play("site.yml", "--limit", "test")
    site.audit(rc=0)
    site.play("playbooks/promote.yml", "-e", "from=test", "-e", "to=prod")
    assert lock("prod") == lock("dev") and provenance("prod")["promotion"]["from"] == "test"
    site.play("site.yml", "--limit", "prod")
    assert site.audit(rc=0)["rollbacks"] == []
    assert {site.live(host) for host in ("dev-p", "test-p", "prod-p")} == {names["new"]}
    assert f"/generations/train/{names['old']}/" in site.finish_late_imports("prod-p", "/tmp/late-1", job)


def test_rollback_and_its_reversal_keep_a_running_job(site: Site, names: dict[str, str]) -> None:
    job = site.job("prod-p", "/tmp/late-2")
    way = ("playbooks/rollback.yml", "-e", "env=train", "-e", "tier=prod")
    before = lock("prod")
    said = site.play(*way, "--check", "--diff")
    assert " -> 2.2.4" in said and "+numpy 2.2.4 " in said, said
    assert lock("prod") == before and site.live("prod-p") == names["new"]

    site.play(*way, "-e", '{"reason": "loss diverges"}')
    assert site.live("prod-p") == names["old"] and lock("prod", "previous") == before
    assert "changed=0" in (said := site.play("site.yml")) and "changed=1" not in said
    report = site.audit(rc=0)
    assert [(item["tier"], item["env"], item["reason"]) for item in report["rollbacks"]] == [
        ("prod", "train", "loss diverges")
    ]

    site.play(*way)
    assert site.live("prod-p") == names["new"] and lock("prod") == before
    assert site.audit(rc=0)["rollbacks"] == [] and provenance("prod")["promotion"]["from"] == "test"
    site.play(*way, "-e", f"to={names['new']}")
    assert site.live("prod-p") == names["new"], "with a digest it is idempotent"
    assert f"/generations/train/{names['new']}/" in site.finish_late_imports("prod-p", "/tmp/late-2", job)


def test_rollback_from_the_hosts_records(site: Site, names: dict[str, str]) -> None:
    shutil.rmtree(LOCKS / "prod/previous")
    way = ("playbooks/rollback.yml", "-e", "env=train", "-e", "tier=prod")
    before = lock("prod")
    assert " -> 2.2.4" in site.play(*way, "--check", "--diff") and lock("prod") == before
    assert "made again from the hosts' own records" in " ".join(site.play(*way).split())
    assert site.live("prod-p") == names["old"] and lock("prod", "previous") == before
    assert site.audit(rc=0)["proven"]


def test_rollback_builds_a_removed_generation(site: Site, names: dict[str, str]) -> None:
    site.run("test-p", f"{ROOT}/bin/lockstep-clean --min-age-days 0 --keep-previous 0")
    assert names["old"] not in site.run("test-p", f"ls {ROOT}/generations/train")
    site.play("playbooks/rollback.yml", "-e", "env=train", "-e", "tier=test", "-e", "reason=drill")
    assert site.live("test-p") == names["old"]
    assert site.audit(rc=0)["proven"]
