"""Sizes of the missing files and the free disk space, known before the first download."""

from __future__ import annotations

import os
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem

from tests.support.mirror_samples import BIG_FILE, Site, Source, tree_of


def test_full_disk_is_reported_before_the_first_download(site: Site, served: Source, monkeypatch: Any) -> None:
    class Small:
        f_bavail, f_frsize = 1000, 1000

    monkeypatch.setattr(os, "statvfs", lambda place: Small)
    with pytest.raises(Problem, match=r"no room for 7 files: \d+ kB needed, 1.0 MB free.*prune=true"):
        site.mirror(served.url)
    assert not served.downloads()


def test_all_files_that_the_source_lacks_are_reported_at_once(site: Site, served: Source) -> None:
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
