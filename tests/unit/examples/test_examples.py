"""Every example is right: stack files by the program's check, inventories by Ansible, pages by what they name."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.config.load import load
from local.fleet.paths import CHECKOUT

EXAMPLES = CHECKOUT / "examples"
FOLDERS = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
STACKS = sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.glob("*/Pulumi.*.yaml"))
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBiYtPnQ0zM0fCn0v7Y2 somebody@example.org"
MACHINE = {
    "tier": "STACK",
    "group": "train",
    "index": 1,
    "platform": "linux-64",
    "instance_type": "p5.48xlarge",
    "instance_id": "i-0123456789abcdef0",
    "zone": "us-east-1a",
    "private_ip": "10.20.0.5",
    "public_ip": None,
    "connection": "private",
    "capacity": "spot",
    "storage": "root",
    "efa": 0,
}
OUTPUT = {
    "inventory": {
        "schema": 1,
        "project": "lockstep",
        "stack": "STACK",
        "region": "us-east-1",
        "user": "ml",
        "root": "/opt/lockstep",
        "marker": "/var/lib/lockstep/ready",
        "hosts": {"STACK-train-01": MACHINE},
    }
}


def test_the_examples_are_those_of_the_page_and_each_has_its_own() -> None:
    assert FOLDERS == ["air-gap", "aws-dev", "aws-prod-reservation", "existing-vpc", "own-hosts"]
    page = (EXAMPLES / "README.md").read_text()
    for name in FOLDERS:
        assert f"[{name}]({name}/README.md)" in page
        text = (EXAMPLES / name / "README.md").read_text()
        assert "## What to edit" in text and "## Commands" in text


@pytest.mark.parametrize("name", FOLDERS)
def test_a_page_copies_every_file_of_its_example(name: str) -> None:
    sources = re.findall(rf"examples/{name}/(\S+)", (EXAMPLES / name / "README.md").read_text())
    named = {file for pattern in sources for file in (EXAMPLES / name).glob(pattern)}
    assert named == {file for file in (EXAMPLES / name).rglob("*") if file.is_file()} - {EXAMPLES / name / "README.md"}


@pytest.mark.parametrize("file", STACKS)
def test_a_stack_file_passes_the_programs_check(file: str, tmp_path: Path) -> None:
    settings = yaml.safe_load((EXAMPLES / file).read_text(encoding="utf-8"))["config"]
    values = {key.split(":", 1)[1]: value for key, value in settings.items() if key.startswith("lockstep:")}
    (tmp_path / "key.pub").write_text(KEY + "\n")
    values["access"]["ssh_key_files"] = [str(tmp_path / "key.pub")]
    stack = Path(file).name.split(".")[1]
    layout = load(values, "lockstep", stack, settings["aws:region"])
    assert layout.protect == (stack == "prod")
    assert {group.tier for group in layout.groups} == {stack}
    assert layout.keys == (KEY,)


def listed(name: str, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Each host's variables where the example was copied as its page says; Pulumi has one machine in each stack."""
    fleet = tmp_path / "inventory" / "fleet"
    shutil.copytree(CHECKOUT / "inventory" / "fleet", fleet)
    for file in (EXAMPLES / name).rglob("*.yml"):
        shutil.copy(file, fleet / file.relative_to(EXAMPLES / name))
    shutil.copy(CHECKOUT / "Pulumi.yaml", tmp_path)
    (tmp_path / "collections").symlink_to(CHECKOUT / "collections")
    shutil.copy(CHECKOUT / "ansible.cfg", tmp_path)
    (tmp_path / "output.json").write_text(json.dumps(OUTPUT))
    pulumi = tmp_path / "pulumi"
    pulumi.write_text(f'#!/bin/sh\nsed "s/STACK/$6/g" {tmp_path}/output.json\n')
    pulumi.chmod(0o755)
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-inventory", "--list"],
        cwd=tmp_path,
        env={**os.environ, "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"), "LOCKSTEP_PULUMI": str(pulumi)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    found: dict[str, dict[str, Any]] = json.loads(
        done.stdout, object_hook=lambda value: value.get("__ansible_unsafe", value)
    )["_meta"]["hostvars"]
    return found


@pytest.mark.parametrize(
    ("name", "tiers"),
    [
        ("own-hosts", {"gpu-dev-1": "dev", "gpu-test-1": "test", **{f"gpu-prod-{n}": "prod" for n in range(1, 9)}}),
        ("air-gap", {"gpu-test-1": "test", **{f"gpu-prod-{n}": "prod" for n in range(1, 5)}}),
        ("aws-dev", {"dev-train-01": "dev"}),
        ("existing-vpc", {"dev-train-01": "dev"}),
        ("aws-prod-reservation", {"test-train-01": "test", "prod-train-01": "prod"}),
    ],
)
def test_an_inventory_gives_every_host_its_tier_user_and_environments(
    name: str, tiers: dict[str, str], tmp_path: Path
) -> None:
    hosts = listed(name, tmp_path)
    assert {host: variables["lockstep_tier"] for host, variables in hosts.items()} == tiers
    for variables in hosts.values():
        assert variables["ansible_user"] == "ml"
        assert variables["lockstep_envs"] and variables["lockstep_root"] == "/opt/lockstep"
        mirrored = variables["lockstep_channel_alias"] == "https://mirror.example.com"
        assert mirrored == (name == "air-gap") == ("lockstep_pip_index" in variables)


@pytest.mark.parametrize("playbook", ["site.yml", "lockstep.fleet.site"])
def test_without_hosts_site_refuses_and_names_the_remedy(playbook: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", playbook],
        cwd=CHECKOUT,
        env={**os.environ, "ANSIBLE_INVENTORY": "inventory/fleet/hosts.yml", "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "No host was brought to its locks" in done.stdout and "examples/" in done.stdout


def test_variables_of_examples_and_inventories_exist() -> None:
    """Ansible ignores an unknown variable without a word, so a renamed one would have no effect."""
    known = set(re.findall(r"`(lockstep_\w+)`", (CHECKOUT / "docs/reference/variables.md").read_text()))
    for specs in (CHECKOUT / "roles").glob("*/meta/argument_specs.yml"):
        known |= set(yaml.safe_load(specs.read_text())["argument_specs"]["main"]["options"])
    known.add("lockstep_checkout")  # inventory/fleet's own: it shortens the paths below it
    files = [file for folder in ("examples", "inventory", "molecule") for file in (CHECKOUT / folder).rglob("*.yml")]
    ours = re.compile(r"^ *((?:lockstep|conda_envs|condarc|conda_clean|miniconda)_\w+):", re.MULTILINE)
    used = {(name, file) for file in files if "inventory" in str(file) or "examples" in str(file)
            for name in ours.findall(file.read_text())}  # fmt: skip
    assert len(used) > 20
    assert not [(name, str(file.relative_to(CHECKOUT))) for name, file in sorted(used) if name not in known]
