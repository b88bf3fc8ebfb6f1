"""Downloads that break off, and servers without ranges or lengths."""

from __future__ import annotations

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.settings import Sources

from tests.support.mirror_samples import BIG_FILE, Site, Source, whole


def test_interrupted_download_resumes_at_its_offset(site: Site, served: Source) -> None:
    served.faults[BIG_FILE] = ["cut:100000", "cut:50000", "status:503"]
    site.mirror(served.url)
    whole(site.folder / "m")
    ranges = served.downloads(BIG_FILE)
    assert len(ranges) == 4 and ranges[0] == "" and ranges[1:] == ["bytes=100000-", "bytes=150000-", "bytes=150000-"]


def test_retries_are_unlimited_with_progress_and_limited_without(site: Site, served: Source) -> None:
    served.faults[BIG_FILE] = ["cut:20000"] * 12
    site.mirror(served.url)
    assert len(served.downloads(BIG_FILE)) == 13
    served.faults[BIG_FILE] = ["status:500"] * 50
    with pytest.raises(Problem, match=rf"{BIG_FILE} cannot be downloaded.*HTTP 500.*\(6 tries\)"):
        site.mirror(served.url, "m2")
    served.ranges, served.faults[BIG_FILE] = False, ["cut:20000"] * 50
    with pytest.raises(Problem, match=r"broke off after 20000 of \d+ bytes \(6 tries\).*what has arrived is kept"):
        site.mirror(served.url, "m3")


def test_server_without_range_requests(site: Site, served: Source) -> None:
    served.ranges, served.faults[BIG_FILE] = False, ["cut:1000"]
    site.mirror(served.url)
    assert served.downloads(BIG_FILE) == ["", "bytes=1000-"]
    whole(site.folder / "m")


def test_server_without_content_length(site: Site, served: Source) -> None:
    served.faults[BIG_FILE] = ["chunked:cut", "chunked"]
    site.mirror(served.url)
    assert served.downloads(BIG_FILE) == ["", "bytes=50000-"]
    whole(site.folder / "m")


def test_unreachable_source_is_reported_with_its_remedy(site: Site) -> None:
    with pytest.raises(Problem, match=r"cannot be downloaded.*refused \(6 tries\).*proxy"):
        site.mirror("http://127.0.0.1:9")
    with pytest.raises(Problem, match="is not a valid address"):
        site.mirror("gopher://127.0.0.1:9")
    with pytest.raises(Problem, match="does not have 7 of 7"):
        site.mirror("/nowhere", sources=Sources("/nowhere", "/nowhere", "/nowhere"))
