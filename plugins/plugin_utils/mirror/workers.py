"""A few threads for a run's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from ..net.errors import Stopped
from .mirror import Mirror
from .plan import Item
from .progress import Progress


def each(mirror: Mirror, work: Callable[[Item], None], items: Sequence[Item], progress: Progress, threads: int) -> None:
    """Do something for each item in a few threads, while this one says how far it is and heeds whoever waits.

    :raises Stopped: where the run is to end
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
                progress.tell()
                if not mirror.alive():
                    raise Stopped
                for future in done:
                    future.result()
        except BaseException:
            mirror.stop.set()
            for future in pending:
                future.cancel()
            raise
