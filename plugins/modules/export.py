#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.export."""

from __future__ import annotations

DOCUMENTATION = r"""
module: export
short_description: Render locks as files that conda, mamba, micromamba and pip install from
version_added: 0.1.0
description:
  - For every environment and platform of the tiers' locks, writes C(<dest>/<tier>/<env>.<platform>.explicit.txt), an
    C(@EXPLICIT) list (CEP 23) whose urls end with the sha256 of their archives.
  - If the lock holds wheels, also writes C(<env>.<platform>.requirements.txt) with the sha256 of each wheel.
  - The same lock gives the same bytes, in every tier. Replaces and removes only files that an export wrote.
  - Runs on the controller, without connecting to hosts.
options:
  dest:
    description: The folder to write to; created if it does not exist.
    type: path
    required: true
  tiers:
    description: The tiers to export. A tier without locks is skipped if another tier has locks.
    type: list
    elements: str
    required: true
  channel_alias:
    description: The url that replaces V(https://conda.anaconda.org), to install from a mirror.
    type: str
    default: https://conda.anaconda.org
  pip_index:
    description: The package index that the requirements name. If empty, pip's own configuration decides.
    type: str
    default: ""
attributes:
  diff_mode:
    description: Shows the files, line by line.
extends_documentation_fragment:
  - lockstep.fleet.attributes.controller
  - lockstep.fleet.options.locks
  - lockstep.fleet.options.selection
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Export production's environments for laptops and CI
  lockstep.fleet.export:
    locks_dir: envs/locks
    dest: exported
    tiers: [prod]
"""

RETURN = r"""
summary:
  description: One line for each environment and platform.
  returned: success
  type: list
  elements: str
  sample: ["prod/train        linux-64        231 packages  digest 3f0c9a1b22de"]
files:
  description: All files of the export, whether they changed or not.
  returned: success
  type: list
  elements: str
"""
