#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.rollback."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollback
short_description: Declare a tier's previous lock of an environment again
version_added: 0.1.0
description:
  - Exchanges the tier's lock and C(<tier>/previous/<env>.conda-lock.yml), so that a second rollback returns.
    C(<tier>/<env>.provenance.json) records when, why and from which lock.
  - If there is no previous lock, makes it again from the records of hosts (M(lockstep.fleet.env_info)).
  - Changes the declaration only; the role C(conda_envs) then activates it on the hosts.
  - Runs on the controller. Use it with C(run_once) and C(delegate_to=localhost), in a play of all hosts.
options:
  state:
    description: V(query) returns where the previous lock is, V(declared) declares it again.
    type: str
    choices: [query, declared]
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
    description: Why, for the provenance and for reports.
    type: str
    default: ""
  to:
    description:
      - The first digits (at least 8) of the digests to go back to, instead of those that the tier had before.
      - This makes the task idempotent.
    type: list
    elements: str
    default: []
  records:
    description: What M(lockstep.fleet.env_info) returned, by host; needed where O(state=query) returned V(hosts).
    type: dict
    default: {}
attributes:
  check_mode:
    description: Writes the lock to a temporary folder of the run, for the tasks that follow.
  diff_mode:
    description: Shows the packages that change.
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
  description:
    - Where the previous lock is. C(declared) (it is declared already), C(kept) (beside the lock) or C(hosts) (in their
      records).
  type: str
  returned: always
hosts:
  description: The hosts of the tier that hold the environment.
  type: list
  elements: str
  returned: always
declared:
  description: The currently declared digests by platform.
  type: dict
  returned: when O(state=query)
digests:
  description: The declared digests after the rollback, by platform.
  type: dict
  returned: when O(state=declared)
locks_dir:
  description: The folder of locks for the tasks that follow.
  type: str
  returned: when O(state=declared)
returns:
  description: Whether this returns from an earlier rollback.
  type: bool
  returned: when O(state=declared)
"""
