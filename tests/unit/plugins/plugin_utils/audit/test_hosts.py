"""Loading of the observations of one run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.hosts import load
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.render import (
    failure_message,
    render_html,
    render_terminal,
)
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.report import Run, build
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.verdict import Verdict
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired.settings import observation_file

from tests.support.audit_samples import audit, entry, keep


@pytest.mark.parametrize("what", ["missing", "of another run", "of another host", "broken", "a folder"])
def test_host_without_a_fresh_observation_is_unknown(tmp_path: Path, what: str) -> None:
    item = entry("p2", run="r0" if what == "of another run" else "r1")
    keep(tmp_path, item)
    path = observation_file(tmp_path, "p2")
    if what == "missing":
        path.unlink()
    elif what == "of another host":
        path.write_text(json.dumps({**item, "host": "p1"}))
    elif what == "broken":
        path.write_text('{"run": "r1", "host": "p2"')
    elif what == "a folder":
        path.unlink()
        path.mkdir()
    report = audit(tmp_path, entry("p1"), meant=("p1", "p2"))
    assert report["counts"]["unknown"] == 1
    assert not report["proven"]
    assert "not observed in this run" in failure_message(report)


def test_report_without_a_run_has_no_observations(tmp_path: Path) -> None:
    keep(tmp_path, entry("h1", run=""))
    (host,) = load(tmp_path, ["h1"], "", observation_file)
    assert host.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("asked", "answered", "ok"), [("stats", "stats", True), ("names", "names", False), ("stats", "names", False)]
)
def test_report_claims_the_least_depth_of_its_observations(tmp_path: Path, asked: str, answered: str, ok: bool) -> None:
    item = entry("h1")
    item["depth"] = asked
    item["observation"]["depth"] = answered
    keep(tmp_path, item)
    (host,) = load(tmp_path, ["h1"], "r1", observation_file, "stats")
    assert host.verdict is (Verdict.PARITY if ok else Verdict.UNKNOWN)
    assert ok or "to depth names, not stats" in host.drifts[0].detail


def test_host_without_an_observation_is_never_in_parity(tmp_path: Path) -> None:
    item = entry("p2")
    del item["observation"]
    assert audit(tmp_path, item)["counts"]["unknown"] == 1
    mute = entry("p3", observation={"schema": 1, "errors": [], "host": {}})
    assert audit(tmp_path, mute)["counts"]["unknown"] == 1


def test_malformed_observations_do_not_break_a_report(tmp_path: Path) -> None:
    for number, value in enumerate(
        [[], "x", 7, {"host": [], "envs": []}, {"host": {"gpu": "x"}, "envs": {"train": 7}}]
    ):
        item = entry(f"h{number}")
        item["observation"] = value
        report = audit(tmp_path, entry("p1"), item)
        assert report["counts"]["parity"] == 1
        render_html(report)
        render_terminal(report)


@pytest.mark.parametrize("number", ["1e999", "NaN", "1" + "0" * 400, "-5", '"x"'])
def test_invalid_numbers_of_one_host_do_not_break_a_report(tmp_path: Path, number: str) -> None:
    item = entry("h1")
    item["observation"].update(disk={"free": 7}, clean={"last": {"at": 7}}, seconds=7)
    path = observation_file(tmp_path, "h1")
    path.parent.mkdir()
    path.write_text(json.dumps(item).replace(": 7", f": {number}"))
    hosts = load(tmp_path, ["h1"], "r1", observation_file)
    report = build(hosts, Run("r1", "2026-11-22T10:00:05+00:00", "stats", [], {"h1": "prod"}))
    assert not {"free", "seconds", "last_clean"} & report["results"][0]["facts"].keys()
    json.dumps(report, allow_nan=False)
    render_html(report)


def test_host_with_many_gpus_is_one_line(tmp_path: Path) -> None:
    item = entry("h1")
    item["observation"]["host"]["gpu"] = {"models": [f"card {number}" for number in range(100_000)]}
    assert len(audit(tmp_path, item)["results"][0]["facts"]["gpu"]) < 200
