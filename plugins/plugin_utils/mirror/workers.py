"""Process files in a few threads, and report progress."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from ...module_utils.host.disk_space import human
from ..net.errors import Stopped
from .items import Item
from .mirror import Mirror, Report


class Progress:
    """Count files and bytes; report them at intervals.

    :param files: number of files
    :param total: bytes of all files
    """

    def __init__(self, report: Report, files: int, total: int) -> None:
        self.report, self.files, self.total = report, files, total
        self.done = self.bytes = self.arrived = 0
        self.began = self.reported = time.monotonic()
        self.guard = threading.Lock()

    def add_bytes(self, count: int) -> None:
        """Count bytes; negative if they were discarded."""
        with self.guard:
            self.bytes += count
            self.arrived += max(count, 0)

    def finish_file(self) -> None:
        """Count a finished file."""
        with self.guard:
            self.done += 1

    def report_due(self) -> None:
        """Report if it is time: every 5 seconds, after the first minute every 30."""
        now = time.monotonic()
        if now - self.reported < (5 if now - self.began < 60 else 30):
            return
        self.reported = now
        rate = self.arrived / (now - self.began)
        left = f", {max(self.total - self.bytes, 0) / rate:.0f} s left" if rate else ""
        size = f"{human(self.bytes)} of {human(self.total)}"
        self.report(f"mirror: {self.done} of {self.files} files, {size}, {human(rate)}/s{left}")


def for_each(
    mirror: Mirror, work: Callable[[Item], None], items: Sequence[Item], progress: Progress, threads: int
) -> None:
    """Call `work` for each item in a few threads; meanwhile report progress and check that the caller is alive.

    :raises Stopped: if the run must end
    """
    if not items:
        return

    def guarded(item: Item) -> None:
        if mirror.stop.is_set():
            raise Stopped
        work(item)

    with ThreadPoolExecutor(min(threads, len(items)), thread_name_prefix="mirror") as pool:
        pending: set[Future[None]] = {pool.submit(guarded, item) for item in items}
        try:
            while pending:
                done, pending = wait(pending, timeout=0.5)
                progress.report_due()
                if not mirror.alive():
                    raise Stopped
                for future in done:
                    future.result()
        except BaseException:
            mirror.stop.set()
            for future in pending:
                future.cancel()
            raise
