"""Say how far a run is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ...module_utils.host.disk_space import human

Say = Callable[[str], None]


class Progress:
    """Counts what arrives and says so now and then."""

    def __init__(self, say: Say, files: int, total: int) -> None:
        self.say_line, self.files, self.total = say, files, total
        self.done = self.bytes = self.arrived = 0
        self.began = self.told = time.monotonic()
        self.guard = threading.Lock()

    def arrive(self, count: int) -> None:
        """Count bytes; negative where they had to be thrown away."""
        with self.guard:
            self.bytes += count
            self.arrived += max(count, 0)

    def finish(self) -> None:
        """Count a file that is done."""
        with self.guard:
            self.done += 1

    def tell(self) -> None:
        """Say how far it is: every 5 seconds, after the first minute every 30."""
        now = time.monotonic()
        if now - self.told < (5 if now - self.began < 60 else 30):
            return
        self.told = now
        rate = self.arrived / (now - self.began)
        left = f", {max(self.total - self.bytes, 0) / rate:.0f} s left" if rate else ""
        size = f"{human(self.bytes)} of {human(self.total)}"
        self.say_line(f"mirror: {self.done} of {self.files} files, {size}, {human(rate)}/s{left}")
