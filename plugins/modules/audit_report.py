#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.audit_report."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_report
short_description: Report an audit, and fail unless all hosts are in sync
version_added: 0.1.0
description:
  - Collects the observations that M(lockstep.fleet.host_info) made in this play, compares the hosts with each other,
    prints a table, and writes C(report.json) and C(report.html). Hosts of the play that did not answer are unknown.
  - Fails unless every host that is not in declared maintenance is in sync, and there is at least one such host.
  - Runs on the controller. Use it once, in the same play, after M(lockstep.fleet.host_info).
options:
  fleet:
    description: The names of all hosts of the fleet. A limited audit counts those that it leaves out.
    type: list
    elements: str
  dest:
    description: The folder for the reports. By default C(lockstep_reports_dir).
    type: path
  depth:
    description: The depth of the observations. Observations of another depth count as unknown.
    type: str
    default: stats
attributes:
  check_mode:
    description: Writes the reports in both modes, and nothing else.
  diff_mode:
    support: none
    description: The report lists the differences.
extends_documentation_fragment:
  - lockstep.fleet.attributes.controller
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Report
  lockstep.fleet.audit_report:
    fleet: "{{ query('inventory_hostnames', 'all:!localhost') }}"
  run_once: true
"""

RETURN = r"""
proven:
  description: Whether all hosts that are not in maintenance are in sync, and there is at least one.
  type: bool
  returned: always
counts:
  description: The number of hosts with each verdict.
  type: dict
  returned: always
hosts:
  description: The numbers of audited and of all hosts, and whether the audit was limited.
  type: dict
  returned: always
html:
  description: Path of the page.
  type: str
  returned: always
json:
  description: Path of the data, schema 1 (docs/reference/report.md).
  type: str
  returned: always
"""
