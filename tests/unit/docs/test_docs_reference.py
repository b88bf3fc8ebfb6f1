"""The reference pages say what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from ansible_collections.lockstep.fleet.plugins.module_utils.observe.main import observe
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit import hosts, report
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


def test_every_key_of_reports_and_observations_is_described(tmp_path: Path) -> None:
    page = (REFERENCE / "report.md").read_text(encoding="utf-8")
    whole = report.build([hosts.Host("gpu-1")], report.Run("run", "2026-01-01T00:00:00Z", "stats", ["dev"], {}))
    of_report = {*whole, *whole["results"][0]}
    of_observation = {*observe({"root": str(tmp_path)}), *observe({"root": str(tmp_path / "missing")})}
    assert {"results", "facts"} < of_report
    assert {"envs", "absent"} < of_observation
    described = {name.removesuffix("[]").split(".")[0] for name in re.findall(r"`([\w.<>\[\]]+)`", page)}
    assert of_report | of_observation <= described
