"""Describe packages that pip added, and the differences between two sets of packages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def pip_lines(items: Sequence[Mapping[str, str]]) -> list[str]:
    """Name what pip installed: name, version, and where from."""
    return [f"{i.get('name')} {i.get('version')}" + (f" ({i['from']})" if i.get("from") else "") for i in items]


def split_name(item: str) -> tuple[str, str, str]:
    """Split a record's name, `name-version-build`; missing parts are empty."""
    parts = str(item).rsplit("-", 2)
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else (str(item), "", "")


def package_changes(declared: Sequence[tuple[str, str, str]], observed: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return a line for each package in which the observed set differs from the declared set."""
    want = {name: (version, build) for name, version, build in declared}
    have = {name: (version, build) for name, version, build in observed}
    lines = []
    for name in sorted(want.keys() | have.keys()):
        if name not in have:
            lines.append(f"{name} {want[name][0]} is missing")
        elif name not in want:
            lines.append(f"{name} {have[name][0]} is extra")
        elif want[name] != have[name]:
            same = want[name][0] == have[name][0]
            lines.append(f"{name} {' '.join(have[name]) if same else have[name][0]} instead of "
                         f"{want[name][1] if same else want[name][0]}")  # fmt: skip
    return lines
