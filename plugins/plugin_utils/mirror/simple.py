"""Make a folder of wheels an index for pip and uv."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping

from .layout import SIMPLE


def simple_pages(wheels: Mapping[str, str]) -> dict[str, bytes]:
    """Return the pages of a package index for pip and uv (PEP 503), by path.

    :param wheels: sha256 by path, `simple/<name>/<wheel>`
    """
    names: dict[str, list[str]] = {}
    for path in sorted(wheels):
        names.setdefault(path.split("/")[1], []).append(path)
    pages = {}
    for name, paths in names.items():
        links = [(f"{path.split('/')[2]}#sha256={wheels[path]}", path.split("/")[2]) for path in paths]
        pages[f"{SIMPLE}/{name}/index.html"] = _page(f"Links for {name}", links)
    if names:
        pages[f"{SIMPLE}/index.html"] = _page("Packages", [(f"{name}/", name) for name in names])
    return pages


def _page(title: str, links: Iterable[tuple[str, str]]) -> bytes:
    rows = [f'<a href="{html.escape(url)}">{html.escape(text)}</a><br>' for url, text in links]
    head = f"<!DOCTYPE html><html><head><title>{title}</title></head>"
    return "\n".join([head, "<body>", *rows, "</body></html>", ""]).encode()
