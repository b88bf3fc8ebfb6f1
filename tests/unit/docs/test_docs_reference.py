"""The reference pages say what the code says."""

from __future__ import annotations

import re
import subprocess
import sys

from ansible_collections.lockstep.fleet.plugins.plugin_utils.core.findings import CODES

from tests.support.paths import CHECKOUT

REFERENCE = CHECKOUT / "docs" / "reference"
LOCAL = {  # set and read within one playbook, or given by inventories
    "lockstep_checkout", "lockstep_machine",
}  # fmt: skip


def rows(page: str) -> set[str]:
    """Return what stands in the first column of the tables of a page."""
    return set(re.findall(r"^\| `([^`]+)` \|", (REFERENCE / page).read_text(encoding="utf-8"), re.MULTILINE))


def test_generated_parts_are_current() -> None:
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_finding_has_a_row() -> None:
    assert rows("lint-findings.md") == CODES


def test_every_shared_variable_has_a_row() -> None:
    files = [*(CHECKOUT / "roles").glob("*/defaults/main.yml"), *(CHECKOUT / "playbooks").glob("*.yml")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    used = {name for text in texts for name in re.findall(r"\b(lockstep_\w+) *\| *default\(", text)}
    example = (CHECKOUT / "inventory/fleet/group_vars/all.yml").read_text(encoding="utf-8")
    used |= set(re.findall(r"^(lockstep_\w+):", example, re.MULTILINE))
    documented = {name for name in rows("variables.md") if name.startswith("lockstep_")}
    assert used - LOCAL - documented == set(), "variables without a row"
    settings = "\n".join([*texts, *(f.read_text(encoding="utf-8") for f in (CHECKOUT / "plugins").rglob("*.py"))])
    assert [name for name in documented if not re.search(rf"\b{name}\b", settings)] == [], "rows of no variable"
