#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.host_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Compare a host with what is declared for it, in one read-only call
version_added: 0.1.0
description:
  - Pipes an observer (one program, standard library) to the host's own Python, compares what it saw with the variables,
    the roles' defaults and the tier's locks, and says in what they differ.
  - Nothing is written on the host, and no conda command is run there. The observation and the comparison are kept
    on the controller in C(<lockstep_reports_dir>/observations/<host>.json), readable by their owner alone; results
    stay small.
  - What could not be looked at is never taken for in order.
options:
  depth:
    description:
      - How closely to look. V(names) compares seals and package names, V(stats) every file's size, time, mode and
        owner, V(hashes) every file's sha256 as well.
    type: str
    choices: [names, stats, hashes]
    default: stats
  on_unknown:
    description: Whether a host of which nobody can say whether it agrees fails, or is only recorded, as an audit does.
    type: str
    choices: [fail, record]
    default: fail
  fail_on_drift:
    description: Whether a host that differs fails. A site.yml does this at its end, to prove what it did.
    type: bool
    default: false
  reuse:
    description:
      - The RV(id) of an observation of this host made earlier in the same run. An environment whose generation was
        neither made nor exchanged since then is not inspected again.
    type: str
    default: ""
  gpu:
    description: Whether to ask C(nvidia-smi) too, with a timeout. The driver's version needs none.
    type: bool
    default: false
  seconds:
    description: After how many seconds the observer stops looking and says so.
    type: int
    default: 300
attributes:
  diff_mode:
    description: The differences are in the result.
extends_documentation_fragment:
  - lockstep.fleet.attributes.info
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Look at every file of every environment
  lockstep.fleet.host_info:
    depth: hashes
  register: look

- name: Act only where something differs
  ansible.builtin.include_role:
    name: lockstep.fleet.conda_envs
  when: not look.in_sync
"""

RETURN = r"""
verdict:
  description: V(parity), V(drift), V(unknown) or V(maintenance).
  type: str
  returned: always
in_sync:
  description: Whether the comparison proves that the host agrees.
  type: bool
  returned: always
drift:
  description: The first differences, one line each.
  type: list
  elements: str
  returned: always
drift_count:
  description: How many there are.
  type: int
  returned: always
roles:
  description: The roles that repair them.
  type: list
  elements: str
  returned: always
notes:
  description: What is worth knowing, and no difference.
  type: list
  elements: str
  returned: always
id:
  description: Identifies this observation.
  type: str
  returned: always
intact:
  description: The environments in which nothing differs.
  type: list
  elements: str
  returned: always
observation:
  description: The file on the controller that holds everything.
  type: str
  returned: always
"""
