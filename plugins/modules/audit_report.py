#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.audit_report."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_report
short_description: Report an audit, and fail unless parity was proven
version_added: 0.1.0
description:
  - Puts together what M(lockstep.fleet.host_info) saw in this play of all hosts that were meant, also of those that
    did not answer, compares the hosts with each other, prints a table, and writes C(report.json) and C(report.html).
  - Fails unless every host that is not in declared maintenance was looked at and is in parity, and there is at least
    one.
  - Runs on the controller. Use it once, in the same play, after M(lockstep.fleet.host_info).
options:
  fleet:
    description: The names of all hosts of the fleet, so that a limited audit can say what it left out.
    type: list
    elements: str
  dest:
    description: The folder for the reports. By default C(lockstep_reports_dir).
    type: path
  depth:
    description: The depth at which the hosts were observed, for the report.
    type: str
    default: stats
attributes:
  check_mode:
    description: Reports are written in either mode; nothing else is.
  diff_mode:
    support: none
    description: The differences are what it reports.
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
  description: Whether parity was proven.
  type: bool
  returned: always
counts:
  description: The number of hosts of each verdict.
  type: dict
  returned: always
hosts:
  description: How many hosts were audited, of how many, and whether the audit was limited.
  type: dict
  returned: always
html:
  description: The page.
  type: str
  returned: always
json:
  description: The data, schema 1 (docs/reference/report.md).
  type: str
  returned: always
"""
