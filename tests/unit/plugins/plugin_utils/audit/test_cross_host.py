"""Comparison of hosts with each other, and of the locks of tiers."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.cross_host import compare_tiers
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.render import failure_message
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired.model import LockedEnv

from tests.support.audit_samples import A, B, audit, entry


def test_different_contents_under_one_digest_are_drift_of_the_minority(tmp_path: Path) -> None:
    minority = entry("p3", envs={"train": (A, "d" * 64)})
    report = audit(tmp_path, entry("p1"), entry("p2"), minority)
    assert [r["host"] for r in report["results"] if r["verdict"] == "drift"] == ["p3"]
    assert "under the same digest" in failure_message(report)
    tie = audit(tmp_path, entry("p1"), minority)
    assert tie["counts"]["drift"] == 2


def test_two_names_of_one_machine_are_unknown(tmp_path: Path) -> None:
    """prod-2 has prod-1's address, so prod-2 was not inspected."""
    many = [entry(name) for name in ("p1", "p2", "p3", "p4", "p5")]
    for item, machine in zip(many, ("m1", "m1", "m3", "", ""), strict=True):
        item["observation"]["machine"] = machine
    report = audit(tmp_path, *many)
    assert {r["host"]: r["verdict"] for r in report["results"]} == {
        "p1": "unknown", "p2": "unknown", "p3": "parity", "p4": "parity", "p5": "parity",
    }  # fmt: skip
    assert not report["proven"]
    assert "p1: host: it answered from the same machine and folder as p2" in failure_message(report)


def test_contents_are_compared_across_tiers_but_not_across_roots(tmp_path: Path) -> None:
    other = entry("d1", tier="dev", envs={"train": (A, "d" * 64)})
    assert not audit(tmp_path, entry("p1"), entry("p2"), other)["proven"]
    other["declared"]["root"] = "/srv/lockstep"
    assert audit(tmp_path, entry("p1"), entry("p2"), other)["proven"]


def test_differences_between_tiers_are_reported_and_are_no_drift() -> None:
    one = {"linux-64": LockedEnv(A, (("numpy", "2.1.0", "0"), ("zlib", "1", "0")))}
    two = {"linux-64": LockedEnv(B, (("numpy", "2.0.0", "0"),))}
    found = compare_tiers(["dev", "test", "prod"], {("dev", "t"): one, ("test", "t"): two, ("prod", "t"): two})
    assert [(d["from"], d["to"], d["changes"]) for d in found] == [
        ("dev", "test", ["numpy 2.0.0 instead of 2.1.0", "zlib 1 is missing"])
    ]
