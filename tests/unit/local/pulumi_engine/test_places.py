"""The versions of the engine."""

from __future__ import annotations

from local.pulumi_engine import places


def test_versions_come_from_the_committed_pins() -> None:
    assert places.sdk_version().startswith("3.")
    assert places.built_version("cli").startswith("3.")
    assert places.built_version("host") == "3.78.1"
    assert len(places.pins_digest()) == 8
