"""The site builds without a warning, and its pages load nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT

LOADED = re.compile(r'<(script|img)\b[^>]*\bsrc="(https?:)?//|<link\b[^>]*\brel="(stylesheet|preconnect)"[^>]*//')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_site_has_a_page_for_each_file(site: Path) -> None:
    sources = {file.relative_to(CHECKOUT / "docs").with_suffix("") for file in (CHECKOUT / "docs").rglob("*.md")}
    pages = {file.relative_to(site).with_suffix("") for file in site.rglob("*.html")}
    assert len(sources) > 15
    assert sources <= pages


def test_blocks_of_code_in_lists_are_indented_by_four() -> None:
    """GitHub takes fewer spaces, the site ends the list there."""
    pages = {page: page.read_text(encoding="utf-8") for page in (CHECKOUT / "docs").rglob("*.md")}
    assert [page.name for page, text in pages.items() if re.search(r"^ {1,3}```", text, re.MULTILINE)] == []


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    assert LOADED.search('<script src="https://cdn.example.com/a.js">')
    assert LOADED.search('<link rel="stylesheet" href="https://fonts.example.com/css">')
    assert [page.name for page in site.rglob("*.html") if LOADED.search(page.read_text(encoding="utf-8"))] == []
