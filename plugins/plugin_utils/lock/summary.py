"""Summarise locks: one line for each platform."""

from __future__ import annotations

from typing import Any

from ..conda import variants
from ..conda.lockfile import Lock
from .outcome import Outcome


def of_platform(lock: Lock, platform: str, size: int) -> dict[str, Any]:
    """Return the summary of a lock for one platform: packages, download size, variants.

    :param size: bytes to download
    """
    packages = lock.of(platform)
    return {
        "platform": platform,
        "packages": len(packages),
        "download_bytes": size,
        "variants": variants.of_environment(packages),
    }


def lines(outcome: Outcome, written: bool = True) -> list[str]:
    """Return the lines to print for an outcome, one for each platform."""
    state = "unchanged" if not outcome.changed else "changed" if written else "would change"
    shown = []
    for item in outcome.platforms:
        kinds = ", ".join(f"{name} {value}" for name, value in sorted(item["variants"].items()))
        shown.append(
            f"{outcome.name:<12} {item['platform']:<14} {item['packages']:>4} packages "
            f"{_size(item['download_bytes']):>8}  {kinds or '-'}  ({state})"
        )
    return shown


def _size(count: int) -> str:
    return (
        f"{count / 1e9:.2f} GB"
        if count >= 1e9
        else f"{count / 1e6:.1f} MB"
        if count >= 1e6
        else f"{count / 1e3:.0f} kB"
    )
