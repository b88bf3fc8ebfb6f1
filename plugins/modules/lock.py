#!/usr/bin/python
"""Ansible module: make locks from specs. The work is done on the controller, by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lock
short_description: Make locks (conda-lock.yml) from the specs of environments
version_added: 0.1.0
description:
  - Reads C(<envs_dir>/<name>.yml) (environment.yml, CEP 24), solves it for every platform on the controller,
    and writes C(<locks_dir>/<tier>/<name>.conda-lock.yml) (conda-lock version 1, CEP 37) with url, md5 and sha256 of
    every package.
  - Hosts are not asked. What they offer is declared in O(system requirements), and the solver is told that instead
    of what the
    controller has.
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
  envs_dir:
    description: The folder of the specs.
    type: path
    required: true
  locks_dir:
    description: The folder of the tiers' locks.
    type: path
    required: true
  tier:
    description: The tier to make locks for, the first one. Later tiers get theirs by promotion.
    type: str
    default: dev
  channels:
    description: The allowed channels, names or urls, the first having priority. A spec may list fewer, no others.
    type: list
    elements: str
    default: [conda-forge]
  repodata_alias:
    description:
      - Where channels' metadata is read from. An address or a folder that holds
        C(<channel>/<platform>/repodata.json).
      - Locks carry the published urls (C(https://conda.anaconda.org/<channel>)) whatever is given here, so a site
        without internet can lock from a copy of the metadata.
    type: str
    default: https://conda.anaconda.org
  system requirements:
    description:
      - The least that every host offers, a mapping. V(cuda) is the driver's CUDA version (Linux only; leave it out
        where hosts have no GPU), V(glibc), V(linux) (kernel), V(osx), and V(microarch), a mapping of platforms to
        archspec names.
      - Versions need quotes.
    type: raw
  platforms:
    description: The platforms to lock for. A spec may limit them with C(platforms).
    type: list
    elements: str
    default: [linux-64]
  exclude_newer:
    description: Ignore packages newer than this date or time (UTC unless it names a zone).
    type: raw
  pip_index:
    description:
      - The index (PEP 503) that the C(pip) sections' wheels are chosen from. Left out, the one that uv's environment
        variables (C(UV_DEFAULT_INDEX)) name, else the Python package index.
      - Credentials belong into C(~/.netrc) or a keyring, not here.
    type: str
    default: ""
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
    support: full
    description:
      - Solves and compares, writes nothing. RV(changed) then means that a lock is stale; see also RV(unsettled).
  diff_mode:
    support: full
    description: Shows packages, and changes of CUDA, BLAS and CPU or GPU builds by name.
  platform:
    support: full
    platforms: posix
    description: Runs on the controller.
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Lock all specs for two platforms
  lockstep.fleet.lock:
    envs_dir: envs
    locks_dir: envs/locks
    platforms: [linux-64, linux-aarch64]
    system requirements:
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

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    """Say that the work is done elsewhere; only reached when the action plugin was bypassed."""
    AnsibleModule({}).fail_json(msg="lockstep.fleet.lock runs on the controller, through its action plugin")


if __name__ == "__main__":
    main()
