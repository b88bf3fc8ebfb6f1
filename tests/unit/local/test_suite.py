"""How the test suites are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import suite


def test_a_junit_report_is_counted_and_a_lost_one_is_a_failure(tmp_path: Path) -> None:
    report = tmp_path / "r.xml"
    report.write_text('<testsuites><testsuite tests="9" failures="2" errors="1" skipped="3"/></testsuites>')
    assert str(suite.counted(report)) == "3 passed, 3 failed, 3 skipped"
    assert suite.counted(tmp_path / "none.xml").failed == 1


def test_suites_end_in_one_plain_line_and_fail_when_one_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(suite, "LOGS", tmp_path)
    monkeypatch.setattr(
        suite, "SUITES", {"a": lambda: suite.Count(2), "b": lambda: suite.Count(1, 1), "c": suite.Count}
    )
    assert suite.main(["a"]) == 0
    assert suite.main(["a", "b"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 1 failed"
    assert suite.main(["c"]) == 1, "nothing that ran is no success"
    assert suite.main(["nope"]) == 2


def test_a_folder_without_tests_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(suite, "LOGS", tmp_path)
    (tmp_path / "empty").mkdir()
    assert str(suite.pytest(str(tmp_path / "empty"))) == "0 passed, 1 failed"
