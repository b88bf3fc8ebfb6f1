"""Find or make a Pulumi engine: the one on PATH, else the official release, else one built here."""

from __future__ import annotations

from pathlib import Path

from . import places
from .build import build
from .path import on_path
from .places import EngineError, say
from .release import UnreachableError, download
from .store import once, whole

SOURCES = ("path", "release", "build")


def ensure(sources: tuple[str, ...] = SOURCES, store: Path | None = None) -> Path:
    """Return the folder that holds `pulumi` and its Python language host.

    :param sources: which ways may be tried
    :param store: another place for what is downloaded or built
    :raises EngineError: if none works, with the reason of each
    """
    store = store or places.cache() / "pulumi"
    reasons: list[str] = []
    if "path" in sources:
        found = on_path()
        if found:
            return found
        reasons.append("PATH has no usable pulumi")
    version, built = places.sdk_version(), f"{places.built_version()}-built-{places.pins_digest()}"
    if "build" in sources and whole(store / built) and not whole(store / version):
        return store / built  # made earlier: use it without asking the network
    if "release" in sources:
        try:
            return once(store, version, lambda folder: download(version, folder))
        except UnreachableError as error:
            reasons.append(f"the official release cannot be reached ({error})")
            say(reasons[-1])
    if "build" in sources:
        try:
            return once(store, built, build)
        except EngineError as error:
            reasons.append(f"it cannot be built: {error}")
    raise EngineError(
        "no Pulumi engine: " + "; ".join(reasons) + ". Remedy: install Pulumi and put it on PATH, or install Go "
        "1.21 or later where a Go module proxy can be reached."
    )
