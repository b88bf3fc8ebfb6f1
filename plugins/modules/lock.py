#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.lock."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lock
short_description: Make locks (conda-lock.yml) from the specs of environments
version_added: 0.1.0
description:
  - Reads C(<envs_dir>/<name>.yml) (environment.yml, CEP 24), solves it for every platform on the controller,
    and writes C(<locks_dir>/<tier>/<name>.conda-lock.yml) (conda-lock version 1, CEP 37) with url, md5 and sha256 of
    every package.
  - Hosts are not asked. What they offer is declared in O(system_requirements), and the solver is told that instead
    of what the controller has.
  - What an existing lock holds stays as long as it satisfies the spec; see O(update) and O(upgrade).
  - The lock holds the text of the spec's smoke test (C(<envs_dir>/<env>.smoke.py), UTF-8, at most 64 KiB).
  - All specs are judged before anything is written, and locks are written only if none of them has an error. They
    change as one. A killed run leaves all of them as they were, or C(<locks_dir>/.unfinished.json), which the next
    lock, promotion or rollback completes.
  - The same specs, system requirements, locks and channel metadata give the same bytes.
  - Runs on the controller, with the Python that runs Ansible, which needs py-rattler and, for C(pip) sections, uv
    (C(requirements/controller.txt)).
options:
  envs:
    description: Names of the environments. All specs in O(envs_dir) if left out.
    type: list
    elements: str
  update:
    description:
      - Packages that are to be as new as a new lock would have them, although what the lock holds still satisfies the
        spec. Others move only if they must for that.
    type: list
    elements: str
    default: []
  upgrade:
    description: Whether to solve afresh, as if there were no lock yet.
    type: bool
    default: false
attributes:
  check_mode:
    description:
      - Solves and compares, writes nothing. C(changed) then means that a lock is stale; see also RV(unsettled).
  diff_mode:
    description: Shows packages, and changes of CUDA, BLAS and CPU or GPU builds by name.
extends_documentation_fragment:
  - lockstep.fleet.attributes.controller
  - lockstep.fleet.options.locks
  - lockstep.fleet.options.solving
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Lock all specs for two platforms
  lockstep.fleet.lock:
    envs_dir: envs
    locks_dir: envs/locks
    platforms: [linux-64, linux-aarch64]
    system_requirements:
      cuda: "12.8"
      glibc: "2.35"

- name: Move numpy in one environment, and nothing that need not move with it
  lockstep.fleet.lock:
    envs: [train]
    envs_dir: envs
    locks_dir: envs/locks
    update: [numpy]
"""

RETURN = r"""
summary:
  description: One line for each environment and platform.
  returned: success
  type: list
  elements: str
  sample: ["train        linux-64        231 packages  4.04 GB  BLAS mkl, CUDA 12.9, python 3.12.13  (changed)"]
locks:
  description: What was made of each environment.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The environment.
      type: str
    path:
      description: The lock.
      type: str
    changed:
      description: Whether its bytes differ from what was there.
      type: bool
    missing:
      description: Whether there was none.
      type: bool
    platforms:
      description: For each platform its number of packages, the size of the download, and variants.
      type: list
      elements: dict
findings:
  description:
    - All findings as C(file:line:column), severity, code, cause and remedy. Errors that forbid a lock are in the
      failure's message instead.
  returned: success
  type: list
  elements: str
unfinished:
  description:
    - What a run that was killed left to be completed, which this one did (in check mode would do) first; else empty.
  returned: success
  type: str
unsettled:
  description:
    - Errors that do not keep a lock from being made, and that the lock would settle. In check mode these are fuzzy pins
      of a spec whose lock is missing or stale. There are none outside of check mode.
  returned: success
  type: list
  elements: str
"""
