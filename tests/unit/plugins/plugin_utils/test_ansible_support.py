"""What actions share: arguments from DOCUMENTATION, work before the first fork, libraries that are missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible_collections.lockstep.fleet.plugins.module_utils.observe.main import DEPTHS
from ansible_collections.lockstep.fleet.plugins.plugin_utils import ansible_support as support
from ansible_collections.lockstep.fleet.plugins.plugin_utils.promote import audit_gate

from tests.support.paths import CHECKOUT

MODULES = sorted(path.stem for path in (CHECKOUT / "plugins/modules").glob("*.py"))
ROLES = sorted(path.parents[1].name for path in CHECKOUT.glob("roles/*/meta/argument_specs.yml"))
FILTERS = sorted(path.stem for path in (CHECKOUT / "plugins/filter").glob("*.yml"))


SPECS = """
import json, sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader([sys.argv[1]])
from ansible_collections.lockstep.fleet.plugins.plugin_utils.ansible_support import argument_spec
print(json.dumps({name: argument_spec(name) for name in sys.argv[2:]}))
"""

Specs = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def specs() -> Specs:
    """The argument spec of every module, worked out in a process in which Ansible finds the collection."""
    command = [sys.executable, "-c", SPECS, str(CHECKOUT / "collections"), *MODULES]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: Specs = json.loads(done.stdout)
    return found


def ansible_doc(kind: str, names: list[str]) -> Specs:
    """What ansible-doc says of plugins, by name; anything that it cannot render is an error."""
    command = [Path(sys.executable).with_name("ansible-doc"), "-j", "-t", kind]
    done = subprocess.run(
        [*map(str, command), *(f"lockstep.fleet.{name}" for name in names)],
        cwd=CHECKOUT, env={**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and "ERROR" not in done.stderr, done.stderr
    found: Specs = json.loads(done.stdout)
    return {name.rpartition(".")[2]: about for name, about in found.items()}


def test_argument_spec_has_the_options_of_module_and_fragments(specs: Specs) -> None:
    spec = specs["lock"]
    assert spec["upgrade"] == {"type": "bool", "default": False}  # the module's own
    assert spec["locks_dir"] == {"type": "path", "required": True}  # a fragment's
    assert spec["platforms"] == {"type": "list", "elements": "str", "default": ["linux-64"]}


def test_argument_spec_has_suboptions(specs: Specs) -> None:
    files = specs["managed_files"]["files"]
    assert files["type"] == "list" and files["options"]["path"] == {"type": "path", "required": True}


@pytest.mark.parametrize("module", MODULES)
def test_argument_spec_gives_each_option_a_type(specs: Specs, module: str) -> None:
    assert all("type" in option for option in specs[module].values())


def test_documented_depths_are_those_of_the_code(specs: Specs) -> None:
    assert specs["host_info"]["depth"]["choices"] == list(DEPTHS)
    assert specs["promote"]["depth"]["choices"] == list(audit_gate.DEPTHS)


@pytest.mark.parametrize(("group", "option"), [("hosts", "root"), ("locks", "locks_dir")])
def test_modules_of_an_action_group_have_its_option(specs: Specs, group: str, option: str) -> None:
    groups = yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text())["action_groups"]
    having = [module for module in MODULES if option in specs[module]]
    assert groups[group] == having


@pytest.mark.parametrize(("kind", "names"), [("module", MODULES), ("role", ROLES), ("filter", FILTERS)])
def test_ansible_doc_renders_everything(kind: str, names: list[str]) -> None:
    assert len(names) > 2 and set(ansible_doc(kind, names)) == set(names)


def test_before_workers_prepares_once_and_not_before_a_fork() -> None:
    program = """
import os, sys
sys.path.insert(0, sys.argv[1])
from ansible_collections.lockstep.fleet.plugins.plugin_utils.ansible_support import before_workers
before_workers(lambda: print("prepared", flush=True))
print("registered", flush=True)
for _ in range(2):
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(CHECKOUT / "collections")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["registered", "prepared"]


def test_require_names_what_to_install() -> None:
    support.require("locking", "json")
    with pytest.raises(AnsibleActionFail, match=r"no_such_package.*locking needs; install requirements/controller.txt"):
        support.require("locking", "json", "no_such_package")
