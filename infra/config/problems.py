"""Collect the mistakes in a configuration, so that users see all of them at once."""

from __future__ import annotations

from collections.abc import Iterable


class Problems:
    """Mistakes, each with the path of its key, what is wrong, and what to write instead."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._seen: list[str] = []
        self._settled: list[str] = []

    def add(self, path: str, what: str, remedy: str, *reads: str) -> None:
        """Add a mistake, unless it only follows from one that was settled.

        :param path: the key, such as `groups.train.count`
        :param reads: paths of the other keys that the mistake was concluded from
        """
        if any(_overlap(one, known) for one in (path, *reads) for known in self._settled):
            return
        self._seen.append(path)
        self.found.append(_printable(f"{path}: {what}. {remedy}" + ("" if remedy.endswith("?") else ".")))

    def settle(self) -> None:
        """Ignore further mistakes about keys that have one already."""
        self._settled = list(self._seen)


def join(parts: Iterable[str | int]) -> str:
    """Write a path: `("access", "ssh_keys", 0)` is `access.ssh_keys[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def shown(value: object) -> str:
    """Show a value in a message: short, on one line, and never a private key."""
    if value is None:
        return "null"
    text = repr(value) if isinstance(value, str) else str(value)
    if "PRIVATE KEY" in text:
        return "a private key"
    return text if len(text) <= 60 else text[:57] + "..."


def _printable(text: str) -> str:
    """Escape characters that do not print: a name may be any text."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith((f"{other}.", f"{other}[")) or other.startswith((f"{one}.", f"{one}["))
