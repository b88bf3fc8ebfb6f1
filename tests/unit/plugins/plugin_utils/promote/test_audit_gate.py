"""The audit gate: each refusal with its host, reason and remedy."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote import audit_gate
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote.promotion import HostOf, promote

from tests.support.altered import altered
from tests.support.promotion_samples import NOW, P, Site, digest, result, text, told


def test_missing_report_is_refused(site: Site) -> None:
    site.report.unlink()
    said = told(site)
    assert "there is no audit report -> run playbooks/audit.yml" in said


@pytest.mark.parametrize(
    ("change", "words", "remedy"),
    [
        ({"at": (NOW - datetime.timedelta(hours=25)).isoformat()}, "it is 25.0 hours old; 24 are allowed",
         "lockstep_promote_max_age_hours"),
        ({"at": (NOW + datetime.timedelta(hours=1)).isoformat()}, "it is from the future", "set the clocks"),
        ({"hosts": {"audited": 4, "total": 9, "limited": True}}, "it leaves out 5 hosts",
         "without --limit"),
        ({"depth": "names"}, "depth names does not inspect enough", "at depth stats or hashes"),
    ],
)  # fmt: skip
def test_old_limited_or_shallow_report_is_refused(site: Site, change: dict[str, Any], words: str, remedy: str) -> None:
    site.write(site.audit(**change))
    said = told(site)
    assert words in said and remedy in said


def test_requested_depth_is_required(site: Site) -> None:
    assert "-e depth=hashes" in told(site, depth="hashes")
    site.write(site.audit(depth="hashes"))
    assert not promote(site.settings(depth="hashes"), NOW, write=False).refusals


def drop(report: Any, key: str) -> Any:
    return {name: value for name, value in report.items() if name != key}


MALFORMED: dict[str, Callable[[Any], Any]] = {
    "not JSON": lambda r: "{",
    "nothing": lambda r: "",
    "a list": lambda r: [],
    "deep": lambda r: "[" * 100_000,
    "another schema": lambda r: r | {"schema": 2},
    "no results": lambda r: drop(r, "results"),
    "no time": lambda r: drop(r, "at"),
    "a time without zone": lambda r: r | {"at": "2026-05-04T11:00:00"},
    "a time that is none": lambda r: r | {"at": "yesterday"},
    "results of another kind": lambda r: r | {"results": ["dev-1"]},
    "a verdict of another kind": lambda r: r | {"results": [r["results"][0] | {"verdict": "fine"}]},
    "a host twice": lambda r: r | {"results": [*r["results"][:3], r["results"][0]]},
    "fewer hosts than it says": lambda r: r | {"results": r["results"][:3]},
    "unlimited with hosts left out": lambda r: r | {"hosts": {"audited": 4, "total": 9, "limited": False}},
    "maintenance without a reason": lambda r: r | {
        "results": [r["results"][0] | {"verdict": "maintenance"}, *r["results"][1:]]
    },
    "environments of another kind": lambda r: r | {"results": [r["results"][0] | {"envs": 3}, *r["results"][1:]]},
}  # fmt: skip


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_report_is_refused(site: Site, what: str) -> None:
    site.write(MALFORMED[what](site.audit()))
    said = told(site)
    assert "it is not a report of this version" in said and "run playbooks/audit.yml again" in said


@pytest.mark.parametrize("value", [None, "", "parity", "maintenance", 3, -1, True, [], ["x"], {}, {"x": 1}], ids=repr)
def test_report_with_any_value_replaced_proves_no_more_hosts(site: Site, value: Any) -> None:
    """Any value in a report is accepted or refused; there is no exception, and no more hosts than there are."""
    good = site.audit()
    hosts = {name: host.envs for name, host in site.hosts.items() if host.tier == "dev"}
    locks = {env: {P: digest(site.new, env=env)} for env in ("train", "serve")}
    asked = audit_gate.Criteria("dev", hosts, locks, datetime.timedelta(hours=24))
    for report in altered(good, value):
        site.write(report)
        try:
            found = audit_gate.evaluate(audit_gate.read(site.report), asked, NOW)
        except audit_gate.ReportError:
            continue
        if not found.refusals:
            assert found.held["train"].get(P, 0) + found.away.get("train", 0) == 2, report


def test_host_with_drift_is_refused(site: Site) -> None:
    report = site.audit()
    result(report, "dev-2").update(verdict="drift", drift=[{"subject": "train", "detail": "bin/x is missing"}])
    result(report, "dev-2")["envs"]["train"]["verdict"] = "drift"
    site.write(report)
    said = told(site)
    assert "dev-2: drift: train: bin/x is missing -> run site.yml --limit dev-2" in said and "dev-1" not in said


def test_host_with_drift_outside_environments_is_refused(site: Site) -> None:
    report = site.audit()
    drift = [{"subject": "condarc", "detail": ".condarc differs"}]
    result(report, "dev-2").update(verdict="drift", around="drift", drift=drift)
    site.write(report)
    assert "dev-2: drift: condarc: .condarc differs" in told(site)


def test_unknown_host_is_refused(site: Site) -> None:
    report = site.audit()
    drift = [{"subject": "host", "detail": "unreachable: timed out"}]
    result(report, "dev-1").update(verdict="unknown", around="unknown", drift=drift)
    for env in result(report, "dev-1")["envs"].values():
        env.update(verdict="unknown", digest="")
    site.write(report)
    said = told(site)
    assert "dev-1: unknown: host: unreachable: timed out -> make the host readable, or declare its maintenance" in said


def test_lock_made_after_the_audit_is_refused(site: Site) -> None:
    newer = text("1.5")
    site.put("dev", "train", newer)
    said = told(site)
    held, now = digest(site.new)[:12], digest(newer)[:12]
    assert f"dev-1: train: it held {held} in the audit, but the lock of dev is now {now}" in said
    assert "run site.yml --limit dev-1, then audit again" in said


def test_host_missing_from_the_report_is_refused(site: Site) -> None:
    site.hosts["dev-3"] = HostOf("dev", ("train",))
    assert "dev-3: the report does not have it -> run playbooks/audit.yml again, of the whole fleet" in told(site)


def test_host_that_changed_its_tier_is_refused(site: Site) -> None:
    site.hosts["prod-1"] = HostOf("dev", ("train",))
    assert "prod-1: the report has it in prod tier" in told(site)


def test_environment_declared_for_a_host_after_the_audit_is_refused(site: Site) -> None:
    site.hosts["dev-2"] = HostOf("dev", ("train", "serve"))
    assert "dev-2: serve: the report was made before it was declared for this host" in told(site)


def test_host_missing_from_the_inventory_is_refused(site: Site) -> None:
    report = site.audit()
    result(report, "dev-2").update(verdict="drift", around="drift", drift=[])
    site.write(report)
    del site.hosts["dev-2"]
    assert "dev-2: the report has it as not in parity, and the inventory no longer has this host" in told(site)


def test_host_with_a_platform_missing_from_the_lock_is_refused(site: Site) -> None:
    report = site.audit()
    result(report, "dev-2")["platform"] = "linux-aarch64"
    site.write(report)
    assert "dev-2: train: the lock of dev has no packages for linux-aarch64 -> lock again for that platform" in told(
        site
    )


def test_tier_with_all_hosts_in_maintenance_is_refused(site: Site) -> None:
    report = site.audit()
    for host in ("dev-1", "dev-2"):
        result(report, host).update(verdict="maintenance", maintenance={"reason": "move", "until": "2026-06-01"})
    site.write(report)
    assert "train: all hosts of dev that should hold it are in maintenance" in told(site)


def test_tier_without_hosts_is_refused(site: Site) -> None:
    site.hosts = {"prod-1": HostOf("prod", ("train",))}
    site.write(site.audit())
    assert "dev: no host of this tier is declared to hold an environment" in told(site)
    assert "dev: the inventory has no host of this tier" in told(site, envs=("train",))


def test_environment_without_a_host_is_refused(site: Site) -> None:
    site.put("dev", "notebook", site.new)
    said = told(site, envs=("notebook", "train"))
    assert "notebook: no host of dev is declared to hold it, so no audit covers its lock" in said


def test_host_in_maintenance_is_not_counted(site: Site) -> None:
    report = site.audit()
    result(report, "dev-2").update(verdict="maintenance", maintenance={"reason": "new disk", "until": "2026-06-01"})
    result(report, "dev-2")["envs"]["train"]["verdict"] = "unknown"
    site.write(report)
    assert not promote(site.settings(), NOW, write=True).refusals
    known = site.provenance_of("test")
    assert known and known["promotion"]["hosts"] == {P: 1} and known["promotion"]["maintenance"] == 1


def test_drift_of_other_tiers_is_ignored(site: Site) -> None:
    report = site.audit()
    result(report, "prod-1").update(verdict="unknown", around="unknown")
    site.write(report | {"proven": False})
    assert not promote(site.settings(), NOW, write=False).refusals
