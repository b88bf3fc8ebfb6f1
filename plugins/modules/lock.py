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
  - Does not connect to hosts. O(system_requirements) declares what they offer, and the solver uses that instead of
    the virtual packages of the controller.
  - Packages of an existing lock stay as long as they satisfy the spec; see O(update) and O(upgrade).
  - The lock holds the text of the spec's smoke test (C(<envs_dir>/<env>.smoke.py), UTF-8, at most 64 KiB).
  - Checks all specs before it writes, and writes locks only if no spec has an error. All locks change in one
    transaction. A killed run leaves all of them as they were, or C(<locks_dir>/.unfinished.json), which the next lock,
    promotion or rollback completes.
  - The same specs, system requirements, locks and channel metadata give the same bytes.
  - Runs on the controller, with the Python that runs Ansible, which needs py-rattler and, for C(pip) sections, uv
    (C(requirements/controller.txt)).
options:
  envs:
    description: Names of the environments. By default all specs in O(envs_dir).
    type: list
    elements: str
  update:
    description:
      - Packages to update to the version of a new lock, although the locked one still satisfies the spec. Other
        packages change only if these need it.
    type: list
    elements: str
    default: []
  upgrade:
    description: Whether to solve as if there were no lock yet.
    type: bool
    default: false
attributes:
  check_mode:
    description:
      - Solves and compares, but writes nothing. C(changed) then means that a lock is stale; see also RV(unsettled).
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

- name: Update numpy in one environment, and only what it needs
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
  description: The result for each environment.
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
      description: Whether its bytes changed.
      type: bool
    missing:
      description: Whether there was no lock before.
      type: bool
    platforms:
      description: For each platform its number of packages, the size of the download, and variants.
      type: list
      elements: dict
findings:
  description:
    - All findings as C(file:line:column), severity, code, cause and remedy. Errors that prevent a lock are in the
      failure's message instead.
  returned: success
  type: list
  elements: str
unfinished:
  description:
    - The transaction of a killed run that this run completed (in check mode would complete) first; empty if none.
  returned: success
  type: str
unsettled:
  description:
    - Errors that the lock would settle. In check mode these are fuzzy pins of a spec whose lock is missing or stale.
      Empty outside of check mode.
  returned: success
  type: list
  elements: str
"""
