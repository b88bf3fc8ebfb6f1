"""The report: verdicts, what only a comparison of hosts sees, stale files, and a page that is safe to open."""

from __future__ import annotations

import datetime
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit import report as reports
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.drift import DRIFT, NOTE, UNKNOWN, Drift
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.kinds import Kind
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.verdict import (
    Maintenance,
    Verdict,
    maintenance,
    verdict,
)
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired.declared import Locked
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired.settings import observation_file

TODAY = datetime.date(2026, 11, 22)
A, B = "a1" * 32, "b2" * 32


def entry(
    name: str, tier: str = "prod", run: str = "r1", drifts: tuple[Drift, ...] = (), **more: Any
) -> dict[str, Any]:
    envs = more.pop("envs", {"train": (A, "c" * 64)})
    return {
        "schema": 1, "run": run, "host": name, "at": "2026-11-22T10:00:00+00:00", "tier": tier, "depth": "stats",
        "verdict": "parity", "maintenance": None, "drift": [drift.to_json() for drift in drifts],
        "declared": {"root": "/opt/lockstep", "tier": tier, "platform": "linux-64",
                     "envs": {env: {"lock": "l", "digest": A, "error": ""} for env in envs}},
        "observation": {
            "schema": 1, "errors": [], "host": {"platform": "linux-64", "os": "Debian 12", "gpu": {}},
            "envs": {env: {"link": "ok", "digest": d, "content": c} for env, (d, c) in envs.items()},
        },
        **more,
    }  # fmt: skip


def keep(folder: Path, *entries: dict[str, Any]) -> None:
    for item in entries:
        path = observation_file(folder, item["host"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(item))


def audit(
    folder: Path, *entries: dict[str, Any], meant: tuple[str, ...] = (), fleet: dict[str, str] | None = None
) -> Any:
    keep(folder, *entries)
    names = meant or tuple(item["host"] for item in entries)
    hosts = reports.load(folder, names, "r1", observation_file)
    reports.cross(hosts)
    run = reports.Run("r1", "2026-11-22T10:00:05+00:00", "stats", ["dev", "test", "prod"],
                      fleet or {host.name: host.tier for host in hosts})  # fmt: skip
    return reports.build(hosts, run)


def drift(severity: str = DRIFT, subject: str = "train") -> Drift:
    return Drift(Kind.FILE_MISSING, subject, "lib/x.py is missing", severity=severity)


def test_fleet_in_parity_is_proven(tmp_path: Path) -> None:
    report = audit(tmp_path, entry("p1"), entry("p2"))
    assert report["proven"]
    assert report["counts"] == {"drift": 0, "unknown": 0, "maintenance": 0, "parity": 2}
    assert reports.headline(report) == "Parity proven on 2 of 2 hosts"
    assert report["tiers"][0]["proven"]


def test_host_with_drift_is_named_with_its_first_difference(tmp_path: Path) -> None:
    report = audit(tmp_path, entry("p1"), entry("p2", drifts=(drift(), drift(subject="base"))))
    assert not report["proven"]
    assert reports.failure(report).splitlines()[1] == "p2: train: lib/x.py is missing (and 1 more)"
    assert "p1" not in reports.failure(report)
    two = next(result for result in report["results"] if result["host"] == "p2")
    assert (two["envs"]["train"]["verdict"], two["around"]) == ("drift", "drift")
    assert two["repair"] == ["ansible-playbook site.yml --limit p2"]


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
    assert "not observed in this run" in reports.failure(report)


def test_report_without_a_run_has_no_observations(tmp_path: Path) -> None:
    keep(tmp_path, entry("h1", run=""))
    (host,) = reports.load(tmp_path, ["h1"], "", observation_file)
    assert host.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("asked", "answered", "ok"), [("stats", "stats", True), ("names", "names", False), ("stats", "names", False)]
)
def test_report_claims_the_least_depth_of_its_observations(tmp_path: Path, asked: str, answered: str, ok: bool) -> None:
    item = entry("h1")
    item["depth"] = asked
    item["observation"]["depth"] = answered
    keep(tmp_path, item)
    (host,) = reports.load(tmp_path, ["h1"], "r1", observation_file, "stats")
    assert host.verdict is (Verdict.PARITY if ok else Verdict.UNKNOWN)
    assert ok or "to the depth names, and not stats" in host.drifts[0].detail


def test_host_without_an_observation_is_never_in_parity(tmp_path: Path) -> None:
    item = entry("p2")
    del item["observation"]
    assert audit(tmp_path, item)["counts"]["unknown"] == 1
    mute = entry("p3", observation={"schema": 1, "errors": [], "host": {}})
    assert audit(tmp_path, mute)["counts"]["unknown"] == 1


def test_remedy_for_drift_at_depth_hashes_repairs_at_that_depth() -> None:
    one = [drift()]
    assert reports.repair("a b", one) == ["ansible-playbook site.yml --limit 'a b'"]
    assert reports.repair("h", one, "hashes") == ["ansible-playbook site.yml --limit h -e conda_envs_verify=hashes"]
    base = [Drift(Kind.BASE_NOT_FROZEN, "base", "not frozen")]
    assert reports.repair("h", base, "hashes") == ["ansible-playbook site.yml --limit h"]


def test_report_without_hosts_is_not_proven(tmp_path: Path) -> None:
    report = audit(tmp_path)
    assert not report["proven"]
    assert "no host was audited" in reports.headline(report)
    assert not audit(tmp_path, entry("p1", maintenance={"reason": "new disk", "until": "2026-12-01"}))["proven"]


def test_different_contents_under_one_digest_are_drift_of_the_minority(tmp_path: Path) -> None:
    minority = entry("p3", envs={"train": (A, "d" * 64)})
    report = audit(tmp_path, entry("p1"), entry("p2"), minority)
    assert [r["host"] for r in report["results"] if r["verdict"] == "drift"] == ["p3"]
    assert "under the same digest" in reports.failure(report)
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
    assert "p1: host: it answered from the machine and the folder that p2 answered from" in reports.failure(report)


def test_contents_are_compared_across_tiers_but_not_across_roots(tmp_path: Path) -> None:
    other = entry("d1", tier="dev", envs={"train": (A, "d" * 64)})
    assert not audit(tmp_path, entry("p1"), entry("p2"), other)["proven"]
    other["declared"]["root"] = "/srv/lockstep"
    assert audit(tmp_path, entry("p1"), entry("p2"), other)["proven"]


def test_host_in_maintenance_is_neither_counted_nor_a_failure(tmp_path: Path) -> None:
    away = entry("p2", drifts=(drift(),), maintenance={"reason": "new disk", "until": "2026-12-01"})
    report = audit(tmp_path, entry("p1"), away)
    assert report["proven"]
    assert report["counts"]["maintenance"] == 1
    assert "1 in maintenance, not counted" in reports.headline(report)
    assert not report["tiers"][0]["proven"], "a tier is proven only by all of its hosts"


def test_limited_audit_is_marked(tmp_path: Path) -> None:
    report = audit(tmp_path, entry("p1"), fleet={"p1": "prod", "p2": "prod", "d1": "dev"})
    assert report["hosts"] == {"audited": 1, "total": 3, "limited": True}
    assert "2 of 3 hosts were not looked at" in reports.headline(report)
    assert [(t["tier"], t["hosts"], t["audited"], t["proven"]) for t in report["tiers"]] == [
        ("dev", 1, 0, False), ("prod", 2, 1, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"reason": "disk", "until": "2026-11-21"}, "was over"),
        ({"reason": "disk", "until": "22.11.2026"}, "not YYYY-MM-DD"),
        ({"reason": "disk", "until": "2026-02-30"}, "no day"),
        ({"reason": "", "until": "2026-12-01"}, "no reason"),
        ({"reason": "disk"}, "not {reason, until}"),
        ("yes", "not {reason, until}"),
        (True, "not {reason, until}"),
        ({"reason": "disk", "until": None}, "not YYYY-MM-DD"),
    ],
)
def test_expired_or_malformed_maintenance_is_ignored_with_a_note(value: Any, words: str) -> None:
    window, complaint = maintenance(value, TODAY)
    assert window is None
    assert words in complaint


def test_maintenance_includes_its_last_day() -> None:
    for until in ("2026-11-22", TODAY, datetime.datetime(2026, 11, 22, 8)):
        assert maintenance({"reason": " disk ", "until": until}, TODAY) == (Maintenance("disk", TODAY), "")
    assert maintenance(None, TODAY) == maintenance({}, TODAY) == (None, "")


def test_verdict_follows_the_severest_drift() -> None:
    assert verdict([], None) is Verdict.PARITY
    assert verdict([drift(NOTE)], None) is Verdict.PARITY
    assert verdict([drift(NOTE), drift(UNKNOWN)], None) is Verdict.UNKNOWN
    assert verdict([drift(UNKNOWN), drift(DRIFT)], None) is Verdict.DRIFT
    assert verdict([drift(DRIFT)], Maintenance("x", TODAY)) is Verdict.MAINTENANCE


def test_differences_between_tiers_are_reported_and_are_no_drift() -> None:
    one = {"linux-64": Locked(A, (("numpy", "2.1.0", "0"), ("zlib", "1", "0")))}
    two = {"linux-64": Locked(B, (("numpy", "2.0.0", "0"),))}
    found = reports.differences(["dev", "test", "prod"], {("dev", "t"): one, ("test", "t"): two, ("prod", "t"): two})
    assert [(d["from"], d["to"], d["changes"]) for d in found] == [
        ("dev", "test", ["numpy 2.0.0 instead of 2.1.0", "zlib 1 is missing"])
    ]


def test_terminal_shows_each_digest_on_each_host(tmp_path: Path) -> None:
    text = reports.terminal(audit(tmp_path, entry("d1", tier="dev"), entry("p1", drifts=(drift(),))))
    lines = text.splitlines()
    assert lines[0].split() == ["host", "tier", "verdict", "train", "base,", "host"]
    assert lines[2].split() == ["d1", "dev", "parity", A[:12], "ok"]
    assert lines[3].split() == ["p1", "prod", "DRIFT", A[:12], "!", "ok"]
    assert "  train: lib/x.py is missing" in lines


def test_terminal_output_of_a_large_fleet_is_short(tmp_path: Path) -> None:
    many = [entry(f"h{number:04}", drifts=(drift(),) * 3 if number % 2 else ()) for number in range(400)]
    text = reports.terminal(audit(tmp_path, *many))
    assert len(text.splitlines()) < 160
    assert "and 340 more hosts" in text


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.bad: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.bad += [f"{tag} {key}" for key in values if key.startswith("on") or key == "src"]
        if tag == "link" or (tag == "a" and not str(values.get("href")).startswith("#")):
            self.bad.append(f"{tag} {values}")
        if tag not in ("meta", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.bad.append(f"</{tag}>")


EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}\x1b[31m\u202e"


def test_html_report_is_self_contained_and_escapes_text_of_hosts(tmp_path: Path) -> None:
    evil = entry("p2", tier="prod", drifts=(Drift(Kind.FILE_EXTRA, "train", EVIL),))
    evil["observation"]["host"]["os"] = EVIL
    evil["observation"]["envs"]["train"]["digest"] = EVIL
    text = reports.render_html(
        audit(tmp_path, entry("p1"), evil, entry("p3", maintenance={"reason": EVIL, "until": "x"}))
    )
    page = Page()
    page.feed(text)
    assert page.bad == []
    assert page.open == []
    assert text.count("<script>") == 1
    assert "alert(1)" in text
    assert "http://" not in text.replace("http-equiv", "")
    assert "https://" not in text
    assert not re.search(r"url\(|@import", text)


def test_malformed_observations_do_not_break_a_report(tmp_path: Path) -> None:
    for number, value in enumerate(
        [[], "x", 7, {"host": [], "envs": []}, {"host": {"gpu": "x"}, "envs": {"train": 7}}]
    ):
        item = entry(f"h{number}")
        item["observation"] = value
        report = audit(tmp_path, entry("p1"), item)
        assert report["counts"]["parity"] == 1
        reports.render_html(report)
        reports.terminal(report)


@pytest.mark.parametrize("number", ["1e999", "NaN", "1" + "0" * 400, "-5", '"x"'])
def test_invalid_numbers_of_one_host_do_not_break_a_report(tmp_path: Path, number: str) -> None:
    item = entry("h1")
    item["observation"].update(disk={"free": 7}, clean={"last": {"at": 7}}, seconds=7)
    path = observation_file(tmp_path, "h1")
    path.parent.mkdir()
    path.write_text(json.dumps(item).replace(": 7", f": {number}"))
    hosts = reports.load(tmp_path, ["h1"], "r1", observation_file)
    report = reports.build(hosts, reports.Run("r1", "2026-11-22T10:00:05+00:00", "stats", [], {"h1": "prod"}))
    assert not {"free", "seconds", "last_clean"} & report["results"][0]["facts"].keys()
    json.dumps(report, allow_nan=False)
    reports.render_html(report)


def test_host_with_many_gpus_is_one_line(tmp_path: Path) -> None:
    item = entry("h1")
    item["observation"]["host"]["gpu"] = {"models": [f"card {number}" for number in range(100_000)]}
    assert len(audit(tmp_path, item)["results"][0]["facts"]["gpu"]) < 200


def test_tier_without_observations_is_unknown_and_not_drift(tmp_path: Path) -> None:
    silent = entry("p2", drifts=(drift(UNKNOWN, "host"),), observation=None)
    report = audit(tmp_path, entry("p1"), silent)
    place = report["tiers"][0]["envs"]["train"]["linux-64"]
    assert (place["hosts"], place["parity"], place["drift"]) == (2, 1, 0)
    assert '<span class="say unknown">? on 1 of 2' in reports.render_html(report)
    report = audit(tmp_path, entry("p1"), silent, entry("p3", drifts=(drift(),)))
    assert '<span class="say drift">≠ on 1 of 3' in reports.render_html(report)


def test_html_report_prints_all_its_columns(tmp_path: Path) -> None:
    """Chromium shrinks a page to half at most: what is wider then is cut off, silently."""
    page = reports.render_html(audit(tmp_path, entry("p1")))
    assert "@page { size: landscape;" in page and "white-space: normal; } .card { width: auto; }" in page


def test_html_report_of_a_thousand_hosts_stays_small(tmp_path: Path) -> None:
    envs = {f"env{number}": (A, "c" * 64) for number in range(5)}
    many = [entry(f"h{number:04}", envs=envs, drifts=() if number % 20 else (drift(),)) for number in range(1000)]
    report = audit(tmp_path, *many)
    assert len(reports.render_html(report)) < 2_500_000
    assert report["counts"]["drift"] == 50
