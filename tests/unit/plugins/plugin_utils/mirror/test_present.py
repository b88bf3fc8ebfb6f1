"""What a mirror already holds: repair and pruning."""

from __future__ import annotations

import json
import os

from ansible_collections.lockstep.fleet.plugins.module_utils.host.disk_space import human

from tests.support.mirror_samples import BIG_FILE, Site, Source, tree_of, whole


def test_damaged_and_missing_files_are_repaired(site: Site, served: Source) -> None:
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


def test_unneeded_files_are_pruned_only_on_request(site: Site, served: Source) -> None:
    site.mirror(served.url)
    dest = site.folder / "m"
    (dest / "forge/linux-64/foreign-1.0-0.conda").write_bytes(b"of another tool")
    (site.locks / "prod/previous/train.conda-lock.yml").unlink()
    gamma = "forge/linux-64/gamma-1.0-htiny_0.conda"
    kept = site.mirror(served.url)
    assert list(kept.prunable) == [gamma] and gamma in whole(dest), "hosts may still ask for it"
    assert "1 files that no chosen lock needs stay" in kept.summary[-1] and "foreign-1.0-0.conda" in kept.notes[0]
    data = (dest / gamma).read_bytes()
    (dest / gamma).write_bytes(data[:-1] + b"!")
    assert gamma not in whole_after(site, served) and (dest / gamma).exists(), "damaged and not needed"
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
