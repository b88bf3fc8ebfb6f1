"""Packages of our own making."""

from __future__ import annotations

from local.fakes.channel import own


def test_the_fake_never_passes_for_conda() -> None:
    assert own.fake_version().endswith("+fake")
