"""Mirrors: what goes in, how it is fetched when the network misbehaves, what clients see, what is never written."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.lockstep.fleet.plugins.module_utils.host.disk_space import human
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import locked_package
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror import contents
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.layout import (
    MINICONDA,
    RATTLER,
    SIMPLE,
    path_of,
    safe,
)
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.progress import Progress
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.settings import Extras, Sources
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.simple import simple_pages
from ansible_collections.lockstep.fleet.plugins.plugin_utils.net.credentials import split_credentials
from ansible_collections.lockstep.fleet.plugins.plugin_utils.net.download import Fetcher
from ansible_collections.lockstep.fleet.plugins.plugin_utils.net.errors import Stopped

from tests.support.mirror_samples import ALIAS, Site, Source, source, tree_of, whole
from tests.support.paths import CHECKOUT
from tests.support.small_channel import usual
from tests.support.waiting import until

BIG_FILE = "big-1.0-htiny_0.conda"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """What all tests start from."""
    site = Site(tmp_path_factory.mktemp("made"))
    site.usual()
    return site


@pytest.fixture
def site(made: Site, tmp_path: Path) -> Site:
    found = copy.copy(made)
    found.folder, found.upstream, found.locks = tmp_path / "site", tmp_path / "site/upstream", tmp_path / "site/locks"
    shutil.copytree(made.folder, found.folder, symlinks=True)
    return found


@pytest.fixture
def served(site: Site) -> Iterator[Source]:
    with source(site.upstream) as one:
        yield one


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No waiting between tries, and nobody's own credentials."""
    monkeypatch.setattr(Fetcher.__init__, "__defaults__", (None, None, lambda count: None, 0.01, 5.0))
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


# -- what is in it -----------------------------------------------------------------------------------------------------


def test_a_mirror_holds_what_the_locks_name_and_nothing_else(site: Site, served: Source) -> None:
    made = site.mirror(served.url)
    dest = site.folder / "m"
    listed = whole(dest)
    assert [path.rpartition("/")[2].split("-")[0] for path in listed] == ["big", "gamma", "python", "alpha", "alpha"]
    assert "forge/noarch/alpha-1.0-pytiny_0.conda" in listed, "what prod has"
    assert "forge/linux-64/gamma-1.0-htiny_0.conda" in listed, "what a rollback of prod needs"
    assert set(tree_of(dest)) == {
        *listed, "forge/noarch/repodata.json", "forge/linux-64/repodata.json",
        "miniconda/Miniconda3-py312_26.5.3-1-Linux-x86_64.sh", "rattler/py_rattler-1-cp310-abi3-linux_x86_64.whl",
        "contents.json", "contents-dev.txt", "contents-prod.txt",
    }  # fmt: skip
    assert (
        made.changed
        and len(made.fetched) == 7
        and made.summary[0].startswith(f"{dest}: 5 packages, 1 installer, 1 engi")
    )
    contents = json.loads((dest / "contents.json").read_text())
    by_path = {file["path"]: file for file in contents["files"]}
    assert by_path["forge/linux-64/gamma-1.0-htiny_0.conda"]["uses"] == ["prod/train/linux-64 (previous)"]
    python = next(path for path in listed if "/python-" in path)
    assert by_path[python]["uses"] == ["dev/train/linux-64", "prod/train/linux-64", "prod/train/linux-64 (previous)"]
    assert by_path[python]["url"] == f"{ALIAS}/{python}" and served.url not in (dest / "contents.json").read_text()
    assert "train        linux-64           3 packages" in (dest / "contents-dev.txt").read_text()


def test_a_second_run_asks_for_nothing_and_changes_nothing(site: Site, served: Source) -> None:
    site.mirror(served.url)
    before, asked = tree_of(site.folder / "m"), len(served.downloads())
    again = site.mirror(served.url)
    assert not again.changed and not again.fetched and not again.difference()
    assert tree_of(site.folder / "m") == before and len(served.downloads()) == asked


def test_the_same_locks_give_the_same_bytes(site: Site, served: Source) -> None:
    """Whatever the order of arrival, and whether it was made at once or grew and was pruned."""
    site.mirror(served.url, "m1", chosen=("prod",))
    site.mirror(served.url, "m1")
    site.lock("dev", "extra", "python", "beta")
    site.mirror(served.url, "m1")
    (site.locks / "dev" / "extra.conda-lock.yml").unlink()
    site.mirror(served.url, "m1", prune=True)
    site.mirror(site.upstream.as_uri(), "m2")
    assert tree_of(site.folder / "m1") == tree_of(site.folder / "m2")


def test_choosing(site: Site, served: Source) -> None:
    site.mirror(served.url, chosen=("dev",), platforms=("linux-64",), envs=("train",))
    assert [path.rpartition("/")[2][:5] for path in whole(site.folder / "m")] == ["big-1", "pytho", "alpha"]
    for wrong, said in (
        ({"chosen": ("qa",)}, "'qa' is no tier.*dev, test, prod"),
        ({"chosen": ("../dev",)}, "'../dev' is no tier"),
        ({"chosen": ("test",)}, "tier test has no locks"),
        ({"envs": ("trian",)}, "no lock of trian.*dev, prod"),
        ({"platforms": ("osx-64",)}, "no lock has packages for osx-64.*linux-64"),
    ):
        with pytest.raises(Problem, match=f"(?s){said}"):
            site.mirror(served.url, "m2", **wrong)
    assert not (site.folder / "m2").exists()
    assert site.mirror(served.url, platforms=("linux-64", "osx-64")).notes == ["no lock has packages for osx-64"]


def test_a_lock_that_is_refused(site: Site, served: Source) -> None:
    path = site.locks / "prod" / "previous" / "train.conda-lock.yml"
    path.write_text(path.read_text().replace("sha256: ", "sha256: 0"))
    made = site.mirror(served.url)
    assert "prod/previous/train.conda-lock.yml is left out, and a rollback would refuse it" in made.notes[0]
    path = site.locks / "prod" / "train.conda-lock.yml"
    path.write_text("version: 1\n")
    with pytest.raises(Problem, match=r"prod/train.conda-lock.yml cannot be used"):
        site.mirror(served.url)
    with pytest.raises(Problem, match="not one of the allowed"):
        site.mirror(served.url, chosen=("dev",), channels=("conda-forge",))


def test_several_channels_and_one_by_its_url(site: Site, served: Source) -> None:
    url = f"{served.url}/own"
    shutil.copytree(site.upstream / "forge", site.upstream / "own")
    gamma = site.package("gamma")
    mine = locked_package.Package(**{**gamma.__dict__, "url": gamma.url.replace(f"{ALIAS}/forge", url)})
    site.lock("dev", "both", "python", "stranger", channels=("forge", "other/label/rc"))
    site.lock("dev", "mine", mine, channels=(url,))
    made = site.mirror(served.url, chosen=("dev",))
    folder = f"127.0.0.1_{served.server.server_port}/own"
    listed = whole(site.folder / "m")
    assert "other/label/rc/linux-64/stranger-1.0-htiny_0.conda" in listed
    assert f"{folder}/linux-64/gamma-1.0-htiny_0.conda" in listed
    assert (site.folder / "m" / "other/label/rc/noarch/repodata.json").exists(), "always there, also without packages"
    assert f"channel {url} is named by its url" in made.notes[0] and f"serve {folder} at that" in made.notes[0]


def test_two_files_of_one_name(site: Site, served: Source) -> None:
    """The channel replaced a file between two locks: one mirror cannot hold both."""
    site.lock("test", "train", site.package("python", sha256="ab" * 32))
    with pytest.raises(Problem, match=r"two files would lie at forge/linux-64/python.*Remedy: lock again"):
        site.mirror(served.url)


def test_a_table_without_what_is_needed(site: Site, served: Source) -> None:
    extras = Extras(("py313_1-1",), {}, ({"linux-aarch64": {"file": "x.whl", "sha256": "ab" * 32}},))
    notes = site.mirror(served.url, extras=extras).notes
    assert notes == ["miniconda_installers has no installer of py313_1-1 for linux-64",
                     "conda_envs_rattler_wheels has none for linux-64"]  # fmt: skip
    bad = Extras((), {}, ({"linux-64": {"file": "../x.whl", "sha256": "ab" * 32}},))
    with pytest.raises(Problem, match="not a file's name"):
        site.mirror(served.url, extras=bad)


def test_rattler_wheels_of_the_controllers_own_pip(site: Site, served: Source, monkeypatch: Any) -> None:
    """Without a source for them they come by way of the controller's cache, which pip fills."""
    file, sha256 = site.extras.rattler_wheels[0]["linux-64"].values()
    monkeypatch.setenv("LOCKSTEP_CACHE", str(site.folder / "cache"))
    (site.folder / "cache/wheels").mkdir(parents=True)
    shutil.copy(site.upstream / "rattler" / file, site.folder / f"cache/wheels/{sha256[:16]}-{file}")
    sources = Sources(served.url, f"{served.url}/miniconda", "")
    assert f"+ rattler/{file}  size not known" in site.mirror(served.url, write=False, sources=sources).difference()
    site.mirror(served.url, sources=sources)
    assert (site.folder / "m/rattler" / file).read_bytes() == (site.upstream / "rattler" / file).read_bytes()


def test_archives_of_the_first_format(site: Site, served: Source) -> None:
    site.lock("dev", "train", "python", site.add_old("old"))
    site.mirror(served.url)
    index = json.loads((site.folder / "m/forge/linux-64/repodata.json").read_text())
    assert index["packages"]["old-1.0-0.tar.bz2"]["build"] == "0" and len(index["packages.conda"]) == 2
    assert "forge/linux-64/old-1.0-0.tar.bz2" in whole(site.folder / "m")


def test_repairs_of_the_channel_are_kept(site: Site, served: Source) -> None:
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


def test_an_archive_that_is_another_package(site: Site, served: Source) -> None:
    beta, gamma = site.package("beta"), site.package("gamma")
    data = (site.upstream / "forge/linux-64/beta-1.0-htiny_0.conda").read_bytes()
    (site.upstream / "forge/linux-64/gamma-1.0-htiny_0.conda").write_bytes(data)
    site.lock("dev", "train", locked_package.Package(**{**gamma.__dict__, "sha256": beta.sha256, "md5": beta.md5}))
    with pytest.raises(Problem, match=r"gamma-1.0-htiny_0.conda is not the package that the lock says.*beta 1.0"):
        site.mirror(served.url, chosen=("dev",))
    assert not list((site.folder / "m").rglob("repodata.json"))


# -- fetching ----------------------------------------------------------------------------------------------------------


def test_a_download_that_breaks_off_goes_on_where_it_was(site: Site, served: Source) -> None:
    served.faults[BIG_FILE] = ["cut:100000", "cut:50000", "status:503"]
    site.mirror(served.url)
    whole(site.folder / "m")
    ranges = served.downloads(BIG_FILE)
    assert len(ranges) == 4 and ranges[0] == "" and ranges[1:] == ["bytes=100000-", "bytes=150000-", "bytes=150000-"]


def test_progress_earns_further_tries_and_standing_still_does_not(site: Site, served: Source) -> None:
    served.faults[BIG_FILE] = ["cut:20000"] * 12
    site.mirror(served.url)
    assert len(served.downloads(BIG_FILE)) == 13
    served.faults[BIG_FILE] = ["status:500"] * 50
    with pytest.raises(Problem, match=rf"{BIG_FILE} cannot be downloaded.*HTTP 500.*\(6 tries\)"):
        site.mirror(served.url, "m2")
    served.ranges, served.faults[BIG_FILE] = False, ["cut:20000"] * 50
    with pytest.raises(Problem, match=r"broke off after 20000 of \d+ bytes \(6 tries\).*what has arrived is kept"):
        site.mirror(served.url, "m3")


def test_a_run_goes_on_with_what_an_earlier_one_left(site: Site, served: Source) -> None:
    name = hashlib.sha256(f"{site.package('big').sha256} forge/linux-64/{BIG_FILE}".encode()).hexdigest()
    partial = site.folder / "m/.lockstep/partial" / name
    partial.parent.mkdir(parents=True)
    data = (site.upstream / "forge/linux-64" / BIG_FILE).read_bytes()
    partial.write_bytes(data[:3333])
    (partial.parent / ("0" * 64)).write_bytes(b"of a file that nobody wants any more")
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


def test_a_server_that_knows_no_parts(site: Site, served: Source) -> None:
    served.ranges, served.faults[BIG_FILE] = False, ["cut:1000"]
    site.mirror(served.url)
    assert served.downloads(BIG_FILE) == ["", "bytes=1000-"]
    whole(site.folder / "m")


def test_a_server_that_tells_no_length(site: Site, served: Source) -> None:
    served.faults[BIG_FILE] = ["chunked:cut", "chunked"]
    site.mirror(served.url)
    assert served.downloads(BIG_FILE) == ["", "bytes=50000-"]
    whole(site.folder / "m")


def test_wrong_bytes_get_no_name(site: Site, served: Source) -> None:
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


def test_what_the_source_does_not_have_is_said_at_once(site: Site, served: Source) -> None:
    (site.upstream / "forge/linux-64" / BIG_FILE).unlink()
    (site.upstream / "forge/noarch/alpha-1.0-pytiny_0.conda").unlink()
    for alias in (served.url, str(site.upstream)):
        with pytest.raises(Problem) as caught:
            site.mirror(alias)
        said = str(caught.value)
        assert (
            "does not have 2 of 7 files" in said
            and BIG_FILE in said
            and "alpha-1.0" in said
            and "Traceback" not in said
        )
        assert "nothing was downloaded" in said and not served.downloads() and not tree_of(site.folder / "m")


def test_a_refusal_ends_the_run(site: Site, served: Source) -> None:
    for code, remedy in ((401, "netrc"), (407, "HTTPS_PROXY")):
        served.faults = {name: [f"status:{code}"] * 3 for name in (BIG_FILE, "alpha-1.0-pytiny_0.conda")}
        with pytest.raises(Problem, match=rf"refuses access \(HTTP {code}\).*{remedy}"):
            site.mirror(served.url)


def test_a_source_that_is_not_there(site: Site) -> None:
    with pytest.raises(Problem, match=r"cannot be downloaded.*refused \(6 tries\).*proxy"):
        site.mirror("http://127.0.0.1:9")
    with pytest.raises(Problem, match="is no address"):
        site.mirror("gopher://127.0.0.1:9")
    with pytest.raises(Problem, match="does not have 7 of 7"):
        site.mirror("/nowhere", sources=Sources("/nowhere", "/nowhere", "/nowhere"))


def test_a_full_disk_is_known_before_anything_is_downloaded(site: Site, served: Source, monkeypatch: Any) -> None:
    class Small:
        f_bavail, f_frsize = 1000, 1000

    monkeypatch.setattr(os, "statvfs", lambda place: Small)
    with pytest.raises(Problem, match=r"no room for 7 files: \d+ kB needed, 1.0 MB free.*prune=true"):
        site.mirror(served.url)
    assert not served.downloads()


# -- what is there already ---------------------------------------------------------------------------------------------


def test_damage_is_found_and_repaired(site: Site, served: Source) -> None:
    site.mirror(served.url)
    path = site.folder / "m/forge/linux-64" / BIG_FILE
    was, data = path.stat(), path.read_bytes()
    path.write_bytes(data[:-1] + b"!")
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns + 10**9))  # another time, even where clocks are coarse
    made = site.mirror(served.url)
    assert made.changed and list(made.fetched) == [f"forge/linux-64/{BIG_FILE}"] and path.read_bytes() == data
    assert made.difference() == [f"~ forge/linux-64/{BIG_FILE}  {human(len(data))}"]
    was = path.stat()
    path.write_bytes(data[:-1] + b"!")
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert not site.mirror(served.url).changed, "as documented: size and time are believed"
    assert site.mirror(served.url, verify=True).repaired == [f"forge/linux-64/{BIG_FILE}"]
    path.unlink()
    assert list(site.mirror(served.url).fetched) == [f"forge/linux-64/{BIG_FILE}"]
    whole(site.folder / "m")


def test_lost_and_broken_notes_cost_time_only(site: Site, served: Source) -> None:
    site.mirror(served.url)
    before = tree_of(site.folder / "m")
    asked = len(served.downloads())
    state = site.folder / "m/.lockstep"
    for name in ("seen", "records.json"):
        (state / name).write_text("}\x00 nonsense\n1 2 3 ../../etc/passwd\n")
    (site.folder / "m/contents.json").write_text("[" * 100_000)
    (site.folder / "m/forge/noarch/repodata.json").write_text("half of an ind")
    assert site.mirror(served.url).indexes == ["contents.json", "forge/noarch/repodata.json"]
    shutil.rmtree(state)
    assert not site.mirror(served.url).changed
    assert tree_of(site.folder / "m") == before and len(served.downloads()) == asked, "hashed, not fetched again"


def test_other_forms_of_an_index_go(site: Site, served: Source) -> None:
    site.mirror(served.url)
    stale = site.folder / "m/forge/noarch/repodata.json.zst"
    stale.write_bytes(b"of another tool, and clients would prefer it")
    assert site.mirror(served.url).changed and not stale.exists()


def test_pruning_only_when_asked(site: Site, served: Source) -> None:
    site.mirror(served.url)
    dest = site.folder / "m"
    (dest / "forge/linux-64/foreign-1.0-0.conda").write_bytes(b"somebody else's")
    (site.locks / "prod/previous/train.conda-lock.yml").unlink()
    gamma = "forge/linux-64/gamma-1.0-htiny_0.conda"
    kept = site.mirror(served.url)
    assert list(kept.prunable) == [gamma] and gamma in whole(dest), "hosts may still ask for it"
    assert "1 files that no chosen lock needs stay" in kept.summary[-1] and "foreign-1.0-0.conda" in kept.notes[0]
    data = (dest / gamma).read_bytes()
    (dest / gamma).write_bytes(data[:-1] + b"!")
    assert gamma not in whole_after(site, served) and (dest / gamma).exists(), "damaged, and nobody needs it"
    (dest / gamma).unlink()
    site.lock("prod", "train", "python", "gamma", previous=True)
    site.mirror(served.url)
    (site.locks / "prod/previous/train.conda-lock.yml").unlink()
    site.mirror(served.url)
    uses = {file["path"]: file["uses"] for file in json.loads((dest / "contents.json").read_text())["files"]}
    assert uses[gamma] == []

    before = tree_of(dest)
    would = site.mirror(served.url, write=False, prune=True)
    assert would.changed and f"- {gamma}" in would.difference() and tree_of(dest) == before
    done = site.mirror(served.url, prune=True)
    assert done.pruned == [gamma] and gamma not in whole(dest) and not (dest / gamma).exists()
    assert (dest / "forge/linux-64/foreign-1.0-0.conda").exists(), "the mirror did not put it there"
    assert not site.mirror(served.url, prune=True).changed


def whole_after(site: Site, served: Source) -> list[str]:
    """What is listed after a run."""
    made = site.mirror(served.url)
    assert any("is damaged and no longer listed" in note for note in made.notes)
    return whole(site.folder / "m")


def test_an_index_forgets_a_file_before_it_goes(site: Site, served: Source, monkeypatch: Any) -> None:
    site.mirror(served.url)
    (site.locks / "prod/previous/train.conda-lock.yml").unlink()
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".conda":
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(Problem, match=r"gamma.*cannot be read or written.*Permission denied"):
        site.mirror(served.url, prune=True)
    monkeypatch.undo()
    assert not [path for path in whole(site.folder / "m") if "gamma" in path]
    assert site.mirror(served.url, prune=True).pruned == ["forge/linux-64/gamma-1.0-htiny_0.conda"], (
        "it is not forgotten"
    )


def test_a_channel_that_is_no_longer_used_goes_as_a_whole(site: Site, served: Source) -> None:
    site.lock("dev", "both", "python", "stranger")
    site.mirror(served.url)
    (site.locks / "dev/both.conda-lock.yml").unlink()
    site.mirror(served.url, prune=True)
    assert not (site.folder / "m/other").exists()


# -- check mode and company --------------------------------------------------------------------------------------------


def test_a_check_tells_the_truth_and_writes_nothing(site: Site, served: Source) -> None:
    would = site.mirror(served.url, write=False)
    assert would.changed and not (site.folder / "m").exists() and not served.downloads()
    done = site.mirror(served.url)
    assert would.fetched == done.fetched and would.summary == done.summary
    everything = {path: path.stat().st_mtime_ns for path in (site.folder / "m").rglob("*")}
    assert not site.mirror(served.url, write=False).changed
    (site.folder / "m/forge/noarch/repodata.json").unlink()
    del everything[site.folder / "m/forge/noarch/repodata.json"]
    everything[site.folder / "m/forge/noarch"] = (site.folder / "m/forge/noarch").stat().st_mtime_ns
    assert site.mirror(served.url, write=False).difference() == ["~ forge/noarch/repodata.json"]
    assert {path: path.stat().st_mtime_ns for path in (site.folder / "m").rglob("*")} == everything


def test_two_at_once(site: Site, served: Source) -> None:
    served.faults[BIG_FILE] = ["held"]
    first = threading.Thread(target=site.mirror, args=(served.url,))
    first.start()
    until(lambda: served.downloads(BIG_FILE), "the first run is downloading")
    for write in (True, False):
        with pytest.raises(Problem, match="another run is at work on the mirror"):
            site.mirror(served.url, write=write)
    served.go.set()
    first.join()
    whole(site.folder / "m")
    assert not site.mirror(served.url).changed


def test_nobody_waits_any_more(site: Site, served: Source) -> None:
    served.faults[BIG_FILE] = ["held"]

    def alive() -> bool:
        gone = bool(served.downloads(BIG_FILE))
        if gone:
            served.go.set()
        return not gone

    with pytest.raises(Stopped):
        run(site.settings(served.url), True, alive=alive)
    assert not list((site.folder / "m").rglob("repodata.json"))
    site.mirror(served.url)
    whole(site.folder / "m")


def test_progress_is_told(site: Site, served: Source) -> None:
    said: list[str] = []
    run(site.settings(served.url), True, said.append)
    assert said[0] == "mirror: asking for the sizes of 7 files" and said[1].startswith("mirror: fetching 7 files, 5")
    assert re.match(r"mirror: fetched 7 files, \d+ kB in 0 s, .*/s", said[-1])
    progress = Progress(said.append, 10, 1000)
    progress.began, progress.told = progress.began - 10, progress.told - 10
    progress.arrive(500)
    progress.finish()
    progress.tell()
    progress.tell()
    assert said[-1] == "mirror: 1 of 10 files, 500 bytes of 1.0 kB, 50 bytes/s, 10 s left" and len(said) == 4


# -- from another mirror, for pip, for clients -------------------------------------------------------------------------


def wheel(site: Site, name: str = "demo", version: str = "1.0") -> Any:
    """A wheel upstream and its entry for a lock."""
    from tests.support.tiny_channel import zip_of

    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    info = f"{name}-{version}.dist-info"
    tag = b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    data = zip_of({f"{name}.py": b"", f"{info}/METADATA": meta, f"{info}/WHEEL": tag, f"{info}/RECORD": b""})
    file = f"{name}-{version}-py3-none-any.whl"
    sha256 = site.plain(f"wheels/{file}", data)
    return lambda url: locked_package.Package("pip", name, "linux-64", version, "", f"{url}/wheels/{file}", "", sha256)


def test_wheels_become_an_index_for_pip(site: Site, served: Source) -> None:
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


def test_a_mirror_of_a_mirror(site: Site, served: Source) -> None:
    site.lock("dev", "train", "python", wheel(site)(served.url))
    site.mirror(served.url)
    nowhere = {"sources": Sources(str(site.folder / "m"), "http://127.0.0.1:9", "http://127.0.0.1:9")}
    asked = len(served.log)
    site.mirror("", "m2", **nowhere)
    assert tree_of(site.folder / "m2") == tree_of(site.folder / "m") and len(served.log) == asked
    with source(site.folder / "m") as mirror:
        site.mirror(mirror.url, "m3", sources=Sources(mirror.url))
        assert tree_of(site.folder / "m3") == tree_of(site.folder / "m")
        assert not [path for path, wanted, _ in mirror.log if wanted == "bytes=0-0"], "the sizes are in the list"


def test_the_solver_and_a_generation_take_it_as_a_channel(site: Site, served: Source, tmp_path: Path) -> None:
    """py-rattler solves from a served mirror; a lock's plan with the mirror as channel alias builds an environment."""
    from ansible_collections.lockstep.fleet.plugins.module_utils.build import build as generation
    from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda import lockfile

    from tests.support.tiny_channel import make_store

    path = site.lock("dev", "train", "python", "alpha=2.0", "beta")
    site.mirror(served.url)
    code = """
import asyncio, os, sys
from rattler import solve
async def main():
    found = await solve(sources=[sys.argv[1]], specs=["alpha"], platforms=["linux-64", "noarch"])
    print(sorted(f"{r.name.normalized} {r.version}" for r in found), flush=True)
asyncio.run(main())
os._exit(0)
"""
    with source(site.folder / "m") as mirror:
        for n, alias in enumerate((mirror.url, (site.folder / "m").as_uri())):
            cache = {**os.environ, "RATTLER_CACHE_DIR": str(tmp_path / "cache")}
            command = [sys.executable, "-c", code, f"{alias}/forge"]
            done = subprocess.run(command, capture_output=True, text=True, env=cache, check=False)
            assert "alpha 2.0" in done.stdout and "python 3" in done.stdout, done.stderr
            store = make_store(tmp_path / f"root{n}")
            lock = lockfile.Lock.loads(path.read_text(), "lock")
            plan = lockfile.plan(lock, "train", "linux-64", channel_alias=alias)
            assert all(package["url"].startswith(f"{alias}/forge/") for package in plan["packages"])
            built = generation.build(store, plan, generation.Options(pip_check=False))
            assert built["changed"] and generation.look(store, plan, "hashes")["state"] == "complete"


def test_the_layout_is_that_of_the_local_fleet() -> None:
    """Both define their folders; a site's variables and the local fleet's must be able to name either."""
    top = CHECKOUT
    variables = (top / "inventory/local/group_vars/all.yml").read_text()
    build = (top / "local/fakes/channel/build.py").read_text()
    assert f'lockstep_channel_alias }}}}/{MINICONDA}"' in variables and f'out / "{MINICONDA}"' in build
    assert f'lockstep_channel_alias }}}}/{RATTLER}"' in variables and f'out / "{RATTLER}"' in build
    assert f'lockstep_channel_alias }}}}/{SIMPLE}/"' in variables and f'out / "{SIMPLE}"' in build
    assert path_of(f"{ALIAS}/local-forge/noarch") == "local-forge/noarch"
    assert 'CHANNEL = "local-forge"' in build and "channel = out / CHANNEL" in build


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_no_secret_is_written_or_said(site: Site, served: Source) -> None:
    host = served.url.removeprefix("http://")
    said: list[str] = []
    token = f"http://me:pass-word@{host}/t/secret-token"
    run(site.settings(token), True, said.append)
    assert any("/t/secret-token/forge" in path for path, _, _ in served.log) and served.log[-1][2].startswith("Basic ")
    served.faults = {BIG_FILE: ["status:403"] * 3}
    problems = []
    for fault in ("status:403", "status:500", "status:418", "wrong"):
        served.faults[BIG_FILE] = [fault] * 9
        shutil.rmtree(site.folder / "m2", ignore_errors=True)
        with pytest.raises(Problem) as caught:
            run(site.settings(token, "m2"), True, said.append)
        problems.append(str(caught.value))
    (site.upstream / "forge/linux-64" / BIG_FILE).unlink()
    with pytest.raises(Problem) as caught:
        run(site.settings(token, "m3"), True, said.append)
    text = "\n".join([*problems, str(caught.value), *said])
    assert BIG_FILE in text and "<token>" in text
    for path in [p for p in site.folder.rglob("*") if p.is_file() and "upstream" not in p.parts]:
        text += path.read_bytes().decode("latin-1")
    for secret in ("secret-token", "pass-word", "me:pass"):
        assert secret not in text


def test_netrc_is_for_its_host_alone(site: Site, served: Source, monkeypatch: Any, tmp_path: Path) -> None:
    with source(site.upstream) as elsewhere:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password pw\ndefault login no password never\n")
        monkeypatch.setenv("NETRC", str(netrc))
        away = elsewhere.url.replace("127.0.0.1", "localhost")
        served.faults[BIG_FILE] = [f"to:{away}/forge/linux-64/{BIG_FILE}"]
        site.mirror(served.url)
        assert {sent for _, _, sent in served.log} == {"Basic bWU6cHc="}
        assert [sent for _, _, sent in elsewhere.log] == [""]
    netrc.write_text("machine 127.0.0.1 login me password pw oops-a-secret\n")
    with pytest.raises(Problem, match=r"netrc cannot be used \(line \d\).*not a netrc file") as caught:
        site.mirror(served.url)
    assert "oops" not in str(caught.value)


# -- TLS and proxies ---------------------------------------------------------------------------------------------------


def test_a_private_certificate_authority(site: Site, tmp_path: Path, monkeypatch: Any) -> None:
    import ssl

    from tests.support.certificates import make

    ca, leaf = make(tmp_path)
    with source(site.upstream) as one:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf)
        one.server.socket = context.wrap_socket(one.server.socket, server_side=True)
        url = one.url.replace("http:", "https:")
        with pytest.raises(Problem, match=r"certificate of 127.0.0.1 is not trusted.*SSL_CERT_FILE"):
            site.mirror(url)
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(variable, str(ca))
            site.mirror(url, f"m-{variable}")
            monkeypatch.setenv(variable, str(tmp_path / "absent.pem"))
            with pytest.raises(Problem, match=f"{variable} names .*absent.pem, which holds no certificates"):
                site.mirror(url, f"m-{variable}")
            monkeypatch.delenv(variable)


def test_a_proxy_is_used_unless_it_is_not_for_the_host(site: Site, served: Source, monkeypatch: Any) -> None:
    with source(site.upstream) as proxy:  # a proxy is asked with whole addresses
        answer = proxy.answer

        def strip(request: Any) -> None:
            request.path = request.path.replace("http://conda.example.com", "")
            answer(request)

        proxy.answer = strip  # type: ignore[method-assign]
        monkeypatch.setenv("http_proxy", proxy.url)
        site.mirror("http://conda.example.com")
        assert len(proxy.downloads()) == 7
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        site.mirror(served.url, "m2")
        assert len(proxy.downloads()) == 7 and len(served.downloads()) == 7


def test_a_proxy_that_refuses(site: Site, served: Source, monkeypatch: Any) -> None:
    """Also where it is only asked for a tunnel; its password is not shown."""
    with source(site.upstream) as proxy:
        handler = proxy.server.RequestHandlerClass
        monkeypatch.setattr(handler, "do_CONNECT", lambda self: proxy.status(self, 407), raising=False)
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//me:pass-word@"))
        with pytest.raises(Problem, match=r"the proxy refuses access \(HTTP 407\).*HTTPS_PROXY") as caught:
            site.mirror("https://conda.example.com")
        assert "pass-word" not in str(caught.value)


def test_credentials_of_a_host(tmp_path: Path, monkeypatch: Any) -> None:
    """All that downloads reads the netrc file: rattler runtime (py-rattler's default client does not), installer,
    wheels.
    """
    from ansible_collections.lockstep.fleet.plugins.module_utils.build import build as generation
    from ansible_collections.lockstep.fleet.plugins.module_utils.miniconda import install
    from ansible_collections.lockstep.fleet.plugins.plugin_utils.net import wheel_cache
    from ansible_collections.lockstep.fleet.plugins.plugin_utils.solve.conda_solver import Question, Solver

    from tests.support.tiny_channel import make_channel, make_store

    channel = make_channel(tmp_path / "channel")
    plan = channel.plan("train", "python", "gamma")
    with source(tmp_path) as one:
        answer = one.answer
        one.answer = lambda request: (  # type: ignore[method-assign,assignment]
            answer(request) if request.headers.get("Authorization") == "Basic bWU6cHc=" else one.status(request, 401)
        )
        for package in plan["packages"]:
            package["url"] = package["url"].replace(tmp_path.as_uri(), one.url)
        with pytest.raises(Problem, match=r"the channel refuses access.*netrc"):
            generation.build(make_store(tmp_path / "root"), plan, generation.Options(pip_check=False))
        file, sha256 = "x-1-py3-none-any.whl", hashlib.sha256(b"x").hexdigest()
        (tmp_path / file).write_bytes(b"x")
        with pytest.raises(Problem, match=r"401.*~/.netrc"):
            install.fetch(f"{one.url}/{file}", sha256, str(tmp_path / "installer"))
        with pytest.raises(Problem, match="401"):
            wheel_cache.wheel(file, sha256, one.url, tmp_path / "cache")
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pw\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        install.fetch(f"{one.url}/{file}", sha256, str(tmp_path / "installer"))
        usual(tmp_path / "solvable")
        asked = Question("linux-64", ("python",), ("conda-forge",), ())
        names = asyncio.run(Solver(f"{one.url}/solvable", tmp_path / "cache").names(asked))
        assert "numpy" in names["conda-forge"]
        assert wheel_cache.wheel(file, sha256, one.url, tmp_path / "cache").read_bytes() == b"x"
        built = generation.build(make_store(tmp_path / "root2"), plan, generation.Options(pip_check=False))
        assert built["downloaded"] == ["gamma", "python"]


def test_hosts_downloads_have_their_environment() -> None:
    """Proxies and certificate authorities of `lockstep_environment` reach each task that downloads on a host."""
    roles = CHECKOUT / "roles"
    downloads = ("lockstep.fleet.miniconda", "lockstep.fleet.conda_env")
    found = []
    for path in sorted(roles.glob("*/tasks/*.yml")):
        for task in yaml.safe_load(path.read_text()) or []:
            if any(module in task for module in downloads):
                found.append(path.name)
                assert task["environment"] == f"{{{{ {path.parts[-3]}_environment }}}}", path
    assert found == ["activate.yml", "stage.yml", "main.yml"]
    for role in ("miniconda", "conda_envs"):
        defaults = yaml.safe_load((roles / role / "defaults/main.yml").read_text())
        assert defaults[f"{role}_environment"] == "{{ lockstep_environment | default({}) }}"


# -- small parts -------------------------------------------------------------------------------------------------------


def test_places() -> None:
    assert path_of(f"{ALIAS}/conda-forge/noarch/x.conda") == "conda-forge/noarch/x.conda"
    assert path_of("https://pkgs.example.com:8443/a/b") == "pkgs.example.com_8443/a/b"
    assert path_of("file:///srv/.hidden/c") == "local/srv/hidden/c"
    for path in ("", "/etc/x", "a//b", "../x", "a/../b", ".lockstep/seen", "a/.b", "a\nb", None):
        assert not safe(path)
    assert contents.read('{"schema": 1, "files": [{"path": "../x"}], "indexes": {}}') is None
    assert split_credentials("https://u%40x:p%3A@h:1/t") == ("https://h:1/t", {"h": ("u@x", "p:")})


def test_pages_quote_what_they_are_given() -> None:
    page = simple_pages({'simple/a/a-1+"<b>".whl': "00"})["simple/a/index.html"].decode()
    assert "<b>" not in page and "&lt;b&gt;" in page
