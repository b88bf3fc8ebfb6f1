"""What podman is configured with."""

from __future__ import annotations

from pathlib import Path

from local.fleet import podman


def test_podmans_configuration_keeps_to_our_folders(tmp_path: Path) -> None:
    text = podman.containers_conf(tmp_path, Path("/run/x"), 10, 20) + podman.storage_conf(tmp_path, Path("/run/x"))
    folders = [line.split('"')[1] for line in text.splitlines() if '= "/' in line]
    assert len(folders) == 7
    assert all(f.startswith((str(tmp_path), "/run/x")) for f in folders)
    assert "nofile=10:10" in text and 'lock_type = "file"' in text


def test_writing_what_is_there_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "f"
    assert podman.write_if_changed(file, "a", 0o600)
    before = file.stat()
    assert not podman.write_if_changed(file, "a")
    assert file.stat().st_mtime_ns == before.st_mtime_ns and before.st_mode & 0o777 == 0o600
    assert podman.write_if_changed(file, "b") and file.read_text() == "b"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
