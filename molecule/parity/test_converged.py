"""Converged hosts: one digest for each environment and platform from dev to prod, and an audit that proves it."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.support.fleet_hosts import ROOT, Fleet, unchanged
from tests.support.paths import CHECKOUT


def test_every_tier_holds_the_same_digests(fleet: Fleet) -> None:
    report = fleet.audit(rc=0)
    assert report["proven"] and report["counts"]["parity"] == len(fleet.hosts)
    for env in ("serve", "tools", "train"):
        found = {d for tier in report["tiers"] for p in tier["envs"][env].values() for d in p["digests"]}
        assert len(found) == 1, f"{env}: {found}"
        links = {fleet.run(host, f"readlink {ROOT}/envs/{env}") for host in fleet.hosts}
        assert len(links) == 1 and next(iter(found))[:12] in next(iter(links))


def test_every_file_has_its_locked_checksum(fleet: Fleet) -> None:
    report = fleet.audit("-e", "depth=hashes", rc=0)
    assert report["proven"] and report["depth"] == "hashes"


def test_site_yml_skips_hosts_in_sync(fleet: Fleet) -> None:
    told = fleet.play("site.yml")
    assert unchanged(told) and "Install the rattler runtime" not in told


def test_benchmark_of_a_run_without_changes_prints_its_figures(fleet: Fleet) -> None:
    """Its times are never compared."""
    command = [sys.executable, "tests/bench/site_noop.py", fleet.inventory, "1"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for key in ("^3 hosts, ", "own start +[0-9.]+ s$", "^site.yml, nothing to do +[0-9.]+ s", "^ratio +[0-9.]+"):
        assert re.search(key, done.stdout, re.MULTILINE), f"{key} is not in:\n{done.stdout}"
