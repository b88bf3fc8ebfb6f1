#!/usr/bin/python
"""Ansible module: take over an existing environment. Its action plugin does the work, on the controller."""

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
  python:
    description: The series of Python to go to, as V(3.12). The environment's own if empty.
    type: str
    default: ""
  envs_dir:
    description: The folder of the specs.
    type: path
    required: true
  locks_dir:
    description: The folder of the tiers' locks.
    type: path
    required: true
  tier:
    description: The tier to make the lock for, the first one.
    type: str
    default: dev
  channels:
    description: The allowed channels. Packages of others are solved anew from these.
    type: list
    elements: str
    default: [conda-forge]
  repodata_alias:
    description: Where channels' metadata is read from, as for M(lockstep.fleet.lock).
    type: str
    default: https://conda.anaconda.org
  system requirements:
    description: The least that every host offers, as for M(lockstep.fleet.lock).
    type: raw
  platforms:
    description:
      - The platforms to lock for. The spec is limited to those that have all packages.
    type: list
    elements: str
    default: [linux-64]
  exclude_newer:
    description: Ignore packages newer than this date or time (UTC unless it names a zone).
    type: raw
  pip_index:
    description: The index that wheels come from. The one that uv is set up for if empty.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Solves and says what would be written.
  diff_mode:
    support: full
    description: Shows the spec line by line, and the lock by packages.
  platform:
    support: full
    platforms: posix
    description: Runs on the controller.
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

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Say that the work is done elsewhere; only reached when the action plugin was bypassed."""
    AnsibleModule({}).fail_json(msg="lockstep.fleet.import_env runs on the controller, through its action plugin")


if __name__ == "__main__":
    main()
