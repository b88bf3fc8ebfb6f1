"""Read the machines of a Pulumi stack from its output `inventory`, or from a file with that output.

The contract is `inventory.schema.json` beside this file. The Pulumi program validates its output against the schema.
This module validates it again before Ansible uses it.
"""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).with_name("inventory.schema.json")
VERSION = 1
LOGIN = "PULUMI_ACCESS_TOKEN"


class StackError(Exception):
    """A stack or file without a usable inventory; the message has the cause and the remedy."""


def project_of(start: Path) -> Path:
    """Return the nearest folder with a Pulumi.yaml: this one or one above it.

    :raises StackError: if there is none
    """
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    raise StackError(
        f"there is no Pulumi.yaml in {start} or above it. Remedy: set `project` to the folder that has it."
    )


def from_stack(stack: str, project: Path, program: str = "pulumi", timeout: float = 120.0) -> dict[str, Any]:
    """Read the inventory of a stack.

    :param project: the folder of Pulumi.yaml
    :param timeout: seconds
    :param program: the Pulumi CLI
    :raises StackError: if the CLI fails, or the stack has no usable inventory
    """
    command = [program, "stack", "output", "--json", "--non-interactive", "--stack", stack, "--cwd", str(project)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False
        )
    except (FileNotFoundError, PermissionError):
        raise StackError(
            f"stack {stack}: there is no program {program!r}, which reads stacks. Remedy: install Pulumi and put it on "
            "PATH, or read a saved file (`pulumi stack output --json > dev.json`, then `files: [dev.json]`)."
        ) from None
    except subprocess.TimeoutExpired:
        raise StackError(
            f"stack {stack}: Pulumi did not answer in {timeout:.0f} s. Remedy: check that its backend can be reached "
            "(`pulumi whoami -v`), or raise `timeout`."
        ) from None
    if done.returncode:
        raise StackError(f"stack {stack}: {_explain(stack, done.stderr.strip() or done.stdout.strip())}")
    try:
        outputs = json.loads(done.stdout)
    except ValueError:
        raise StackError(
            f"stack {stack}: Pulumi's answer is not JSON. Remedy: run `{' '.join(command)}` and repair what it reports."
        ) from None
    return _inventory(outputs, f"stack {stack}", f"pulumi up -s {stack}")


def from_file(path: Path) -> dict[str, Any]:
    """Read a saved inventory: either all outputs of a stack, or its output `inventory` alone.

    :raises StackError: if it cannot be read, or has no usable inventory
    """
    try:
        outputs = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StackError(
            f"{path}: {error.strerror}. Remedy: save it with `pulumi stack output --json > {path.name}`."
        ) from None
    except ValueError as error:
        raise StackError(
            f"{path} is not JSON ({error}). Remedy: save it again with `pulumi stack output --json > {path.name}`."
        ) from None
    if isinstance(outputs, dict) and "schema" in outputs:
        outputs = {"inventory": outputs}
    return _inventory(outputs, str(path), "pulumi stack output --json")


def _explain(stack: str, output: str) -> str:
    """Return cause and remedy for an error of the Pulumi CLI."""
    low = output.lower()
    if LOGIN.lower() in low or "pulumi login" in low or "not logged in" in low:
        return (
            "Pulumi is not logged in. Remedy: `pulumi login`, or set PULUMI_BACKEND_URL to the backend that has your "
            f"stacks. (Pulumi printed: {output})"
        )
    if "no stack named" in low or ("stack" in low and "not found" in low):
        return f"it does not exist. Remedy: `pulumi stack ls` lists the stacks; `pulumi up -s {stack}` makes this one."
    if "passphrase" in low:
        return "its secrets cannot be decrypted. Remedy: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE."
    return f"Pulumi fails: {output[-1000:]}. Remedy: run `pulumi stack output -s {stack}` and repair what it reports."


def _inventory(outputs: Any, source: str, make: str) -> dict[str, Any]:
    """Return the checked inventory of a stack's outputs; `make`: the command that makes them."""
    if not isinstance(outputs, dict):
        raise StackError(f"{source} is not a mapping of outputs. Remedy: save `pulumi stack output --json`.")
    if not outputs:
        raise StackError(f"{source} has no outputs yet: it was never created, or was destroyed. Remedy: `{make}`.")
    if "inventory" not in outputs:
        names = ", ".join(sorted(outputs))
        raise StackError(
            f"{source} has no output `inventory`, only {names}: another program made it. "
            "Remedy: name a stack of Lockstep."
        )
    found = outputs["inventory"]
    if found == "[secret]":
        raise StackError(
            f"the inventory of {source} is secret, because some of its configuration is. Remedy: set those keys again "
            "without --secret; the inventory needs no secret."
        )
    return validate(found, source, make)


def validate(found: Any, source: str, make: str = "pulumi up") -> dict[str, Any]:
    """Validate an inventory against the contract, and return it.

    :param source: the stack or file, for messages
    :param make: the command that makes it again
    :raises StackError: if it has another schema, does not fit it, or names no machine
    """
    version = found.get("schema") if isinstance(found, dict) else None
    if version != VERSION:
        what = f"schema {version}" if version is not None else "no schema"
        newer = isinstance(version, int) and version > VERSION
        remedy = "update this checkout" if newer else f"make it again with this checkout (`{make}`)"
        raise StackError(
            f"{source}: its inventory has {what}, and this checkout reads schema {VERSION}. Remedy: {remedy}."
        )
    wrong = sorted(_validator().iter_errors(found), key=lambda error: error.json_path)
    if wrong:
        errors = "; ".join(f"{error.json_path}: {error.message}" for error in wrong[:3])
        more = f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""
        raise StackError(
            f"{source}: its inventory does not fit schema {VERSION}: {errors}{more}. Remedy: make it again (`{make}`)."
        )
    if not found["hosts"]:
        raise StackError(
            f"{source} has no machines: the count of every group is 0. Remedy: raise one, or leave this source out."
        )
    return dict(found)


@cache
def _validator() -> Any:
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        raise StackError(
            "Python's jsonschema is missing, which validates inventories. Remedy: install requirements/controller.txt."
        ) from None
    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def join(inventories: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Combine the hosts of several inventories: return each host's name, its data, and its inventory.

    :param inventories: source (for messages) and inventory
    :raises StackError: if two inventories name the same host
    """
    found: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {}
    sources: dict[str, str] = {}
    for source, inventory in inventories:
        for name, host in inventory["hosts"].items():
            if name in found:
                raise StackError(
                    f"{name} is a host of {sources[name]} and of {source}. Remedy: give one of the stacks another "
                    "lockstep:host_prefix, or read the stacks in separate inventories."
                )
            found[name], sources[name] = (name, host, inventory), source
    return list(found.values())


def address(host: dict[str, Any]) -> str:
    """Return what Ansible connects to: an address, or for SSM the machine's id."""
    return str({"ssm": host["instance_id"], "public": host["public_ip"]}.get(host["connection"], host["private_ip"]))


def ssh_arguments(host: dict[str, Any], region: str, host_keys: str) -> str:
    """Return the ssh options for a machine.

    ssh remembers the host key by the machine's id (HostKeyAlias). So a new machine at a known address raises no alarm,
    and another machine that claims a known id does.

    :param host_keys: OpenSSH's StrictHostKeyChecking
    """
    options = [f"-o HostKeyAlias={host['instance_id']}", f"-o StrictHostKeyChecking={host_keys}"]
    if host["connection"] == "ssm":
        session = (
            f"aws ssm start-session --region {region} --target %h --document-name AWS-StartSSHSession "
            "--parameters portNumber=%p"
        )
        options.append(f'-o ProxyCommand="{session}"')
    return " ".join(options)


def variables(name: str, host: dict[str, Any], inventory: dict[str, Any], host_keys: str | None) -> dict[str, Any]:
    """Return a host's Ansible variables.

    :param host_keys: OpenSSH's StrictHostKeyChecking; None: no ssh options
    """
    about = {key: inventory[key] for key in ("project", "stack", "region")}
    found = {
        "ansible_host": address(host),
        "ansible_user": inventory["user"],
        "lockstep_root": inventory["root"],
        "lockstep_tier": host["tier"],
        "lockstep_ready_marker": inventory["marker"],
        "lockstep_machine": {**about, **host},
    }
    if host_keys is not None:
        found["ansible_ssh_common_args"] = ssh_arguments(host, inventory["region"], host_keys)
    return found


def groups(host: dict[str, Any], inventory: dict[str, Any]) -> list[str]:
    """Return the groups of a host. All but the tier's have a prefix, so that their names cannot collide."""
    return [
        _group_name(host["tier"]),
        _group_name(f"group_{host['group']}"),
        _group_name(f"platform_{host['platform']}"),
        _group_name(f"type_{host['instance_type']}"),
        _group_name(f"stack_{inventory['stack']}"),
    ]


def _group_name(name: str) -> str:
    """Return a valid group name: letters, digits and underscores."""
    return "".join(char if char.isalnum() and char.isascii() else "_" for char in name)
