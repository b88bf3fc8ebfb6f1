#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.rollback."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback
short_description: Declare a tier's previous lock of an environment again
version_added: 0.1.0
description:
  - Puts C(<tier>/previous/<env>.conda-lock.yml) in the place of the tier's lock, and the tier's lock in its place, so
    that a second rollback returns. C(<tier>/<env>.provenance.json) says when, why and from what.
  - Where no previous lock is kept, it is made again from what hosts wrote down (M(lockstep.fleet.env_info)).
  - It declares; the role C(conda_envs) then swaps on the hosts.
  - Runs on the controller. Use it with C(run_once) and C(delegate_to=localhost), in a play of all hosts.
options:
  state:
    description: V(looked) says where the lock to go back to is, V(declared) declares it.
    type: str
    choices: [looked, declared]
    required: true
  env:
    description: The environment.
    type: str
    required: true
  tier:
    description: The tier.
    type: str
    required: true
  reason:
    description: Why, for the evidence and for reports.
    type: str
    default: ""
  to:
    description:
      - The first digits of the digests to go back to, at least 8 of each, in place of what the tier held before.
      - With it the task is idempotent.
    type: list
    elements: str
    default: []
  records:
    description: What M(lockstep.fleet.env_info) returned, by host; needed where O(state=looked) said V(hosts).
    type: dict
    default: {}
attributes:
  check_mode:
    description: The lock is put into a folder of this run alone, for the tasks that follow.
  diff_mode:
    description: The packages that change.
extends_documentation_fragment:
  - lockstep.fleet.attributes.controller
  - lockstep.fleet.options.tiers
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Declare prod's previous lock of train again
  lockstep.fleet.rollback:
    state: declared
    env: train
    tier: prod
    tiers: [dev, test, prod]
    reason: loss diverges since the update
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
source:
  description: C(declared) (it is declared already), C(kept) (beside the lock) or C(hosts) (in their records).
  type: str
  returned: always
hosts:
  description: The hosts of the tier that hold the environment.
  type: list
  elements: str
  returned: always
declared:
  description: The digests that are declared now, by platform.
  type: dict
  returned: when O(state=looked)
digests:
  description: The digests that are declared after this, by platform.
  type: dict
  returned: when O(state=declared)
locks_dir:
  description: The folder of locks to go on with.
  type: str
  returned: when O(state=declared)
returns:
  description: Whether this returns from an earlier rollback.
  type: bool
  returned: when O(state=declared)
"""
