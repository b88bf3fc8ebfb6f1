"""A run from beginning to end: contents, repeatability, check mode, exclusive access, secrets."""

from __future__ import annotations

import json
import shutil
import threading

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.settings import Sources
from ansible_collections.lockstep.fleet.plugins.plugin_utils.net.errors import Stopped

from tests.support.mirror_samples import ALIAS, BIG_FILE, Site, Source, source, tree_of, wheel, whole
from tests.support.waiting import until


def test_mirror_holds_what_the_locks_name_and_nothing_else(site: Site, served: Source) -> None:
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
        and made.summary[0].startswith(f"{dest}: 5 packages, 1 installer, 1 rattler wheel")
    )
    contents = json.loads((dest / "contents.json").read_text())
    by_path = {file["path"]: file for file in contents["files"]}
    assert by_path["forge/linux-64/gamma-1.0-htiny_0.conda"]["uses"] == ["prod/train/linux-64 (previous)"]
    python = next(path for path in listed if "/python-" in path)
    assert by_path[python]["uses"] == ["dev/train/linux-64", "prod/train/linux-64", "prod/train/linux-64 (previous)"]
    assert by_path[python]["url"] == f"{ALIAS}/{python}" and served.url not in (dest / "contents.json").read_text()
    assert "train        linux-64           3 packages" in (dest / "contents-dev.txt").read_text()


def test_second_run_downloads_and_changes_nothing(site: Site, served: Source) -> None:
    site.mirror(served.url)
    before, asked = tree_of(site.folder / "m"), len(served.downloads())
    again = site.mirror(served.url)
    assert not again.changed and not again.fetched and not again.difference()
    assert tree_of(site.folder / "m") == before and len(served.downloads()) == asked


def test_same_locks_give_the_same_bytes(site: Site, served: Source) -> None:
    """Whatever the order of arrival, and whether it was made at once or grew and was pruned."""
    site.mirror(served.url, "m1", chosen=("prod",))
    site.mirror(served.url, "m1")
    site.lock("dev", "extra", "python", "beta")
    site.mirror(served.url, "m1")
    (site.locks / "dev" / "extra.conda-lock.yml").unlink()
    site.mirror(served.url, "m1", prune=True)
    site.mirror(site.upstream.as_uri(), "m2")
    assert tree_of(site.folder / "m1") == tree_of(site.folder / "m2")


def test_check_mode_predicts_the_run_and_writes_nothing(site: Site, served: Source) -> None:
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


def test_second_run_on_a_mirror_in_use_is_refused(site: Site, served: Source) -> None:
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


def test_run_stops_when_its_caller_is_gone(site: Site, served: Source) -> None:
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


def test_mirror_of_a_mirror_is_identical(site: Site, served: Source) -> None:
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


def test_run_writes_and_prints_no_secret(site: Site, served: Source) -> None:
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
