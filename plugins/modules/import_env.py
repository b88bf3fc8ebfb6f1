#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.import_env."""

from __future__ import annotations

DOCUMENTATION = r"""
module: import_env
short_description: Make a spec and a lock from an existing conda environment or an export of one
version_added: 0.1.0
description:
  - Reads an environment's folder on this machine, any environment.yml, or the output of C(conda env export),
    C(conda list --export) or C(conda list --explicit).
  - Writes C(<envs_dir>/<name>.yml) and C(<locks_dir>/<tier>/<name>.conda-lock.yml), and reports for
    every line or package whether it was kept, changed or left out, why, and what you must decide.
  - The spec holds the requested packages if they are known, otherwise the packages that no other package needs.
  - The lock keeps versions, and if possible the same files. If all packages are still in the channel, it holds exactly
    those.
  - Writes nothing if there is no solution. Replaces an existing spec or lock only with O(force).
  - Reads files only. It runs no conda command, and does not change the environment.
options:
  source:
    description: The environment's folder, or the file that describes it.
    type: path
    required: true
  name:
    description: The name of the environment. By default the name in O(source).
    type: str
    default: ""
  force:
    description: Whether to replace an existing spec or lock of that name.
    type: bool
    default: false
  channels:
    description: The allowed channels. Packages of other channels are solved again from these.
  platforms:
    description: The platforms to lock for. The spec names only those that have all packages.
  python:
    description: The series of Python to change to, for example V(3.12). If empty, the environment's own.
    type: str
    default: ""
attributes:
  check_mode:
    description: Solves, and reports what it would write.
  diff_mode:
    description: Shows the spec line by line, and the lock by packages.
extends_documentation_fragment:
  - lockstep.fleet.attributes.controller
  - lockstep.fleet.options.locks
  - lockstep.fleet.options.solving
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Import an environment that was built by hand
  lockstep.fleet.import_env:
    source: /opt/conda/envs/train
    envs_dir: envs
    locks_dir: envs/locks
"""

RETURN = r"""
notes:
  description: For each line or package its place, C(kept), C(changed), C(left out) or C(decide), and why.
  returned: success
  type: list
  elements: str
  sample: ["environment.yml:12: changed: `sklearn` -> `scikit-learn`: its name on conda-forge"]
summary:
  description: A line for each platform, and one more if the lock holds exactly the packages of the environment.
  returned: success
  type: list
  elements: str
exact:
  description: Whether the lock holds exactly the conda packages of the environment.
  returned: success
  type: bool
spec:
  description: Path of the spec.
  returned: success
  type: str
lock:
  description: Path of the lock.
  returned: success
  type: str
"""
