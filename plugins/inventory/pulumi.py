"""Inventory plugin: read the machines of Pulumi stacks."""

from __future__ import annotations

DOCUMENTATION = r"""
name: pulumi
short_description: Read the machines of Pulumi stacks
version_added: 0.1.0
author:
  - The Lockstep developers (@lockstep-fleet)
description:
  - Reads the output C(inventory) of Pulumi stacks that Lockstep's program made, or of files with that output.
  - A stack that is not ready (no CLI, not logged in, no such stack, never created, another schema, no machines) is an
    error with cause and remedy. Set C(any_unparsed_is_failed) in section C(inventory) of ansible.cfg, as this checkout
    does; otherwise Ansible continues without the hosts.
  - Groups are the tier (C(dev)), and C(group_*), C(platform_*), C(type_*), C(stack_*).
  - The file's name must end in C(pulumi.yml) or C(pulumi.yaml).
options:
  plugin:
    description: The name of this plugin.
    required: true
    choices: [lockstep.fleet.pulumi]
  stacks:
    description:
      - Names of the stacks to read. If E(LOCKSTEP_STACKS) is set, its comma-separated names replace them, except in a
        source that only has O(files).
    type: list
    elements: str
    default: []
  files:
    description:
      - Further files to read, each with the output of C(pulumi stack output --json). Paths are relative to this file.
    type: list
    elements: str
    default: []
  project:
    description: The folder of Pulumi.yaml, relative to this file; by default the nearest one above it.
    type: str
  program:
    description: The Pulumi CLI.
    type: str
    default: pulumi
    env:
      - name: LOCKSTEP_PULUMI
  timeout:
    description: Time limit for reading one stack, in seconds.
    type: float
    default: 120
  host_keys:
    description:
      - How ssh treats host keys. C(accept-new) accepts a machine's key at the first connection, and refuses another one
        later. C(strict) requires that the key is known. C(unset) does not set C(ansible_ssh_common_args), so that you
        can set it yourself (SSM then needs your own ProxyCommand).
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

# for controllers without Pulumi or without access to the stacks: files that another user saved
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
    """Read stacks and files, validate them, and fill the inventory."""

    NAME = "lockstep.fleet.pulumi"

    def verify_file(self, path: str) -> bool:
        """Accept files whose name ends in pulumi.yml or pulumi.yaml."""
        return super().verify_file(path) and path.endswith(("pulumi.yml", "pulumi.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill the inventory from all stacks and files that the file at `path` names."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        stacks, files = self._named()
        about = json.dumps([stacks, files, self.get_option("project"), self.get_option("program")])
        # the path alone is no key: LOCKSTEP_STACKS can name other stacks
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
        # an older checkout may have written the cache
        return [
            [source, stack_inventory.validate(found, f"{source} (cached)", "--flush-cache")] for source, found in kept
        ]

    def _named(self) -> tuple[list[str], list[str]]:
        """Return the stacks and files to read. LOCKSTEP_STACKS overrides the file, unlike Ansible's own precedence."""
        stacks, files = self.get_option("stacks"), self.get_option("files")
        instead = [name.strip() for name in os.environ.get("LOCKSTEP_STACKS", "").split(",") if name.strip()]
        return (instead if instead and (stacks or not files) else stacks), files

    def _read(self, here: Path, stacks: list[str], files: list[str]) -> list[list[Any]]:
        if not stacks and not files:
            raise stack_inventory.StackError("the file names no stacks and no files. Remedy: add `stacks: [dev]`.")
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
