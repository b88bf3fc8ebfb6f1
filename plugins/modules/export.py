#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.export."""

from __future__ import annotations

DOCUMENTATION = r"""
module: export
short_description: Render locks as files that conda, mamba, micromamba and pip install from
version_added: 0.1.0
description:
  - For every environment and platform of the tiers' locks, writes C(<dest>/<tier>/<env>.<platform>.explicit.txt), an
    C(@EXPLICIT) list (CEP 23) whose addresses end with the sha256 of their archives.
  - Where the lock holds wheels, which such a list cannot, it writes C(<env>.<platform>.requirements.txt) beside it,
    with a sha256 for each.
  - The same lock gives the same bytes, in every tier. Nothing but what an export wrote is replaced or removed.
  - Runs on the controller and asks no host.
options:
  dest:
    description: The folder to write to. It is made if it is not there.
    type: path
    required: true
  tiers:
    description: The tiers to export. One without locks is passed over if another has some.
    type: list
    elements: str
    required: true
  channel_alias:
    description: What takes the place of V(https://conda.anaconda.org) in addresses, to install from a mirror.
    type: str
    default: https://conda.anaconda.org
  pip_index:
    description: The index that wheels come from, written into requirements. Pip's own configuration if empty.
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
- name: Export what production holds, for laptops and CI
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
