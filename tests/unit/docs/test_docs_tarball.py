"""The tarball of the collection: what it holds, and that its README leads nowhere outside it."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.support.paths import CHECKOUT

TOP = {"plugins", "roles", "playbooks", "meta", "docs"}
FILES = {"MANIFEST.json", "FILES.json", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
LINK = re.compile(r"\]\(([^)\s]+)\)")


def known(*folders: str) -> list[str]:
    """Return the files that git tracks or would add."""
    command = ["git", "ls-files", "-z", "-co", "--exclude-standard", *folders]
    names = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in names if name and (CHECKOUT / name).is_file()]


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the collection from the files that git knows, with the rubbish of a used checkout beside them."""
    source, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("out")
    for name in known():
        if not name.startswith("collections/"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((CHECKOUT / name).read_bytes())
    for name in ("plugins/action/__pycache__/lock.pyc", ".lockstep/secret", ".venv/bin/python"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    galaxy = [str(Path(sys.executable).parent / "ansible-galaxy"), "collection", "build", "--output-path", str(out)]
    done = subprocess.run(galaxy, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(out.glob("lockstep-fleet-*.tar.gz"))


@pytest.fixture(scope="module")
def contents(tarball: Path) -> dict[str, str]:
    """The files of the tarball by name, with their text."""
    with tarfile.open(tarball) as archive:
        files = [member for member in archive if member.isfile()]
        return {m.name: archive.extractfile(m).read().decode("utf-8", "replace") for m in files}  # type: ignore[union-attr]


def test_tarball_holds_the_collection_and_nothing_else(contents: dict[str, str]) -> None:
    assert {name.split("/")[0] for name in contents if "/" in name} == TOP
    assert {name for name in contents if "/" not in name} == FILES
    assert "plugins/plugin_utils/inventory/inventory.schema.json" in contents
    assert not [name for name in contents if "__pycache__" in name or name.endswith(".pyc")]


@pytest.mark.parametrize("folder", ["plugins", "roles", "playbooks", "meta", "docs"])
def test_tarball_lacks_no_file_of_the_collection(folder: str, contents: dict[str, str]) -> None:
    files = {name for name in known(folder) if not (folder == "docs" and name.endswith(".py"))}
    assert files
    assert files <= set(contents)


def test_tarball_has_the_licence_that_it_names(contents: dict[str, str]) -> None:
    galaxy = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())
    assert galaxy["license"] == ["Apache-2.0"]
    assert "Apache License\n                           Version 2.0, January 2004" in contents["LICENSE"]
    assert "END OF TERMS AND CONDITIONS" in contents["LICENSE"]


def test_links_of_the_readme_resolve_in_the_tarball(contents: dict[str, str]) -> None:
    links = [link for link in LINK.findall(contents["README.md"]) if "://" not in link]
    assert links
    assert [link for link in links if link.split("#")[0] not in contents] == []
