"""Draw the packages of plugins/ and their imports, as an SVG file that needs no program to be seen."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from html import escape
from itertools import accumulate, pairwise
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
PLUGINS = CHECKOUT / "plugins"
PICTURE = CHECKOUT / "docs" / "images" / "packages.svg"
COLLECTION = "ansible_collections.lockstep.fleet.plugins."
BOX, GAP, ROW = (118, 30), 18, 90
COLOURS = {"plugin_utils": "#e3f2fd", "module_utils": "#e8f5e9", "": "#fff3e0"}


def package_of(parts: tuple[str, ...]) -> str:
    """Name the package that a module belongs to, for example plugin_utils/audit."""
    depth = 2 if parts[0] in ("plugin_utils", "module_utils") else 1
    return "/".join(parts[:depth])


def imported(file: Path) -> Iterator[tuple[str, ...]]:
    """Give the modules of the collection that a file imports, as paths below plugins/ without suffix."""
    here = file.relative_to(PLUGINS).parts
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        name = node.module or ""
        if node.level:
            base = (*here[: len(here) - node.level], *filter(None, name.split(".")))
        elif f"{name}.".startswith(COLLECTION):
            base = tuple(filter(None, name[len(COLLECTION) :].split(".")))
        else:
            continue
        for alias in node.names:
            yield (*base, alias.name)


def imports() -> dict[str, set[str]]:
    """Return, for each package, the packages that it imports."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in sorted(PLUGINS.rglob("*.py")):
        package = package_of(file.relative_to(PLUGINS).with_suffix("").parts)
        found[package] |= {package_of(parts) for parts in imported(file)} - {package}
    for targets in list(found.values()):
        for target in targets:
            found.setdefault(target, set())
    return dict(found)


def reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    """Return everything that a package imports, directly or not."""
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo += graph[one]
    return seen


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out each import that follows from others.

    :raises ValueError: when packages import each other in a circle
    """
    below = {one: reachable(graph, one) for one in graph}
    if circle := sorted(one for one in graph if one in below[one]):
        raise ValueError(f"packages import each other in a circle: {', '.join(circle)}")
    return {one: {t for t in targets if not any(t in below[o] for o in targets)} for one, targets in graph.items()}


def layers(graph: dict[str, set[str]]) -> dict[str, int]:
    """Return the row of each package, from the bottom: one above the highest of what it imports."""
    depth: dict[str, int] = {}

    def level(one: str) -> int:
        if one not in depth:
            depth[one] = 1 + max((level(target) for target in graph[one]), default=-1)
        return depth[one]

    for one in graph:
        level(one)
    return depth


def arrange(graph: dict[str, set[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the rows from the top, and each arrow as the names that it passes.

    An arrow over several rows passes a place of its own in each, named "from>to>row", so that it crosses no box.
    """
    depth = layers(graph)
    lines: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for one in sorted(graph):
        lines[depth[one]].append(one)
    paths, above, below = [], defaultdict(list), defaultdict(list)
    for one in sorted(graph):
        for target in sorted(graph[one]):
            between = [(f"{one}>{target}>{row}", row) for row in range(depth[one] - 1, depth[target], -1)]
            for name, row in between:
                lines[row].append(name)
            paths.append([one, *(name for name, _ in between), target])
            for upper, lower in pairwise(paths[-1]):
                above[lower].append(upper)
                below[upper].append(lower)
    for sweep in range(24):  # order each row by the mean place of its neighbours, upwards and downwards in turn
        near = below if sweep % 2 == 0 else above
        place: dict[str, float] = {}
        for line in lines if sweep % 2 == 0 else reversed(lines):
            old = dict(zip(line, centres(line), strict=True))
            mean = {one: sum(place[n] for n in near[one]) / len(near[one]) if near[one] else old[one] for one in line}
            line.sort(key=lambda one: (mean[one], one))
            place |= dict(zip(line, centres(line), strict=True))
    return lines[::-1], paths


def width(one: str) -> int:
    """Return the width of a place in a row."""
    return (BOX[0] if ">" not in one else 0) + GAP


def centres(line: list[str]) -> list[float]:
    """Return the x of each place of a row, with 0 in the middle of the row."""
    ends = list(accumulate(map(width, line), initial=0))
    return [(left + right - ends[-1]) / 2 for left, right in pairwise(ends)]


def picture() -> str:
    """Return the picture as SVG."""
    lines, paths = arrange(reduced(imports()))
    wide = max(sum(map(width, line)) for line in lines) + GAP
    height = len(lines) * ROW
    where = {
        one: (wide / 2 + x, row * ROW + ROW / 2)
        for row, line in enumerate(lines)
        for one, x in zip(line, centres(line), strict=True)
    }
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {height}" width="{wide}" height="{height}" '
        'font-family="sans-serif" font-size="13">',
        "<title>The packages of plugins/ and their imports</title>",
        f'<rect width="{wide}" height="{height}" fill="#ffffff"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#546e7a"/></marker></defs>',
    ]
    half = BOX[1] / 2
    for path in paths:
        x, y = where[path[0]]
        drawn = f"M{x:.0f} {y + half:.0f}"
        for upper, lower in pairwise(path):
            (x, y), (to, end) = where[upper], where[lower]
            start, stop = y + half, end - half
            drawn += f" C{x:.0f} {start + ROW / 3:.0f} {to:.0f} {stop - ROW / 3:.0f} {to:.0f} {stop:.0f}"
            drawn += f" L{to:.0f} {end + half:.0f}" if lower != path[-1] else ""
        parts.append(f'<path d="{drawn}" fill="none" stroke="#546e7a" marker-end="url(#tip)"/>')
    for one, (x, y) in sorted(where.items()):
        if ">" not in one:
            folder, _, name = one.rpartition("/")
            parts.append(
                f'<g><title>{escape(one)}</title><rect x="{x - BOX[0] / 2:.0f}" y="{y - half:.0f}" width="{BOX[0]}" '
                f'height="{BOX[1]}" rx="5" fill="{COLOURS[folder]}" stroke="#546e7a"/>'
                f'<text x="{x:.0f}" y="{y + 4.5:.0f}" text-anchor="middle">{escape(name)}</text></g>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"
