"""What packages bring and the package cache says, when it is odd: files twice, old archives, altered lists."""

from __future__ import annotations

import bz2
import hashlib
import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import build, records
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store

from tests.support.damage import damage_of
from tests.support.tiny_channel import PLACEHOLDER, SITE, Channel, make_channel, make_store, tarball

FAST = build.Options(pip_check=False)
NO_PYTHON = "no python in this environment: neither smoke test nor pip check"


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    return make_channel(tmp_path / "channel")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "root")


def built(store: Store, channel: Channel, *wanted: str, name: str = "train") -> tuple[Path, list[str]]:
    """Build an environment; return where it is, and the notes but the one on python."""
    result = build.build(store, channel.plan(name, *wanted), FAST)
    final = Path(store.path(name, result["name"]))
    assert damage_of(str(final), "hashes") == []
    return final, [note for note in result["notes"] if note != NO_PYTHON]


def test_a_file_that_two_packages_bring_is_no_failure_and_no_secret(channel: Channel, store: Store) -> None:
    for name in ("one", "two"):
        channel.add(name, "1.0", {"bin/x": (f"#!{PLACEHOLDER}/bin/sh\necho {name}\n".encode(), 0o755)})
    final, notes = built(store, channel, "one", "two")
    assert (final / "bin/x").read_text() == f"#!{final}/bin/sh\necho one\n"
    assert notes == ["put aside, since another package brings the same file (1): bin/x of two"]
    # what a package is does not depend on the environment that it was first seen in
    assert built(store, channel, "two", name="other")[1] == []
    assert built(store, channel, "one", "two", "gamma")[1] == notes


def test_a_package_for_any_python_is_the_same_for_one_with_other_folders(channel: Channel, store: Store) -> None:
    assert built(store, channel, "python", "alpha")[1] == []
    real = channel.entries["python", max(version for name, version in channel.entries if name == "python")]
    free = channel.add("python", real["version"], {
        "bin/python": str((channel.base / "python").resolve()), "lib/marker": b"free-threaded",
    }, number=7)  # fmt: skip
    free["python_site_packages_path"] = SITE.replace("/site-", "t/site-")
    (channel.base / "python").write_text("#!/bin/sh\nexit 0\n")
    (channel.base / "python").chmod(0o755)
    final, notes = built(store, channel, "python", "alpha")
    assert notes == [] and (final / free["python_site_packages_path"] / "alpha/__init__.py").is_file()


def test_a_cache_that_lost_the_entry_points_of_a_package_is_repaired(channel: Channel, store: Store) -> None:
    built(store, channel, "python", "alpha", name="first")
    (Path(store.pkgs) / "alpha-2.0-pytiny_1/info/link.json").unlink()
    final, notes = built(store, channel, "python", "alpha", "beta")
    assert subprocess.run([final / "bin/alpha"], capture_output=True, text=True).stdout == "alpha 2.0\n"
    assert len(notes) == 1 and "alpha-2.0-pytiny_1: what the package cache says of it" in notes[0]


def test_an_archive_without_hashes_is_held_to_what_it_was_at_first(channel: Channel, store: Store) -> None:
    index = {"name": "old", "version": "1.0", "build": "0", "build_number": 0, "depends": []}
    data = bz2.compress(tarball({
        "share/old": b"true", "share/link": "old", "info/files": b"share/old\nshare/link\n",
        "info/index.json": json.dumps(index).encode(),
    }))  # fmt: skip
    archive = channel.base / "linux-64" / "old-1.0-0.tar.bz2"
    archive.write_bytes(data)
    channel.entries["old", "1.0"] = {
        **index, "subdir": "linux-64", "file_name": archive.name, "url": f"{channel.url}/linux-64/{archive.name}",
        "md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest(), "noarch": None,
        "python_site_packages_path": None,
    }  # fmt: skip
    assert built(store, channel, "old", name="first")[1] == []
    (Path(store.pkgs) / "old-1.0-0/share/old").write_bytes(b"fake")
    final, notes = built(store, channel, "old", "gamma")
    assert (final / "share/old").read_bytes() == b"true" and "old-1.0-0: what the package cache says" in notes[0]


def test_a_folder_where_another_package_has_a_link_is_said(channel: Channel, store: Store) -> None:
    why = records.VerificationError(
        ["missing lib64", "unrecorded __clobbers__/one/lib64"]
    )  # the rattler runtime gets there by chance
    plan = channel.plan("train", "beta")
    making = build.Build(store, plan, FAST, (0, 0), build.Timer())
    assert "one package brings a folder where another brings a file or link" in str(making._unverified(why))


def test_no_package_has_a_say_in_what_vouches_for_it(channel: Channel, store: Store) -> None:
    channel.add("evil", "1.0", {".lockstep/manifest": b"mine", "share/evil": b"1"})
    with pytest.raises(Problem, match=r"only Lockstep writes to .lockstep/manifest"):
        built(store, channel, "evil")
    assert (Path(store.pkgs) / "evil-1.0-htiny_0/.lockstep/manifest").read_bytes() == b"mine"


class TestPostLinkScripts:
    def add(self, channel: Channel, name: str, script: str) -> None:
        text = f"#!/bin/sh\n{script}\n".encode()
        channel.add(name, "1.0", {f"bin/.{name}-post-link.sh": (text, 0o755), f"share/{name}": b"of the package\n"})

    def test_what_they_make_names_the_final_path(self, channel: Channel, store: Store) -> None:
        self.add(
            channel, "maker", 'cd "$PREFIX/share"; echo "dir=$PREFIX/lib" > conf; ln -s "$PREFIX/share/maker" link'
        )
        final, notes = built(store, channel, "maker")
        assert (final / "share/conf").read_text() == f"dir={final}/lib\n" and notes == []
        assert (final / "share/link").read_text() == "of the package\n"

    def test_what_cannot_be_put_right_is_said(self, channel: Channel, store: Store) -> None:
        self.add(channel, "maker", 'printf "$PREFIX\\000rest" > "$PREFIX/share/binary"')
        assert "holds the path of a folder that is gone" in built(store, channel, "maker")[1][0]

    def test_one_that_fails_is_said(self, channel: Channel, store: Store) -> None:
        self.add(channel, "loser", "exit 3")
        self.add(channel, "winner", "exit 0")
        assert built(store, channel, "loser", "winner")[1] == [
            "the post-link script failed of loser; what it was to make may be missing"
        ]

    def test_a_pipe_that_one_made_is_not_waited_for(self, channel: Channel, store: Store) -> None:
        self.add(channel, "piper", 'mkfifo "$PREFIX/share/pipe"')
        with pytest.raises(Problem, match="neither file nor link: share/pipe"):
            built(store, channel, "piper")

    def test_one_that_alters_a_file_is_named_as_the_cause(self, channel: Channel, store: Store) -> None:
        self.add(channel, "changer", 'echo more >> "$PREFIX/share/changer"')
        with pytest.raises(Problem, match=r"altered share/changer.*a package's post-link script alters files"):
            built(store, channel, "changer")
