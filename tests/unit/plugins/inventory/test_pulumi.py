"""The inventory plugin: what it makes of stacks and files, and what it reports when they are not ready."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugins.plugin_utils.inventory import stack_inventory
from plugins.plugin_utils.inventory.stack_inventory import StackError, from_file, from_stack
from tests.support.paths import CHECKOUT


def inventory(stack: str = "dev", connection: str = "ssm") -> dict[str, Any]:
    host = {
        "tier": stack,
        "group": "train",
        "index": 1,
        "platform": "linux-64",
        "instance_type": "p5.48xlarge",
        "instance_id": "i-0123456789abcdef0",
        "zone": "us-east-1a",
        "private_ip": "10.20.0.5",
        "public_ip": "203.0.113.7",
        "connection": connection,
        "capacity": "spot",
        "storage": "root",
        "efa": 0,
    }
    return {
        "schema": 1,
        "project": "lockstep",
        "stack": stack,
        "region": "us-east-1",
        "user": "ml",
        "root": "/opt/lockstep",
        "marker": "/var/lib/lockstep/ready",
        "hosts": {f"{stack}-train-01": host, f"{stack}-train-02": {**host, "index": 2, "private_ip": "10.20.0.6"}},
    }


def pulumi(folder: Path, out: str = "", err: str = "", code: int = 0, first: str = "") -> str:
    """A program that answers as Pulumi would."""
    program = folder / "pulumi"
    (folder / "out").write_text(out)
    (folder / "err").write_text(err)
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/asked\n{first}\ncat {folder}/out\ncat {folder}/err >&2\nexit {code}\n'
    )
    program.chmod(0o755)
    return str(program)


def refusal(tmp_path: Path, out: str = "", err: str = "", code: int = 0, **more: Any) -> str:
    with pytest.raises(StackError) as caught:
        from_stack("dev", tmp_path, pulumi(tmp_path, out, err, code, **more.pop("fake", {})), **more)
    assert "Remedy: " in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("err", "words"),
    [
        ("error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions", "is not logged in"),
        ("error: no stack named 'dev' found", "does not exist. Remedy: `pulumi stack ls`"),
        ("error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE", "secrets cannot be decrypted"),
        ('error: unable to open state directory "file:///x": stat /x: no such file', "Pulumi fails: error: unable"),
    ],
)
def test_what_pulumi_refuses_is_explained(tmp_path: Path, err: str, words: str) -> None:
    told = refusal(tmp_path, err=err, code=1)
    assert told.startswith("stack dev: ") and words in told


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("{}", "has no outputs yet: it was never created, or was destroyed. Remedy: `pulumi up -s dev`"),
        ('{"url": "x"}', "has no output `inventory`, only url"),
        ('{"inventory": "[secret]"}', "the inventory of stack dev is secret"),
        (
            '{"inventory": {"schema": 2}}',
            "has schema 2, and this checkout reads schema 1. Remedy: update this checkout",
        ),
        ('{"inventory": {"schema": 0}}', "Remedy: make it again with this checkout"),
        ('{"inventory": []}', "has no schema"),
        ('{"inventory": {"schema": 1}}', "does not fit schema 1"),
        ("[]", "not a mapping of outputs"),
        ("warning: hello", "not JSON"),
    ],
)
def test_what_is_not_ready_is_explained(tmp_path: Path, out: str, words: str) -> None:
    assert words in refusal(tmp_path, out=out)


def test_a_stack_without_machines_is_no_inventory(tmp_path: Path) -> None:
    empty = {**inventory(), "hosts": {}}
    assert "has no machines" in refusal(tmp_path, out=json.dumps({"inventory": empty}))


def test_no_program_and_no_answer(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="there is no program 'no-such-pulumi'"):
        from_stack("dev", tmp_path, "no-such-pulumi")
    assert "did not answer in 0 s" in refusal(tmp_path, fake={"first": "sleep 20"}, timeout=0.3)


def test_what_does_not_fit_is_named_by_its_place(tmp_path: Path) -> None:
    wrong = inventory()
    wrong["hosts"]["dev-train-01"]["private_ip"] = "{{ lookup('pipe', 'id') }}"
    told = refusal(tmp_path, out=json.dumps({"inventory": wrong}))
    assert "$.hosts" in told and "private_ip" in told


def test_a_stack_is_asked_without_a_terminal(tmp_path: Path) -> None:
    program = pulumi(tmp_path, json.dumps({"inventory": inventory(), "other": 1}))
    assert from_stack("dev", tmp_path, program)["stack"] == "dev"
    asked = (tmp_path / "asked").read_text()
    assert asked == f"stack output --json --non-interactive --stack dev --cwd {tmp_path}\n"


def test_saved_files(tmp_path: Path) -> None:
    whole, bare = tmp_path / "whole.json", tmp_path / "bare.json"
    whole.write_text(json.dumps({"inventory": inventory(), "other": 1}))
    bare.write_text(json.dumps(inventory()))
    assert from_file(whole) == from_file(bare)
    with pytest.raises(StackError, match=r"nothing\.json: No such file or directory\. Remedy: save it"):
        from_file(tmp_path / "nothing.json")
    bare.write_text("{")
    with pytest.raises(StackError, match="is not JSON"):
        from_file(bare)


def test_two_stacks_may_not_name_one_host() -> None:
    other = copy.deepcopy(inventory())
    with pytest.raises(StackError, match=r"dev-train-01 is a host of a and of b\. Remedy: .*host_prefix"):
        stack_inventory.join([("a", inventory()), ("b", other)])


def test_addresses_and_ssh() -> None:
    for connection, address in (("ssm", "i-0123456789abcdef0"), ("private", "10.20.0.5"), ("public", "203.0.113.7")):
        found = inventory(connection=connection)
        made = stack_inventory.variables("x", found["hosts"]["dev-train-01"], found, "accept-new")
        assert made["ansible_host"] == address
        assert "HostKeyAlias=i-0123456789abcdef0" in made["ansible_ssh_common_args"]
        assert ("AWS-StartSSHSession" in made["ansible_ssh_common_args"]) == (connection == "ssm")
    host = inventory()["hosts"]["dev-train-01"]
    assert "ansible_ssh_common_args" not in stack_inventory.variables("x", host, inventory(), None)


def listed(folder: Path, text: str, **environ: str) -> subprocess.CompletedProcess[str]:
    (folder / "pulumi.yml").write_text(text)
    program = Path(sys.executable).with_name("ansible-inventory")
    cfg = folder / "ansible.cfg"
    cfg.write_text(
        f"[defaults]\ncollections_path = {CHECKOUT / 'collections'}\n[inventory]\nany_unparsed_is_failed = true\n"
    )
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LOCKSTEP_")}
    settings = {**ours, "ANSIBLE_CONFIG": str(cfg), "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"), **environ}
    command = [str(program), "-i", str(folder / "pulumi.yml"), "--list"]
    return subprocess.run(command, capture_output=True, text=True, env=settings, cwd=folder, check=False)


def plain(value: Any) -> Any:
    """Ansible marks every value that a plugin gave as data that is never a template."""
    if isinstance(value, dict):
        return (
            plain(value["__ansible_unsafe"]) if "__ansible_unsafe" in value else {k: plain(v) for k, v in value.items()}
        )
    return [plain(item) for item in value] if isinstance(value, list) else value


def test_ansible_sees_the_hosts_in_their_groups(tmp_path: Path) -> None:
    for stack in ("dev", "prod"):
        (tmp_path / f"{stack}.json").write_text(json.dumps({"inventory": inventory(stack)}))
    text = (
        "plugin: lockstep.fleet.pulumi\nfiles: [dev.json, prod.json]\n"
        "compose: {rack: lockstep_machine.zone}\nkeyed_groups: [{key: lockstep_machine.capacity, prefix: capacity}]\n"
    )
    done = listed(tmp_path, text)
    assert done.returncode == 0, done.stderr
    found = plain(json.loads(done.stdout))
    assert found["dev"]["hosts"] == ["dev-train-01", "dev-train-02"]
    assert found["prod"]["hosts"] == found["stack_prod"]["hosts"] == ["prod-train-01", "prod-train-02"]
    for group in ("group_train", "platform_linux_64", "type_p5_48xlarge", "capacity_spot"):
        assert len(found[group]["hosts"]) == 4, group
    host = found["_meta"]["hostvars"]["prod-train-02"]
    assert (host["lockstep_tier"], host["lockstep_root"], host["ansible_user"]) == ("prod", "/opt/lockstep", "ml")
    assert (host["rack"], host["lockstep_machine"]["stack"]) == ("us-east-1a", "prod")


def test_ansible_stops_where_a_stack_is_not_ready(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\n")
    program = pulumi(tmp_path, "{}")
    done = listed(tmp_path, f"plugin: lockstep.fleet.pulumi\nstacks: [dev]\nprogram: {program}\n")
    assert done.returncode != 0
    assert "stack dev has no outputs yet" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def of_two_stacks(folder: Path) -> str:
    """A project with stacks dev and prod; the text of a source that names both."""
    (folder / "Pulumi.yaml").write_text("name: x\n")
    for stack in ("dev", "prod"):
        (folder / stack).write_text(json.dumps({"inventory": inventory(stack)}))
    program = folder / "pulumi"
    program.write_text(f'#!/bin/sh\nwhile [ "$1" != --stack ]; do shift; done\ncat {folder}/$2\n')
    program.chmod(0o755)
    return f"plugin: lockstep.fleet.pulumi\nstacks: [dev, prod]\nprogram: {program}\n"


def tiers(done: subprocess.CompletedProcess[str]) -> set[str]:
    assert done.returncode == 0, done.stderr
    return {host.partition("-")[0] for host in plain(json.loads(done.stdout))["_meta"]["hostvars"]}


def test_the_environment_names_some_of_the_stacks(tmp_path: Path) -> None:
    text = of_two_stacks(tmp_path)
    assert tiers(listed(tmp_path, text)) == {"dev", "prod"}
    assert tiers(listed(tmp_path, text, LOCKSTEP_STACKS="dev")) == {"dev"}
    assert tiers(listed(tmp_path, text, LOCKSTEP_STACKS=" dev, prod ")) == {"dev", "prod"}
    only_files = "plugin: lockstep.fleet.pulumi\nfiles: [prod]\n"  # as the source of `make up` is: no stack joins in
    assert tiers(listed(tmp_path, only_files, LOCKSTEP_STACKS="dev")) == {"prod"}


def test_what_is_kept_of_some_stacks_is_not_given_for_others(tmp_path: Path) -> None:
    text = of_two_stacks(tmp_path)
    text += f"cache: true\ncache_plugin: ansible.builtin.jsonfile\ncache_connection: {tmp_path}/kept\n"
    assert tiers(listed(tmp_path, text)) == {"dev", "prod"}
    assert tiers(listed(tmp_path, text, LOCKSTEP_STACKS="dev")) == {"dev"}
    assert tiers(listed(tmp_path, text.replace("[dev, prod]", "[prod]"))) == {"prod"}


def test_what_was_read_is_kept(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\n")
    program = pulumi(tmp_path, json.dumps({"inventory": inventory()}))
    text = (
        f"plugin: lockstep.fleet.pulumi\nstacks: [other]\nprogram: {program}\ncache: true\n"
        f"cache_plugin: ansible.builtin.jsonfile\ncache_connection: {tmp_path}/kept\n"
    )
    first, second = listed(tmp_path, text), listed(tmp_path, text)
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert first.stdout == second.stdout
    assert (tmp_path / "asked").read_text().count("\n") == 1
