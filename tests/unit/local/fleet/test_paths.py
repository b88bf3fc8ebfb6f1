"""What decides whether something slow is made again."""

from __future__ import annotations

from pathlib import Path

from local.fleet import paths


def test_a_digest_follows_names_contents_modes_and_words(tmp_path: Path) -> None:
    file = tmp_path / "d" / "f"
    file.parent.mkdir()
    file.write_text("1")
    seen = [paths.digest_of([tmp_path / "d"])]
    assert paths.digest_of([tmp_path / "d"]) == seen[0]
    file.write_text("2")
    seen.append(paths.digest_of([tmp_path / "d"]))
    file.chmod(0o755)
    seen.append(paths.digest_of([tmp_path / "d"]))
    seen.append(paths.digest_of([tmp_path / "d"], "word"))
    file.rename(tmp_path / "d" / "g")
    seen.append(paths.digest_of([tmp_path / "d"], "word"))
    assert len(set(seen)) == 5


def test_a_page_in_a_folder_changes_no_digest(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    before = paths.digest_of([tmp_path])
    (tmp_path / "README.md").write_text("about f")
    assert paths.digest_of([tmp_path]) == before
