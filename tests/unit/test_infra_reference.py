"""The reference in docs/reference/stack-configuration.md is what the types say."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from infra import model
from infra.reference import PAGE, filled, main, reference

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_page_is_current() -> None:
    assert main(["--check"]) == 0, "run python -m infra.reference"


def test_every_key_is_there_with_a_sentence() -> None:
    text = reference()
    for kind in (model.Cluster, model.NodeGroup, model.Network, model.Access, model.Host, model.Capacity, model.Disk):
        part = text.partition(f"### {kind.__name__}\n")[2].partition("### ")[0]
        assert part, kind
        for one in fields(kind):
            assert re.search(rf"^\\| `{one.name}` \\| .+ \\| .+ \\| .+[.] \\|$", part, re.MULTILINE), one.name


def test_a_page_without_its_markers_is_told() -> None:
    with pytest.raises(ValueError, match="put back the lines"):
        filled("nothing")


def test_links_to_files_of_the_checkout_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).exists(), target


def test_commands_in_the_page_name_what_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for path in set(re.findall(r"(?:playbooks|infra|inventory|docs)/[a-z_./-]*[a-z]", text)):
        assert (CHECKOUT / path).exists(), path
