"""What `make up` shows, and which address it keeps from proxies."""

from __future__ import annotations

import os

import pytest

from local import up


@pytest.mark.parametrize(
    ("before", "after"),
    [({}, "10.77.0.2"), ({"NO_PROXY": "a.example"}, "a.example,10.77.0.2"), ({"no_proxy": "10.77.0.2"}, "10.77.0.2")],
)
def test_no_proxy_is_asked_for_the_channel(before: dict[str, str], after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, before.get(name, ""))
    up.ask_no_proxy("10.77.0.2")
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == after


def test_only_what_a_playbook_says_is_shown() -> None:
    lines = [
        "PLAY [x] ***",
        "",
        "TASK [y] ***",
        "ok: [h]",
        "",
        "",
        "host  verdict",
        "h     parity",
        "",
        "h : ok=1 changed=0",
    ]
    assert up.said(lines) == ["host  verdict", "h     parity", ""]
