"""Downloading the missing files of a mirror."""

from __future__ import annotations

import hashlib
import shutil
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.settings import Sources

from tests.support.mirror_samples import BIG_FILE, Site, Source, tree_of, whole


def test_partial_file_of_an_earlier_run_is_resumed(site: Site, served: Source) -> None:
    name = hashlib.sha256(f"{site.package('big').sha256} forge/linux-64/{BIG_FILE}".encode()).hexdigest()
    partial = site.folder / "m/.lockstep/partial" / name
    partial.parent.mkdir(parents=True)
    data = (site.upstream / "forge/linux-64" / BIG_FILE).read_bytes()
    partial.write_bytes(data[:3333])
    (partial.parent / ("0" * 64)).write_bytes(b"of a file that no lock names any more")
    site.mirror(served.url)
    assert served.downloads(BIG_FILE) == ["bytes=3333-"] and not partial.parent.exists()
    for left in (data, b"x" * 3333, data + b"more"):  # whole; wrong; too long
        shutil.rmtree(site.folder / "m")
        served.log.clear()
        partial.parent.mkdir(parents=True)
        partial.write_bytes(left)
        site.mirror(served.url)
        whole(site.folder / "m")
        asked = served.downloads(BIG_FILE)
        assert asked == [] if left == data else asked[-1] == "" and len(asked) == 2


def test_file_with_a_wrong_checksum_is_never_published(site: Site, served: Source) -> None:
    site.mirror(served.url, chosen=("prod",))
    before = tree_of(site.folder / "m")
    served.faults[BIG_FILE] = ["wrong"]
    site.mirror(served.url, "m2")
    assert len(served.downloads(BIG_FILE)) == 2, "once may be chance"
    served.faults[BIG_FILE] = ["wrong"] * 9
    with pytest.raises(Problem, match=rf"{BIG_FILE} is not the file that is locked.*its sha256 is .*Remedy"):
        site.mirror(served.url)
    after = tree_of(site.folder / "m")
    assert {path: data for path, data in after.items() if path in before} == before, "and indexes are as they were"
    assert not [path for path in after if BIG_FILE in path]


def test_refused_access_ends_the_run(site: Site, served: Source) -> None:
    for code, remedy in ((401, "netrc"), (407, "HTTPS_PROXY")):
        served.faults = {name: [f"status:{code}"] * 3 for name in (BIG_FILE, "alpha-1.0-pytiny_0.conda")}
        with pytest.raises(Problem, match=rf"refuses access \(HTTP {code}\).*{remedy}"):
            site.mirror(served.url)


def test_rattler_wheels_without_a_source_come_from_the_controllers_cache(
    site: Site, served: Source, monkeypatch: Any
) -> None:
    """Without a source for them they come by way of the controller's cache, which pip fills."""
    file, sha256 = site.extras.rattler_wheels[0]["linux-64"].values()
    monkeypatch.setenv("LOCKSTEP_CACHE", str(site.folder / "cache"))
    (site.folder / "cache/wheels").mkdir(parents=True)
    shutil.copy(site.upstream / "rattler" / file, site.folder / f"cache/wheels/{sha256[:16]}-{file}")
    sources = Sources(served.url, f"{served.url}/miniconda", "")
    assert f"+ rattler/{file}  size not known" in site.mirror(served.url, write=False, sources=sources).difference()
    site.mirror(served.url, sources=sources)
    assert (site.folder / "m/rattler" / file).read_bytes() == (site.upstream / "rattler" / file).read_bytes()
