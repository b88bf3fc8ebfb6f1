"""After the converge that followed the damage: everything is as declared, and what ran went on running."""

from __future__ import annotations

import pytest
from checks import ROOT, Fleet


def test_the_audit_is_clean_again(fleet: Fleet) -> None:
    assert fleet.audit("-e", "depth=hashes", rc=0)["proven"]


@pytest.mark.parametrize("host", ["dev-m", "test-m", "prod-m"])
def test_processes_of_the_damaged_environment_went_on(fleet: Fleet, host: str) -> None:
    fleet.run(host, "touch /tmp/late-go; for i in $(seq 1200); do [ -s /tmp/late-told ] && break; sleep 0.1; done")
    told = fleet.run(host, "cat /tmp/late-told")
    assert told.startswith(f"late imports and a child, all from {ROOT}/generations/train/"), told
