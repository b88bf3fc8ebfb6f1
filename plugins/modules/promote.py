#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.promote."""

from __future__ import annotations

DOCUMENTATION = r"""
module: promote
short_description: Copy locks to the next tier after an audit of the former one
version_added: 0.1.0
description:
  - Copies C(<former>/<env>.conda-lock.yml) to C(<latter>/), byte by byte, and writes
    C(<latter>/<env>.provenance.json) beside it. The tier's former lock moves to C(<latter>/previous/).
  - Passes the audit gate only if the report of an audit shows that every host of the former tier that is not in
    declared maintenance holds exactly that lock. A refusal names each host with reason and remedy.
  - Promotes all environments or none. The next run completes the work of a killed one.
  - Skips a lock that the latter tier has already, with its provenance.
  - Runs on the controller and reads the variables of the host that it runs for (C(lockstep_locks_dir),
    C(lockstep_reports_dir), C(lockstep_channels)), and C(lockstep_tier) and C(lockstep_envs) of all hosts of the
    inventory. Use it with C(run_once) and C(delegate_to=localhost).
options:
  former:
    description: The tier whose locks are promoted.
    type: str
    required: true
  latter:
    description: The next tier, which gets the locks.
    type: str
    required: true
  envs:
    description: The environments. By default all that are declared for hosts of O(former).
    type: list
    elements: str
  report:
    description: The report of the audit. By default C(report.json) in C(lockstep_reports_dir).
    type: path
  max_age_hours:
    description: Maximum age of the report, in hours.
    type: float
    default: 24
  depth:
    description: The minimum depth of the audit.
    type: str
    choices: [stats, hashes]
    default: stats
attributes:
  check_mode:
    description: Checks the audit gate, and fails if it would refuse.
  diff_mode:
    description: Shows the packages that change in the latter tier.
extends_documentation_fragment:
  - lockstep.fleet.attributes.controller
  - lockstep.fleet.options.tiers
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Promote dev's locks to test
  lockstep.fleet.promote:
    former: dev
    latter: test
    tiers: [dev, test, prod]
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
envs:
  description: The environments whose lock or provenance changed.
  type: list
  elements: str
  returned: success
summary:
  description: A line for each environment and platform.
  type: list
  elements: str
  returned: success
msg:
  description: The refusal, a line for each host or environment with reason and remedy.
  type: str
  returned: when it refuses
"""
