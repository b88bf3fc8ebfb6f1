"""The machines of Pulumi stacks, as an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pulumi
short_description: The machines of one or several Pulumi stacks
version_added: 0.1.0
author:
  - The Lockstep developers (@lockstep-fleet)
description:
  - Reads the output C(inventory) of Pulumi stacks that the checkout's program made, or files saved from it.
  - A stack that is not ready (no CLI, not logged in, no such stack, never brought up, of another schema, without
    machines) is an error that says which and what to do. Set C(any_unparsed_is_failed) in section C(inventory) of
    ansible.cfg, as this checkout does, or Ansible goes on without the hosts.
  - Groups are the tier (C(dev)), and C(group_*), C(platform_*), C(type_*), C(stack_*).
  - The file's name must end in C(pulumi.yml) or C(pulumi.yaml).
options:
  plugin:
    description: The name of this plugin.
    required: true
    choices: [lockstep.fleet.pulumi]
  stacks:
    description:
      - Names of stacks to read. Where E(LOCKSTEP_STACKS) is set, those that it names (with commas between them) are
        read in their place; it is not for sources that only have O(files).
    type: list
    elements: str
    default: []
  files:
    description:
      - Files to read besides, each with the output of C(pulumi stack output --json). Relative to this file.
    type: list
    elements: str
    default: []
  project:
    description: The folder of Pulumi.yaml, relative to this file. Left out, the nearest above this file.
    type: str
  program:
    description: The Pulumi CLI.
    type: str
    default: pulumi
    env:
      - name: LOCKSTEP_PULUMI
  timeout:
    description: How long a stack may take to answer, in seconds.
    type: float
    default: 120
  host_keys:
    description:
      - What ssh does with host keys. C(accept-new) trusts a machine's key at first sight and never another one after;
        C(strict) wants it known beforehand; C(unset) leaves C(ansible_ssh_common_args) alone, for those who set it
        themselves (SSM then needs a ProxyCommand of yours).
    type: str
    choices: [accept-new, strict, unset]
    default: accept-new
extends_documentation_fragment:
  - constructed
  - inventory_cache
"""

EXAMPLES = r"""
# inventory/fleet/pulumi.yml
plugin: lockstep.fleet.pulumi
stacks: [dev, test, prod]

# for machines without Pulumi or without the right to read stacks: files saved by somebody who has it
# pulumi stack output --json -s prod > prod.json
---
plugin: lockstep.fleet.pulumi
files: [prod.json]
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/lockstep/inventory
"""

import hashlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from ansible.errors import AnsibleParserError  # noqa: E402
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable  # noqa: E402
from ansible_collections.lockstep.fleet.plugins.plugin_utils.inventory import stack_inventory  # noqa: E402

STRICT = {"accept-new": "accept-new", "strict": "yes", "unset": None}


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]
    """Reads stacks and files, checks them, and fills the inventory."""

    NAME = "lockstep.fleet.pulumi"

    def verify_file(self, path: str) -> bool:
        """Take files that are named for Pulumi."""
        return super().verify_file(path) and path.endswith(("pulumi.yml", "pulumi.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory from everything that the file at `path` names."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        stacks, files = self._named()
        about = json.dumps([stacks, files, self.get_option("project"), self.get_option("program")])
        # the file's path alone would give what other stacks have said
        key = f"{self.get_cache_key(path)}_{hashlib.sha256(about.encode()).hexdigest()[:12]}"
        wanted = self.get_option("cache")
        try:
            found = self._cached(key) if wanted and cache else None
            if found is None:
                found = self._read(Path(path).resolve().parent, stacks, files)
                if wanted:
                    self._cache[key] = {"sources": found}
            self._fill(found)
        except stack_inventory.StackError as error:
            raise AnsibleParserError(f"{path}: {error}") from None

    def _cached(self, key: str) -> list[list[Any]] | None:
        try:
            kept = self._cache[key]["sources"]
        except (KeyError, TypeError):
            return None
        # a cache outlives the checkout that wrote it
        return [
            [source, stack_inventory.checked(found, f"{source} (cached)", "--flush-cache")] for source, found in kept
        ]

    def _named(self) -> tuple[list[str], list[str]]:
        """Stacks and files to read. To Ansible a file's own words are above the environment's; here they are below."""
        stacks, files = self.get_option("stacks"), self.get_option("files")
        instead = [name.strip() for name in os.environ.get("LOCKSTEP_STACKS", "").split(",") if name.strip()]
        return (instead if instead and (stacks or not files) else stacks), files

    def _read(self, here: Path, stacks: list[str], files: list[str]) -> list[list[Any]]:
        if not stacks and not files:
            raise stack_inventory.StackError("it names no stacks and no files. Remedy: add `stacks: [dev]`.")
        found: list[list[Any]] = []
        if stacks:
            named = self.get_option("project")
            project = (here / named).resolve() if named else stack_inventory.project_of(here)
            program, timeout = self.get_option("program"), self.get_option("timeout")
            for stack in dict.fromkeys(stacks):
                found.append([f"stack {stack}", stack_inventory.from_stack(stack, project, program, timeout)])
        for name in files:
            file = here / Path(name).expanduser()
            found.append([str(file), stack_inventory.from_file(file)])
        return found

    def _fill(self, found: list[list[Any]]) -> None:
        strict, host_keys = self.get_option("strict"), STRICT[self.get_option("host_keys")]
        for name, host, whole in stack_inventory.join([(str(source), inventory) for source, inventory in found]):
            self.inventory.add_host(name)
            for key, value in stack_inventory.variables(name, host, whole, host_keys).items():
                self.inventory.set_variable(name, key, value)
            for group in stack_inventory.groups(host, whole):
                self.inventory.add_group(group)
                self.inventory.add_child(group, name)
            own = self.inventory.get_host(name).get_vars()
            self._set_composite_vars(self.get_option("compose"), own, name, strict=strict)
            self._add_host_to_composed_groups(self.get_option("groups"), own, name, strict=strict)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), own, name, strict=strict)
