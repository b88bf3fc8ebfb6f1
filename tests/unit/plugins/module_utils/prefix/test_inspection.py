"""A generation against its manifest: what is wrong is named by kind and path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host import fs, install_plan
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.hashing import (
    entries_of,
    files_of,
    sha256_file,
    sha256_text,
)
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.manifest import (
    MANIFEST,
    NOT_LISTED,
    manifest_text,
    verified_manifest,
)
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.marker import (
    MARKER,
    Marker,
    marker_text,
    read_marker,
)

from tests.support.damage import damage_of

NAME = "0123456789ab"


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    """A small complete generation: files, an undecodable name, links, a link to a folder."""
    base = tmp_path / "generations/train" / NAME
    (base / ".lockstep").mkdir(parents=True)
    (base / "lib").mkdir()
    (base / "lib/a file").write_text("a")
    (base / "lib/b").write_text("bb")
    (base / "lib/link").symlink_to("b")
    (base / "lib64").symlink_to("lib")
    Path(os.fsdecode(bytes(base / "lib") + b"/caf\xe9")).write_text("latin")
    complete(base)
    return base


def complete(base: Path) -> None:
    entries = {p: e for p, e in entries_of(str(base), files_of(str(base)).items()).items() if p not in NOT_LISTED}
    fs.write_file(str(base / MANIFEST), manifest_text(entries))
    checksum = sha256_file(str(base / MANIFEST))
    marker = Marker(install_plan.LAYOUT, "train", "linux-64", NAME + "0" * 52, "c" * 64, checksum, 0)
    fs.write_file(str(base / MARKER), marker_text(marker))
    fs.chmod_folders(str(base), 0o555)


def test_a_whole_tree_has_no_damage(marked: Path) -> None:
    assert all(damage_of(str(marked), depth) == [] for depth in ("stats", "hashes"))
    manifest = verified_manifest(str(marked))
    assert manifest and set(manifest) == {"lib/a file", "lib/b", "lib/link", "lib64", os.fsdecode(b"lib/caf\xe9")}
    assert manifest["lib/link"] == ("l", 0, 0, sha256_text("b"))
    lines = (marked / MANIFEST).read_bytes().split(b"\n")
    assert lines[0].startswith(b"f 1 ") and lines[0].endswith(b" lib/a file") and lines[-1] == b""


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lambda base: (base / "lib/b").write_text("bbb"), "altered lib/b"),
        (lambda base: (base / "lib/b").chmod(0o664), "mode lib/b"),
        (lambda base: (base / "lib/b").chmod(0o600), "mode lib/b"),
        (lambda base: (base / "lib/b").chmod(0o4755), "mode lib/b"),
        (lambda base: (base / "lib").chmod(0o755), "mode lib"),
        (lambda base: base.chmod(0o755), "mode ."),
        (lambda base: (base / MANIFEST).write_text(""), f"manifest {MANIFEST}"),
        (lambda base: (base / MARKER).write_text("x\n{}"), f"env-unfinished {MARKER}"),
    ],
)
def test_harm_is_named(marked: Path, harm: object, found: str) -> None:
    harm(marked)  # type: ignore[operator]
    assert damage_of(str(marked)) == [found]


@pytest.mark.parametrize("what", ["link", "file to link", "link to file", "missing", "extra"])
def test_changed_names_are_named(marked: Path, what: str) -> None:
    lib = marked / "lib"
    lib.chmod(0o755)
    victim = lib / ("b" if what in ("file to link", "missing") else "link")
    if what != "extra":
        victim.unlink()
    if what in ("link", "file to link"):
        victim.symlink_to("a file")
    elif what == "link to file":
        victim.write_text("b")
    elif what == "extra":
        (lib / "new").write_text("")
    lib.chmod(0o555)
    kind = {"missing": "missing lib/b", "extra": "extra lib/new"}.get(what, f"altered lib/{victim.name}")
    assert damage_of(str(marked)) == [kind]


def test_another_time_is_no_damage_if_the_content_is_right(marked: Path) -> None:
    os.utime(marked / "lib/b", (1, 1))
    assert damage_of(str(marked)) == []
    (marked / "lib/b").write_text("cc")
    assert damage_of(str(marked)) == ["altered lib/b"]


def test_only_hashes_see_an_altered_file_of_the_same_size_and_time(marked: Path) -> None:
    status = (marked / "lib/b").stat()
    (marked / "lib/b").write_text("cc")
    os.utime(marked / "lib/b", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert damage_of(str(marked), "stats") == []
    assert damage_of(str(marked), "hashes") == ["altered lib/b"]


def test_a_marker_that_was_cut_off_is_not_valid(marked: Path) -> None:
    text = (marked / MARKER).read_text()
    for length in range(len(text)):
        (marked / MARKER).write_text(text[:length])
        assert read_marker(str(marked))[0] is None, length
