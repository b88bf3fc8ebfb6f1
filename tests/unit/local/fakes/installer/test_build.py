"""The installer's header."""

from __future__ import annotations

from local.fakes.installer import build as installer


def test_the_offset_counts_its_own_digits() -> None:
    for length in (1, 85, 86, 87, 88, 985, 986, 987):
        done = installer.with_offset("#" * length + "@OFFSET@")
        assert int(done[length:]) == len(done) + 1
