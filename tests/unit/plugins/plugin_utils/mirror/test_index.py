"""The index of a channel folder, and the package index for pip and uv."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import locked_package
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.index import simple_pages

from tests.support.mirror_samples import Site, Source, source, wheel, whole


def test_index_lists_archives_of_the_first_format(site: Site, served: Source) -> None:
    site.lock("dev", "train", "python", site.add_old("old"))
    site.mirror(served.url)
    index = json.loads((site.folder / "m/forge/linux-64/repodata.json").read_text())
    assert index["packages"]["old-1.0-0.tar.bz2"]["build"] == "0" and len(index["packages.conda"]) == 2
    assert "forge/linux-64/old-1.0-0.tar.bz2" in whole(site.folder / "m")


def test_index_keeps_dependencies_that_the_channel_repaired(site: Site, served: Source) -> None:
    """conda-forge repairs the dependencies of published archives in its index; the lock has the repaired ones."""
    repaired = site.package("alpha=2.0", dependencies=(("python", ">=3,<3.99"),))
    site.lock("dev", "train", "python", repaired)
    site.mirror(served.url)
    records = json.loads((site.folder / "m/forge/noarch/repodata.json").read_text())["packages.conda"]
    assert records["alpha-2.0-pytiny_1.conda"]["depends"] == ["python >=3,<3.99"]
    assert records["alpha-1.0-pytiny_0.conda"]["depends"] == ["python >=3"]
    assert records["alpha-2.0-pytiny_1.conda"]["constrains"] == ["absent >=1"], "which a lock does not have"
    assert not {"fn", "url", "channel"} & set(records["alpha-2.0-pytiny_1.conda"])
    # where two locks differ in it, the one that hosts hold now counts, not the one that was before
    site.lock("dev", "train", site.package("alpha=1.0", dependencies=(("python", ">=1"),)), previous=True)
    site.mirror(served.url)
    records = json.loads((site.folder / "m/forge/noarch/repodata.json").read_text())["packages.conda"]
    assert records["alpha-1.0-pytiny_0.conda"]["depends"] == ["python >=3"]


def test_archive_of_another_package_is_refused(site: Site, served: Source) -> None:
    beta, gamma = site.package("beta"), site.package("gamma")
    data = (site.upstream / "forge/linux-64/beta-1.0-htiny_0.conda").read_bytes()
    (site.upstream / "forge/linux-64/gamma-1.0-htiny_0.conda").write_bytes(data)
    site.lock("dev", "train", locked_package.Package(**{**gamma.__dict__, "sha256": beta.sha256, "md5": beta.md5}))
    with pytest.raises(Problem, match=r"gamma-1.0-htiny_0.conda is not the package that the lock names.*beta 1.0"):
        site.mirror(served.url, chosen=("dev",))
    assert not list((site.folder / "m").rglob("repodata.json"))


def test_wheels_become_a_package_index_for_pip(site: Site, served: Source) -> None:
    demo = wheel(site)(served.url)
    site.lock("dev", "train", "python", demo)
    site.mirror(served.url)
    page = (site.folder / "m/simple/demo/index.html").read_text()
    assert f'<a href="demo-1.0-py3-none-any.whl#sha256={demo.sha256}">' in page
    assert '<a href="demo/">demo</a>' in (site.folder / "m/simple/index.html").read_text()
    (site.folder / "r.txt").write_text(f"demo==1.0 --hash=sha256:{demo.sha256}\n")
    with source(site.folder / "m") as mirror:
        for place in ((site.folder / "m/simple").as_uri(), f"{mirror.url}/simple/"):
            options = ["-q", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-cache-dir"]
            command = [sys.executable, "-m", "pip", "download", *options, "--index-url", place]
            done = subprocess.run(
                [*command, "-d", str(site.folder / "got"), "-r", str(site.folder / "r.txt")],
                capture_output=True, text=True, env={**os.environ, "PIP_CONFIG_FILE": os.devnull}, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            got = (site.folder / "got/demo-1.0-py3-none-any.whl").read_bytes()
            assert hashlib.sha256(got).hexdigest() == demo.sha256
            shutil.rmtree(site.folder / "got")
    site.lock("dev", "train", "python")
    site.mirror(served.url, prune=True)
    assert not (site.folder / "m/simple").exists()


def test_pages_escape_file_names() -> None:
    page = simple_pages({'simple/a/a-1+"<b>".whl': "00"})["simple/a/index.html"].decode()
    assert "<b>" not in page and "&lt;b&gt;" in page
