"""Break the hosts, start processes of the damaged environments, and see that an audit finds and names everything."""

from __future__ import annotations

import pytest
from checks import ROOT, Fleet
from drift import PLANTED

HOSTS = ("dev-m", "test-m", "prod-m")

LATE = """import numpy, os, pandas, sys, time
open("/tmp/late-started", "w").close()
while not os.path.exists("/tmp/late-go"):
    time.sleep(0.1)
import wave, numpy.fft, subprocess
child = subprocess.check_output([sys.executable, "-c", "import sys; print(sys.prefix)"], text=True)
print("late imports and a child, all from", child.strip(), numpy.fft.__file__)
"""


@pytest.fixture(scope="module", autouse=True)
def damaged(fleet: Fleet) -> None:
    """A process of `train` on each host, then the damage; `test_repaired.py` looks at the processes later."""
    for host in HOSTS:
        fleet.run(host, f"rm -f /tmp/late-*; cat > /tmp/late.py <<'END'\n{LATE}END")
        job = f"{ROOT}/bin/lockstep-run train python /tmp/late.py"
        fleet.run(host, f"setsid {job} > /tmp/late-told 2>&1 < /dev/null &")
        fleet.run(
            host,
            "for i in $(seq 600); do [ -e /tmp/late-started ] && exit 0; sleep 0.2; done; cat /tmp/late-told; exit 1",
        )
    for host, command, _, _ in PLANTED:
        fleet.run(host, command)


def test_an_audit_names_every_host_and_difference(fleet: Fleet) -> None:
    report = fleet.audit(rc=2)
    assert not report["proven"] and report["counts"]["drift"] == len(HOSTS)
    results = {result["host"]: result for result in report["results"]}
    missed = [
        (host, kind, words)
        for host, _, kind, words in PLANTED
        if not any(d["kind"] == kind and words in f"{d['subject']} {d['detail']}" for d in results[host]["drift"])
    ]
    shown = {host: [(d["kind"], d["detail"]) for d in result["drift"]] for host, result in results.items()}
    assert not missed, f"{missed} not among {shown}"


def test_a_host_that_cannot_be_reached_is_unknown(fleet: Fleet) -> None:
    fleet.lever("cut", "test-m")
    try:
        report = fleet.audit(rc=2)
    finally:
        fleet.lever("restore", "test-m")
    verdicts = {result["host"]: result["verdict"] for result in report["results"]}
    assert verdicts == {"dev-m": "drift", "test-m": "unknown", "prod-m": "drift"}


def test_check_mode_tells_and_changes_nothing(fleet: Fleet) -> None:
    told = fleet.play("site.yml", "--check", "--diff", "--limit", "prod")
    assert "-channels: [defaults]" in told
    assert "defaults" in fleet.run("prod-m", f"cat {ROOT}/miniconda/.condarc")
