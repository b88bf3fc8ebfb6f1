#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.promote."""

from __future__ import annotations

DOCUMENTATION = r"""
module: promote
short_description: Bring locks to the next tier, where an audit proves them on the former one
version_added: 0.1.0
description:
  - Copies C(<former>/<env>.conda-lock.yml) to C(<latter>/), the same bytes, and writes
    C(<latter>/<env>.provenance.json)
    beside it. What the tier had before is kept in C(<latter>/previous/).
  - Refuses unless the report of an audit proves that every host of the former tier that is not in declared maintenance
    holds exactly that lock. Every reason is named with its host and its remedy.
  - All environments or none. A run that was killed is completed by the next one.
  - A lock that is there already, with its evidence, needs no proof and is left alone.
  - Runs on the controller and reads the variables of the host that it runs for (C(lockstep_locks_dir),
    C(lockstep_reports_dir), C(lockstep_channels)), and C(lockstep_tier) and C(lockstep_envs) of all hosts of the
    inventory. Use it with C(run_once) and C(delegate_to=localhost).
options:
  former:
    description: The tier whose locks are proven.
    type: str
    required: true
  latter:
    description: The tier after it, which gets them.
    type: str
    required: true
  envs:
    description: The environments. By default all that hosts of O(former) are declared to hold.
    type: list
    elements: str
  report:
    description: The report to judge. By default C(report.json) in C(lockstep_reports_dir).
    type: path
  max_age_hours:
    description: How old the report may be.
    type: float
    default: 24
  depth:
    description: The least depth of the audit.
    type: str
    choices: [stats, hashes]
    default: stats
attributes:
  check_mode:
    description: Judges all the same, and fails where it would refuse.
  diff_mode:
    description: The packages that change in the latter tier.
extends_documentation_fragment:
  - lockstep.fleet.attributes.controller
  - lockstep.fleet.options.tiers
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Bring dev's locks to test
  lockstep.fleet.promote:
    former: dev
    latter: test
    tiers: [dev, test, prod]
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
envs:
  description: The environments whose lock or evidence changed.
  type: list
  elements: str
  returned: success
summary:
  description: A line for each environment and platform.
  type: list
  elements: str
  returned: success
msg:
  description: What is against it, a line for each host or environment with the reason and the remedy.
  type: str
  returned: when it refuses
"""
