"""One run at a mirror: what is wanted, what is remembered, what has come of it so far."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..net.download import Fetcher
from . import contents, files
from .layout import CONTENTS, STATE
from .outcome import Outcome
from .plan import Item, Wanted
from .progress import Say
from .seen import Seen
from .settings import Settings

SHOWN = 12  # files that a message names


@dataclass
class Mirror:
    """One run, under the lock. `stop` is set by whoever ends it, and `alive` says whether somebody still waits for it;
    `known` are sizes of files that the source told already, `former` is the list of contents that is there.
    """

    settings: Settings
    want: Wanted
    fetcher: Fetcher
    stop: threading.Event
    say: Say
    alive: Callable[[], bool]
    known: Mapping[str, int]
    seen: Seen
    former: dict[str, Any]
    outcome: Outcome = field(default_factory=Outcome)

    @property
    def dest(self) -> Path:
        """The mirror's folder."""
        return self.settings.dest

    @property
    def state(self) -> Path:
        """The folder in it that no client asks for."""
        return self.settings.dest / STATE

    def partial(self, item: Item) -> Path:
        """Return where a download grows; the name says of which bytes and for which place, for the next run."""
        return self.state / "partial" / files.sha256(f"{item.sha256} {item.path}".encode())


def former_contents(dest: Path) -> dict[str, Any]:
    """Return the list of contents that is there, an empty one where there is none of ours."""
    try:
        found = contents.read((dest / CONTENTS).read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError):
        found = None
    return found or {"files": [], "indexes": {}}
