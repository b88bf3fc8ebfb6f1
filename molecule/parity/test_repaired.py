"""Hosts that were converged after the damage: in sync again, and their processes still run."""

from __future__ import annotations

import pytest

from tests.support.fleet_hosts import ROOT, Fleet


def test_audit_of_the_repaired_hosts_proves_parity(fleet: Fleet) -> None:
    assert fleet.audit("-e", "depth=hashes", rc=0)["proven"]


@pytest.mark.parametrize("host", ["dev-m", "test-m", "prod-m"])
def test_processes_of_the_damaged_environment_finish(fleet: Fleet, host: str) -> None:
    fleet.run(host, "touch /tmp/late-go; for i in $(seq 1200); do [ -s /tmp/late-told ] && break; sleep 0.1; done")
    told = fleet.run(host, "cat /tmp/late-told")
    assert told.startswith(f"late imports and a child, all from {ROOT}/generations/train/"), told
