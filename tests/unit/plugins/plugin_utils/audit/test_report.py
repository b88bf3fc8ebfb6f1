"""The data of an audit's report."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.drift import UNKNOWN, Drift
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.kinds import Kind
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.render import failure_message, headline, render_html
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.report import repair_steps

from tests.support.audit_samples import audit, drift, entry


def test_fleet_in_parity_is_proven(tmp_path: Path) -> None:
    report = audit(tmp_path, entry("p1"), entry("p2"))
    assert report["proven"]
    assert report["counts"] == {"drift": 0, "unknown": 0, "maintenance": 0, "parity": 2}
    assert headline(report) == "2 of 2 hosts are in sync"
    assert report["tiers"][0]["proven"]


def test_host_with_drift_is_named_with_its_first_difference(tmp_path: Path) -> None:
    report = audit(tmp_path, entry("p1"), entry("p2", drifts=(drift(), drift(subject="base"))))
    assert not report["proven"]
    assert failure_message(report).splitlines()[1] == "p2: train: lib/x.py is missing (and 1 more)"
    assert "p1" not in failure_message(report)
    two = next(result for result in report["results"] if result["host"] == "p2")
    assert (two["envs"]["train"]["verdict"], two["around"]) == ("drift", "drift")
    assert two["repair"] == ["ansible-playbook site.yml --limit p2"]


def test_remedy_for_drift_at_depth_hashes_repairs_at_that_depth() -> None:
    one = [drift()]
    assert repair_steps("a b", one) == ["ansible-playbook site.yml --limit 'a b'"]
    assert repair_steps("h", one, "hashes") == ["ansible-playbook site.yml --limit h -e conda_envs_verify=hashes"]
    base = [Drift(Kind.BASE_NOT_FROZEN, "base", "not frozen")]
    assert repair_steps("h", base, "hashes") == ["ansible-playbook site.yml --limit h"]


def test_report_without_hosts_is_not_proven(tmp_path: Path) -> None:
    report = audit(tmp_path)
    assert not report["proven"]
    assert "no host was audited" in headline(report)
    assert not audit(tmp_path, entry("p1", maintenance={"reason": "new disk", "until": "2026-12-01"}))["proven"]


def test_host_in_maintenance_is_neither_counted_nor_a_failure(tmp_path: Path) -> None:
    away = entry("p2", drifts=(drift(),), maintenance={"reason": "new disk", "until": "2026-12-01"})
    report = audit(tmp_path, entry("p1"), away)
    assert report["proven"]
    assert report["counts"]["maintenance"] == 1
    assert "1 in maintenance, not counted" in headline(report)
    assert not report["tiers"][0]["proven"], "a tier is proven only by all of its hosts"


def test_limited_audit_is_marked(tmp_path: Path) -> None:
    report = audit(tmp_path, entry("p1"), fleet={"p1": "prod", "p2": "prod", "d1": "dev"})
    assert report["hosts"] == {"audited": 1, "total": 3, "limited": True}
    assert "2 of 3 hosts were not audited" in headline(report)
    assert [(t["tier"], t["hosts"], t["audited"], t["proven"]) for t in report["tiers"]] == [
        ("dev", 1, 0, False), ("prod", 2, 1, False),
    ]  # fmt: skip


def test_tier_without_observations_is_unknown_and_not_drift(tmp_path: Path) -> None:
    silent = entry("p2", drifts=(drift(UNKNOWN, "host"),), observation=None)
    report = audit(tmp_path, entry("p1"), silent)
    place = report["tiers"][0]["envs"]["train"]["linux-64"]
    assert (place["hosts"], place["parity"], place["drift"]) == (2, 1, 0)
    assert '<span class="say unknown">? on 1 of 2' in render_html(report)
    report = audit(tmp_path, entry("p1"), silent, entry("p3", drifts=(drift(),)))
    assert '<span class="say drift">≠ on 1 of 3' in render_html(report)
