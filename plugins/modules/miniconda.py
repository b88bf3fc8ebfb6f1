#!/usr/bin/python
"""Ansible module: install Miniconda without root."""

from __future__ import annotations

DOCUMENTATION = r"""
module: miniconda
short_description: Install Miniconda without root, once, and freeze it
version_added: 0.1.0
description:
  - Downloads the installer, verifies its sha256, runs it to install the base at O(prefix), and freezes the base
    (CEP 22, PEP 668).
  - Adopts an existing installation if it has the declared version and belongs to the connecting user. Refuses any other
    one, with the reason. It never overwrites files that it did not write.
  - The next run completes the work of a killed one.
  - Changes no shell file.
options:
  prefix:
    description: The folder of the base.
    type: path
    required: true
  version:
    description:
      - The version in the installer's file name, such as V(py312_26.5.3-1). V(latest) is refused, because it changes.
    type: str
    required: true
  base_url:
    description: Url of the folder with the installers.
    type: str
    required: true
  installers:
    description: The sha256 of each installer, by file name.
    type: dict
    required: true
  wait:
    description: How long to wait for another run on the same host, in seconds.
    type: int
    default: 900
attributes:
  diff_mode:
    description: Shows the version before and after.
extends_documentation_fragment:
  - lockstep.fleet.attributes.host
  - lockstep.fleet.options.root
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Install Miniconda
  lockstep.fleet.miniconda:
    root: /opt/lockstep
    prefix: /opt/lockstep/miniconda
    version: py312_26.5.3-1
    base_url: https://repo.anaconda.com/miniconda
    installers:
      Miniconda3-py312_26.5.3-1-Linux-x86_64.sh: ecb43ee4ae30a7a5af87737e9548ceb21f0a10ec55b8dc40d247aa925b80bfec
"""

RETURN = r"""
action:
  description: What was (or in check mode would be) done; empty if nothing.
  type: str
  returned: success
  sample: install
version:
  description: The declared version, which is now installed.
  type: str
  returned: success
said:
  description: A line for each step that was done.
  type: list
  elements: str
  returned: success
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.errors import Problem
from ..module_utils.host.root import check_root, refuse_root
from ..module_utils.miniconda.inspection import Base, decide, inspect
from ..module_utils.miniconda.install import apply


def installer_for(version: str, installers: dict[str, str]) -> tuple[str, str]:
    """Return file name and sha256 of the installer for this machine.

    :raises Problem: if the version is not fixed, or no sha256 is declared for it
    """
    if "latest" in version:
        raise Problem(
            "miniconda_version is 'latest'",
            "that file changes, so hosts would differ",
            "pin a version",
        )
    name = f"Miniconda3-{version}-Linux-{os.uname().machine}.sh"
    sha256 = str(installers.get(name, ""))
    if len(sha256) != 64:
        raise Problem(
            f"no sha256 is pinned for {name}",
            remedy=f"add it to miniconda_installers; known are {', '.join(sorted(installers)) or 'none'}",
        )
    return name, sha256.lower()


def shown(found: Base) -> str:
    """Return a base as lines for the diff: state and version, and each freezing file that is missing or altered."""
    lines = [f"{found.state} {found.version}".strip(), *(f"not frozen: {path}" for path in found.unfrozen)]
    return "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Inspect, decide, then act unless in check mode."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "prefix": {"type": "path", "required": True},
            "version": {"type": "str", "required": True},
            "base_url": {"type": "str", "required": True},
            "installers": {"type": "dict", "required": True},
            "wait": {"type": "int", "default": 900},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        refuse_root()
        check_root(p["root"])
        name, sha256 = installer_for(p["version"], p["installers"])
        found = inspect(p["root"], p["prefix"])
        action = decide(found, p["prefix"], p["version"])
        said: list[str] = []
        if action and not module.check_mode:
            said = apply(
                action, p["root"], p["prefix"], p["version"], f"{p['base_url'].rstrip('/')}/{name}", sha256, p["wait"]
            )
    except (Problem, OSError) as problem:
        module.fail_json(msg=str(problem))
    after = Base("ours", p["version"])
    module.exit_json(
        changed=bool(action),
        action=action,
        version=p["version"],
        said=said,
        diff={
            "before_header": p["prefix"],
            "after_header": p["prefix"],
            "before": shown(found),
            "after": shown(after),
        }
        if action
        else {},
    )


if __name__ == "__main__":
    main()
