"""Every link of the documentation leads somewhere, read in a checkout as well as on the site."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import CHECKOUT

REPOSITORY = "https://github.com/lockstep-fleet/lockstep/blob/main/"
FENCE = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
MENTION = re.compile(r"\bdocs/[\w/-]+\.md\b")


def known(pattern: str) -> list[Path]:
    """Return the files that git tracks or would add, by a pattern of git."""
    command = ["git", "ls-files", "-z", "-co", "--exclude-standard", pattern]
    names = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted(CHECKOUT / name for name in names if name and (CHECKOUT / name).is_file())


PAGES = [page for page in known("*.md") if "collections" not in page.parts]


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub and mkdocs give to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere."""
    found = []
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        if path.startswith(REPOSITORY):
            target = CHECKOUT / path.removeprefix(REPOSITORY)
        elif "://" in path or path.startswith("mailto:"):
            continue
        else:
            target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_links_of_a_page_resolve(page: Path) -> None:
    assert broken(page) == []


def test_broken_link_and_anchor_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title\n[a](#a-title) [b](#other) [c](gone.md) ![d](gone.png)\n```\n[e](in-code.md)\n```\n")
    assert broken(page) == ["#other", "gone.md", "gone.png"]


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/contributing/architecture.md"])
def test_paths_that_guides_name_exist(page: str) -> None:
    folders = "|".join(folder.name for folder in CHECKOUT.iterdir() if folder.is_dir())
    named = re.findall(rf"`((?:{folders})/[\w./*-]*)`", prose(CHECKOUT / page))
    assert len(named) > 10
    assert [path for path in named if not list(CHECKOUT.glob(path.rstrip("/")))] == []


def test_pages_that_the_code_names_exist() -> None:
    named = {
        (name, file)
        for file in known("*")
        if file.suffix in {".py", ".yml", ".yaml", ".sh", ".j2", ".json", ".in", ".toml"}
        for name in MENTION.findall(file.read_text(encoding="utf-8"))
    }
    assert named
    assert [f"{file.relative_to(CHECKOUT)}: {name}" for name, file in named if not (CHECKOUT / name).is_file()] == []
