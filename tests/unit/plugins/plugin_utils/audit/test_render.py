"""The report on the terminal and as a page that is safe to open."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.drift import Drift
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare.kinds import Kind
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.render import render_html, render_terminal

from tests.support.audit_samples import A, audit, drift, entry


def test_terminal_shows_each_digest_on_each_host(tmp_path: Path) -> None:
    text = render_terminal(audit(tmp_path, entry("d1", tier="dev"), entry("p1", drifts=(drift(),))))
    lines = text.splitlines()
    assert lines[0].split() == ["host", "tier", "verdict", "train", "base,", "host"]
    assert lines[2].split() == ["d1", "dev", "in", "sync", A[:12], "ok"]
    assert lines[3].split() == ["p1", "prod", "DRIFT", A[:12], "!", "ok"]
    assert "  train: lib/x.py is missing" in lines


def test_terminal_output_of_a_large_fleet_is_short(tmp_path: Path) -> None:
    many = [entry(f"h{number:04}", drifts=(drift(),) * 3 if number % 2 else ()) for number in range(400)]
    text = render_terminal(audit(tmp_path, *many))
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
    text = render_html(audit(tmp_path, entry("p1"), evil, entry("p3", maintenance={"reason": EVIL, "until": "x"})))
    page = Page()
    page.feed(text)
    assert page.bad == []
    assert page.open == []
    assert text.count("<script>") == 1
    assert "alert(1)" in text
    assert "http://" not in text.replace("http-equiv", "")
    assert "https://" not in text
    assert not re.search(r"url\(|@import", text)


def test_html_report_prints_all_its_columns(tmp_path: Path) -> None:
    """Chromium shrinks a page to half at most: what is wider then is cut off, silently."""
    page = render_html(audit(tmp_path, entry("p1")))
    assert "@page { size: landscape;" in page and "white-space: normal; } .card { width: auto; }" in page


def test_html_report_of_a_thousand_hosts_stays_small(tmp_path: Path) -> None:
    envs = {f"env{number}": (A, "c" * 64) for number in range(5)}
    many = [entry(f"h{number:04}", envs=envs, drifts=() if number % 20 else (drift(),)) for number in range(1000)]
    report = audit(tmp_path, *many)
    assert len(render_html(report)) < 2_500_000
    assert report["counts"]["drift"] == 50
