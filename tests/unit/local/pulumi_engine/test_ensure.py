"""The order in which engines are tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.pulumi_engine import build, ensure, places, release
from tests.support.local_samples import programs


def test_every_way_that_failed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(version: str, folder: Path) -> None:
        raise release.UnreachableError("no route")

    monkeypatch.setattr(ensure, "on_path", lambda: None)
    monkeypatch.setattr(ensure, "download", unreachable)
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    with pytest.raises(places.EngineError, match=r"(?s)PATH has no.*no route.*no Go on PATH.*Remedy"):
        ensure.ensure(store=tmp_path)


def test_a_build_made_earlier_is_used_without_asking_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensure, "on_path", lambda: None)
    monkeypatch.setattr(ensure, "download", lambda version, folder: pytest.fail("asked the network"))
    built = tmp_path / f"{places.built_version()}-built-{places.pins_digest()}"
    programs(built)
    assert ensure.ensure(store=tmp_path) == built
