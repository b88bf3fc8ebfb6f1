"""Conda packages, byte by byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.fakes.channel import condapkg
from tests.support.local_samples import package


def test_a_package_is_the_same_bytes_each_time_and_its_build_follows_its_contents(tmp_path: Path) -> None:
    one, two = package(tmp_path / "one", tmp_path), package(tmp_path / "two", tmp_path)
    assert one.name == two.name and one.read_bytes() == two.read_bytes()
    assert package(tmp_path / "three", tmp_path, depends=["x"]).name != one.name


def test_placeholders_are_found_in_text_and_binaries_only(tmp_path: Path) -> None:
    package(tmp_path / "out", tmp_path)
    entries = {e["_path"]: e for e in condapkg.paths_of(tmp_path / "root")}
    assert entries["bin/run"]["file_mode"] == "text" and entries["lib/x.so"]["file_mode"] == "binary"
    assert "file_mode" not in entries["share/a b.txt"]
    assert entries["share/link"]["path_type"] == "softlink"


def test_a_dangling_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lost").symlink_to("nowhere")
    with pytest.raises(ValueError, match="lost"):
        condapkg.paths_of(tmp_path)
