"""Reading what a Pulumi stack says of its machines: from the stack, or from a file that was saved from it.

The contract is `infra/inventory.schema.json`, which the Pulumi program checks before it gives the output, and this
module checks again before Ansible relies on it.
"""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).resolve().parents[3] / "infra" / "inventory.schema.json"
VERSION = 1
LOGIN = "PULUMI_ACCESS_TOKEN"


class StackError(Exception):
    """A stack or file that gives no inventory; the message has the cause and the remedy."""


def project_of(start: Path) -> Path:
    """Find the Pulumi project that a folder is in.

    :raises StackError: where there is none
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
    :raises StackError: for each way in which the stack can be unready
    """
    command = [program, "stack", "output", "--json", "--non-interactive", "--stack", stack, "--cwd", str(project)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False
        )
    except (FileNotFoundError, PermissionError):
        raise StackError(
            f"stack {stack}: there is no program {program!r} to read it with. Remedy: install Pulumi and put it on "
            "PATH, or read a saved file (`pulumi stack output --json > dev.json`, then `files: [dev.json]`)."
        ) from None
    except subprocess.TimeoutExpired:
        raise StackError(
            f"stack {stack}: Pulumi did not answer in {timeout:.0f} s. Remedy: see whether its backend can be reached "
            "(`pulumi whoami -v`), or raise `timeout`."
        ) from None
    if done.returncode:
        raise StackError(f"stack {stack}: {_refusal(stack, done.stderr.strip() or done.stdout.strip())}")
    try:
        outputs = json.loads(done.stdout)
    except ValueError:
        raise StackError(f"stack {stack}: Pulumi's answer is no JSON. Remedy: look at `{' '.join(command)}`.") from None
    return _inventory(outputs, f"stack {stack}", f"pulumi up -s {stack}")


def from_file(path: Path) -> dict[str, Any]:
    """Read a saved inventory: either all outputs of a stack, or its output `inventory` alone.

    :raises StackError: where it cannot be read or is not one
    """
    try:
        outputs = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StackError(
            f"{path}: {error.strerror}. Remedy: save it with `pulumi stack output --json > {path.name}`."
        ) from None
    except ValueError as error:
        raise StackError(
            f"{path} is no JSON ({error}). Remedy: save it again with `pulumi stack output --json > {path.name}`."
        ) from None
    if isinstance(outputs, dict) and "schema" in outputs:
        outputs = {"inventory": outputs}
    return _inventory(outputs, str(path), "pulumi stack output --json")


def _refusal(stack: str, said: str) -> str:
    low = said.lower()
    if LOGIN.lower() in low or "pulumi login" in low or "not logged in" in low:
        return (
            "Pulumi is not logged in. Remedy: `pulumi login`, or set PULUMI_BACKEND_URL to the place that keeps your "
            f"stacks. (It said: {said})"
        )
    if "no stack named" in low or ("stack" in low and "not found" in low):
        return (
            f"it does not exist. Remedy: `pulumi stack ls` shows those that do; `pulumi up -s {stack}` makes this one."
        )
    if "passphrase" in low:
        return "its secrets cannot be opened. Remedy: set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE."
    return f"Pulumi refuses: {said[-1000:]}. Remedy: run `pulumi stack output -s {stack}` and repair what it says."


def _inventory(outputs: Any, source: str, make: str) -> dict[str, Any]:
    if not isinstance(outputs, dict):
        raise StackError(f"{source} is no mapping of outputs. Remedy: save `pulumi stack output --json`.")
    if not outputs:
        raise StackError(f"{source} has no outputs yet: it was never brought up, or was destroyed. Remedy: `{make}`.")
    if "inventory" not in outputs:
        names = ", ".join(sorted(outputs))
        raise StackError(
            f"{source} has no output `inventory`, only {names}: it is another program's. "
            "Remedy: name a stack of Lockstep."
        )
    found = outputs["inventory"]
    if found == "[secret]":
        raise StackError(
            f"{source} keeps its inventory secret, since some of its configuration is. Remedy: nothing that the "
            "inventory is made of needs to be secret: set those keys again without --secret."
        )
    return checked(found, source, make)


def checked(found: Any, source: str, make: str = "pulumi up") -> dict[str, Any]:
    """Check an inventory against the contract, and give it back.

    :param source: where it is from, for messages
    :param make: the command that makes it anew
    :raises StackError: where it is of another schema, does not fit, or names no machine
    """
    version = found.get("schema") if isinstance(found, dict) else None
    if version != VERSION:
        what = f"schema {version}" if version is not None else "no schema"
        newer = isinstance(version, int) and version > VERSION
        remedy = "update this checkout" if newer else f"make it anew with this checkout (`{make}`)"
        raise StackError(
            f"{source}: its inventory has {what}, but this is a reader of schema {VERSION}. Remedy: {remedy}."
        )
    wrong = sorted(_validator().iter_errors(found), key=lambda error: error.json_path)
    if wrong:
        told = "; ".join(f"{error.json_path}: {error.message}" for error in wrong[:3])
        more = f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""
        raise StackError(
            f"{source}: its inventory does not fit schema {VERSION}: {told}{more}. Remedy: make it anew (`{make}`)."
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
            "Python's jsonschema is missing, with which inventories are checked. Remedy: install "
            "requirements/controller.txt."
        ) from None
    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def join(inventories: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Put the hosts of several inventories together: name, host, and the inventory it is from.

    :param inventories: each with its source, for messages
    :raises StackError: where two name the same host
    """
    found: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {}
    sources: dict[str, str] = {}
    for source, inventory in inventories:
        for name, host in inventory["hosts"].items():
            if name in found:
                raise StackError(
                    f"{name} is a host of {sources[name]} and of {source}. Remedy: give one of the stacks another "
                    "lockstep:host_prefix, or read them in inventories of their own."
                )
            found[name], sources[name] = (name, host, inventory), source
    return list(found.values())


def address(host: dict[str, Any]) -> str:
    """Give what Ansible connects to: an address, or for SSM the machine's id."""
    return str({"ssm": host["instance_id"], "public": host["public_ip"]}.get(host["connection"], host["private_ip"]))


def ssh_arguments(host: dict[str, Any], region: str, host_keys: str) -> str:
    """Give the ssh options for a machine.

    Its key is remembered by the machine's id: an address that a new machine took over raises no alarm, and an impostor
    at the address of a known machine does.

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
    """Give a host's variables.

    :param host_keys: OpenSSH's StrictHostKeyChecking; None sets no ssh options at all
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
    """Give the groups that a host is in. All but the tier's say what they are about: none takes another's name."""
    return [
        _plain(host["tier"]),
        _plain(f"group_{host['group']}"),
        _plain(f"platform_{host['platform']}"),
        _plain(f"type_{host['instance_type']}"),
        _plain(f"stack_{inventory['stack']}"),
    ]


def _plain(name: str) -> str:
    """Make a name that Ansible takes for a group: letters, digits and underscores."""
    return "".join(char if char.isalnum() and char.isascii() else "_" for char in name)
