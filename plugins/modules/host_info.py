#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.host_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_info
short_description: Compare a host with its desired state, in one read-only call
version_added: 0.1.0
description:
  - Pipes an observer (one program, standard library) to the host's own Python, compares the observed state with the
    variables, the roles' defaults and the tier's locks, and returns the drift.
  - Writes nothing on the host, and runs no conda command there. The observation and the drift are stored on the
    controller in C(<lockstep_reports_dir>/observations/<host>.json), readable only by their owner.
  - What could not be inspected is unknown, never in sync.
options:
  depth:
    description:
      - How thoroughly to inspect. V(names) compares checksums and package names, V(stats) also size, time, mode and
        owner of every file, V(hashes) also the sha256 of every file.
    type: str
    choices: [names, stats, hashes]
    default: stats
  on_unknown:
    description: Whether a host with the verdict unknown fails, or is only recorded (as an audit does).
    type: str
    choices: [fail, record]
    default: fail
  fail_on_drift:
    description: Whether a host with drift fails. site.yml sets it at its end, to verify its own work.
    type: bool
    default: false
  reuse:
    description:
      - The RV(id) of an observation of this host made earlier in the same run. An environment whose generation was
        neither made nor exchanged since then is not inspected again.
    type: str
    default: ""
  gpu:
    description: Whether to run C(nvidia-smi), with a timeout. The driver's version is known without it.
    type: bool
    default: false
  seconds:
    description: Time limit per host, in seconds; the rest is then unknown.
    type: int
    default: 300
attributes:
  diff_mode:
    description: The result lists the drift.
extends_documentation_fragment:
  - lockstep.fleet.attributes.info
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Inspect every file of every environment
  lockstep.fleet.host_info:
    depth: hashes
  register: info

- name: Skip hosts that are already in sync
  ansible.builtin.include_role:
    name: lockstep.fleet.conda_envs
  when: not info.in_sync
"""

RETURN = r"""
verdict:
  description: V(parity), V(drift), V(unknown) or V(maintenance).
  type: str
  returned: always
in_sync:
  description: Whether the host is in sync. Unknown is not in sync.
  type: bool
  returned: always
drift:
  description: The first differences, a line for each.
  type: list
  elements: str
  returned: always
drift_count:
  description: The number of all differences.
  type: int
  returned: always
roles:
  description: The roles that repair the drift.
  type: list
  elements: str
  returned: always
notes:
  description: Notes that are not drift.
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
  description: Path of the observation on the controller.
  type: str
  returned: always
"""
