"""Marks, manifests and the file-system operations beneath a generation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix import tree


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    """A small marked generation: files, an odd name, links, a folder link."""
    base = tmp_path / "generation"
    (base / ".lockstep").mkdir(parents=True)
    (base / "lib").mkdir()
    (base / "lib/a file").write_text("a")
    (base / "lib/b").write_text("bb")
    (base / "lib/link").symlink_to("b")
    (base / "lib64").symlink_to("lib")
    Path(os.fsdecode(bytes(base / "lib") + b"/caf\xe9")).write_text("latin")
    seal(base)
    return base


def seal(base: Path) -> None:
    entries = {p: e for p, e in tree.entries_of(str(base), tree.walk(str(base))).items() if p not in tree.NOT_LISTED}
    tree.write_file(str(base / tree.MANIFEST), tree.manifest_text(entries))
    body = {"manifest": tree.sha256_file(str(base / tree.MANIFEST)), "digest": "d"}
    tree.write_file(str(base / tree.MARK), tree.mark_text(body))
    tree.chmod_folders(str(base), 0o555)


def test_a_whole_tree_has_no_damage(marked: Path) -> None:
    assert all(tree.damage(str(marked), depth) == [] for depth in ("marks", "stats", "hashes"))
    manifest = tree.read_manifest(str(marked))
    assert manifest and set(manifest) == {"lib/a file", "lib/b", "lib/link", "lib64", os.fsdecode(b"lib/caf\xe9")}
    assert manifest["lib/link"] == ("l", 0, 0, tree.sha256_text("b"))
    lines = (marked / tree.MANIFEST).read_bytes().split(b"\n")
    assert lines[0].startswith(b"f 1 ") and lines[0].endswith(b" lib/a file") and lines[-1] == b""


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lambda base: (base / "lib/b").write_text("bbb"), "altered lib/b"),
        (lambda base: (base / "lib/b").chmod(0o664), "mode 0664 of lib/b"),
        (lambda base: (base / "lib/b").chmod(0o600), "mode 0600 of lib/b"),
        (lambda base: (base / "lib/b").chmod(0o4755), "mode 4755 of lib/b"),
        (lambda base: (base / "lib").chmod(0o755), "mode 0755 of lib"),
        (lambda base: base.chmod(0o755), "mode 0755 of ."),
        (lambda base: (base / tree.MANIFEST).write_text(""), f"{tree.MANIFEST} is not what the mark vouches for"),
        (lambda base: (base / tree.MARK).write_text("x\n{}"), f"no valid {tree.MARK}"),
    ],
)
def test_harm_is_named(marked: Path, harm: object, found: str) -> None:
    harm(marked)  # type: ignore[operator]
    assert tree.damage(str(marked)) == [found]


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
    assert tree.damage(str(marked)) == [kind]


def test_another_time_is_no_damage_if_the_content_is_right(marked: Path) -> None:
    os.utime(marked / "lib/b", (1, 1))
    assert tree.damage(str(marked)) == []
    (marked / "lib/b").write_text("cc")
    assert tree.damage(str(marked)) == ["altered lib/b"]


def test_only_hashes_see_an_altered_file_of_the_same_size_and_time(marked: Path) -> None:
    status = (marked / "lib/b").stat()
    (marked / "lib/b").write_text("cc")
    os.utime(marked / "lib/b", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert tree.damage(str(marked), "stats") == []
    assert tree.damage(str(marked), "hashes") == ["altered lib/b"]


def test_a_cut_mark_is_no_mark(marked: Path) -> None:
    text = (marked / tree.MARK).read_text()
    for length in range(len(text)):
        (marked / tree.MARK).write_text(text[:length])
        assert tree.read_mark(str(marked)) is None, length


def test_many_files_are_hashed_in_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1200):
        (tmp_path / str(number)).write_text(str(number))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    forks = []
    fork = tree._fork_share
    monkeypatch.setattr(tree, "_fork_share", lambda *args: (forks.append(1), fork(*args))[1])
    found = tree.entries_of(str(tmp_path), tree.walk(str(tmp_path)))
    assert len(forks) == 1 and len(found) == 1200
    assert all(entry.sha256 == tree.sha256_text(path) for path, entry in found.items())
    # a child that died is replaced by work of one's own; an error of a child is an error here
    monkeypatch.setattr(tree, "_answer", lambda child: (answer(child), None)[1])
    answer = lambda child: (os.close(child[1]), os.waitpid(child[0], 0))  # noqa: E731
    assert tree.entries_of(str(tmp_path), tree.walk(str(tmp_path))) == found


def test_an_unreadable_file_is_an_error_from_any_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1200):
        (tmp_path / str(number)).write_text(str(number))
    listed = list(tree.walk(str(tmp_path)))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    for path, _ in listed[:2]:
        (tmp_path / path).unlink()
        with pytest.raises(FileNotFoundError):
            tree.entries_of(str(tmp_path), listed)


def test_exchange_swaps_and_remove_removes_frozen_trees(marked: Path) -> None:
    other = marked.with_name("other")
    other.mkdir()
    tree.exchange(str(marked), str(other))
    assert (other / "lib/b").exists() and not list(marked.iterdir())
    tree.remove(str(other))
    tree.remove(str(other))  # nothing there is no error
    assert not other.exists()
