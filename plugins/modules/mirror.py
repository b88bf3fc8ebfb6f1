#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.mirror."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mirror
short_description: Make a mirror of exactly what locks name, for sites without internet
version_added: 0.1.0
description:
  - Brings the packages of tiers' locks (the current ones and those that a rollback would declare), the installers of
    Miniconda, the rattler runtime's wheels and pip's wheels into a folder, laid out as a channel that conda,
    micromamba and
    py-rattler use as it is, served by any static web server or as C(file://).
  - Every file is checked by its sha256 before it gets its name. Indexes are written last and in one step each, so that
    a mirror that is being served never lists a file that is not there.
  - A download that broke off goes on where it broke off, also after the run was killed. What is there already is not
    fetched again.
  - The same locks give the same bytes. C(contents.json) lists every file, its sha256 and what needs it.
  - Runs on the controller. Proxies come from the environment (E(HTTPS_PROXY), E(HTTP_PROXY), E(NO_PROXY)), certificate
    authorities from the system, E(SSL_CERT_FILE) or E(REQUESTS_CA_BUNDLE), credentials from the netrc file. None of
    them, and no channel token, is written or shown.
options:
  dest:
    description: The folder of the mirror. Made if it is not there.
    type: path
    required: true
  all_tiers:
    description: The site's tiers, in order.
    type: list
    elements: str
    default: [dev, test, prod]
  tiers:
    description: The tiers to mirror. All that have locks if left out.
    type: list
    elements: str
  source:
    description:
      - What takes the place of C(https://conda.anaconda.org) in the locks' urls; an address, or a folder. It may hold a
        channel token or credentials.
      - Where it is another mirror made by this module, all else comes from it too.
    type: str
    default: https://conda.anaconda.org
  miniconda_source:
    description: The address of the folder that has the installers.
    type: str
    default: https://repo.anaconda.com/miniconda
  miniconda_versions:
    description: The versions of Miniconda that hosts have (C(miniconda_version)).
    type: list
    elements: str
    default: []
  miniconda_installers:
    description: The sha256 of each installer by its file name.
    type: dict
    default: {}
  rattler_source:
    description: Address or folder of the rattler runtime's wheels. Empty for the package index of the controller's pip.
    type: str
    default: ""
  rattler_wheels:
    description: Tables of the rattler runtime's wheels, as C(conda_envs_rattler_wheels).
    type: list
    elements: dict
    default: []
  prune:
    description: Whether to remove what no chosen lock needs any more. Only files that this module put there.
    type: bool
    default: false
  verify:
    description:
      - Whether to hash every file that is there. Else files are believed whose size and time are those of when they
        were hashed.
    type: bool
    default: false
  parallel:
    description: How many files to fetch at once.
    type: int
    default: 4
attributes:
  check_mode:
    description: Asks the source for the sizes of what is missing, and writes nothing.
  diff_mode:
    description: Lists the files that are fetched, replaced and removed.
extends_documentation_fragment:
  - lockstep.fleet.attributes.controller
  - lockstep.fleet.options.locks
  - lockstep.fleet.options.selection
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Mirror all that production needs on Linux
  lockstep.fleet.mirror:
    dest: /srv/mirror
    locks_dir: envs/locks
    tiers: [prod]
    platforms: [linux-64]

- name: Bring a served mirror up to date from one that was carried here
  lockstep.fleet.mirror:
    dest: /srv/mirror
    locks_dir: envs/locks
    source: /media/stick/mirror
"""

RETURN = r"""
summary:
  description: One line for all, and one for each tier, environment and platform.
  returned: success
  type: list
  elements: str
  sample: ["/srv/mirror: 231 packages, 1 installers, 1 rattler wheel, 4.2 GB"]
fetched:
  description: The files that were fetched (in check mode would be), below O(dest).
  returned: success
  type: list
  elements: str
fetched_bytes:
  description: Their size together.
  returned: success
  type: int
pruned:
  description: The files that were removed (in check mode would be).
  returned: success
  type: list
  elements: str
prunable:
  description: The files that O(prune) would remove.
  returned: success
  type: list
  elements: str
seconds:
  description: How long it took.
  returned: success
  type: float
"""
