"""The official release of the engine."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from local.pulumi_engine import places, release

ARCHIVE = "pulumi-v3.272.0-linux-x64.tar.gz"


def test_archive_names() -> None:
    assert release.archive_name("3.272.0", "x86_64", "Linux") == ARCHIVE
    assert release.archive_name("3.272.0", "aarch64", "Linux").endswith("linux-arm64.tar.gz")
    with pytest.raises(release.UnreachableError, match="riscv64"):
        release.archive_name("3.272.0", "riscv64", "Linux")


@pytest.mark.parametrize("listing", ["", f"{'a' * 64}  other.tar.gz\n", f"{'a' * 64}  {ARCHIVE}\n" * 2])
def test_an_archive_that_the_release_does_not_list_once_is_refused(listing: str) -> None:
    with pytest.raises(places.EngineError, match="instead of once"):
        release.checksum(listing, ARCHIVE)


def archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in (*places.PROGRAMS, "../outside", "deeper/file"):
            member = tarfile.TarInfo(f"pulumi/{name}")
            member.size, member.mode = 4, 0o755
            tar.addfile(member, io.BytesIO(b"#!/b"))
    return out.getvalue()


def test_a_download_is_checked_and_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = archive()
    listing = f"{hashlib.sha256(data).hexdigest()}  {ARCHIVE}\n".encode()
    monkeypatch.setattr(release, "archive_name", lambda version: ARCHIVE)
    monkeypatch.setattr(release, "fetch", lambda url: listing if url.endswith(".txt") else data)
    folder = tmp_path / "engine"
    folder.mkdir()
    release.download("3.272.0", folder)
    assert sorted(entry.name for entry in folder.iterdir()) == sorted(places.PROGRAMS)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["engine"]
    monkeypatch.setattr(release, "fetch", lambda url: listing if url.endswith(".txt") else data + b"!")
    with pytest.raises(places.EngineError, match="thrown away"):
        release.download("3.272.0", folder)
