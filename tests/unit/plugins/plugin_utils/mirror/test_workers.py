"""Progress messages of a run."""

from __future__ import annotations

import re

from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.workers import Progress

from tests.support.mirror_samples import Site, Source


def test_progress_reports_files_bytes_and_time_left(site: Site, served: Source) -> None:
    said: list[str] = []
    run(site.settings(served.url), True, said.append)
    assert said[0] == "mirror: asking for the sizes of 7 files" and said[1].startswith("mirror: fetching 7 files, 5")
    assert re.match(r"mirror: fetched 7 files, \d+ kB in 0 s, .*/s", said[-1])
    progress = Progress(said.append, 10, 1000)
    progress.began, progress.reported = progress.began - 10, progress.reported - 10
    progress.add_bytes(500)
    progress.finish_file()
    progress.report_due()
    progress.report_due()
    assert said[-1] == "mirror: 1 of 10 files, 500 bytes of 1.0 kB, 50 bytes/s, 10 s left" and len(said) == 4
