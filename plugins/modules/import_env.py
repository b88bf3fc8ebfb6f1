#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.import_env."""

from __future__ import annotations

DOCUMENTATION = r"""
module: import_env
short_description: Make a spec and a lock of an existing conda environment, or of a description of one
version_added: 0.1.0
description:
  - Reads an environment's folder on this machine, an environment.yml of whatever age and origin, or what C(conda env
    export), C(conda list --export) or C(conda list --explicit) wrote.
  - Writes C(<envs_dir>/<name>.yml) and C(<locks_dir>/<tier>/<name>.conda-lock.yml), and says of every line or package
    whether it was kept, changed or left out, and why, and what a person must decide.
  - The spec has what people asked for, where that is known, and otherwise what no other package needs.
  - The lock keeps versions, and if possible the very same files. If all packages are still in the channel, it holds
    exactly those.
  - Nothing is written if there is no solution, and no spec or lock that is there already is replaced without O(force).
  - Only files are read. No conda command runs, and the environment stays as it is.
options:
  source:
    description: The environment's folder, or the file that describes one.
    type: path
    required: true
  name:
    description: What the environment is to be called. If left out, as O(source) calls it.
    type: str
    default: ""
  force:
    description: Whether to replace a spec or lock of that name.
    type: bool
    default: false
  channels:
    description: The allowed channels. Packages of others are solved again from these.
  platforms:
    description: The platforms to lock for. The spec is limited to those that have all packages.
  python:
    description: The series of Python to go to, as V(3.12). The environment's own if empty.
    type: str
    default: ""
attributes:
  check_mode:
    description: Solves and says what would be written.
  diff_mode:
    description: Shows the spec line by line, and the lock by packages.
extends_documentation_fragment:
  - lockstep.fleet.attributes.controller
  - lockstep.fleet.options.locks
  - lockstep.fleet.options.solving
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Take over what people built by hand
  lockstep.fleet.import_env:
    source: /opt/conda/envs/train
    envs_dir: envs
    locks_dir: envs/locks
"""

RETURN = r"""
notes:
  description: What became of each line or package, as C(place), C(kept), C(changed), C(left out) or C(decide), and why.
  returned: success
  type: list
  elements: str
  sample: ["environment.yml:12: changed: `sklearn` -> `scikit-learn`: its name on conda-forge"]
summary:
  description: One line for each platform, and one more if the lock holds exactly what the environment does.
  returned: success
  type: list
  elements: str
exact:
  description: Whether the lock holds exactly the conda packages that the environment holds.
  returned: success
  type: bool
spec:
  description: The spec.
  returned: success
  type: str
lock:
  description: The lock.
  returned: success
  type: str
"""
