#!/usr/bin/python
"""Documentation of the action plugin lockstep.fleet.mirror."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mirror
short_description: Make a mirror of exactly what locks name, for sites without internet
version_added: 0.1.0
description:
  - Downloads the packages of tiers' locks (the current locks and those that a rollback would declare), Miniconda's
    installers, the rattler runtime's wheels and pip wheels into a folder. Any static web server can serve it, or
    C(file://); conda, micromamba and py-rattler use it as a channel.
  - Verifies the sha256 of every file before the file gets its name. Writes indexes last and atomically, so a mirror
    that is being served never lists a missing file.
  - Resumes downloads that broke off, also after a killed run. Does not download files again that are there.
  - The same locks give the same bytes. C(contents.json) lists every file with its sha256 and the locks that need it.
  - Runs on the controller. Proxies come from the environment (E(HTTPS_PROXY), E(HTTP_PROXY), E(NO_PROXY)), certificate
    authorities from the system, E(SSL_CERT_FILE) or E(REQUESTS_CA_BUNDLE), credentials from the netrc file. Credentials
    and channel tokens are neither written nor shown.
options:
  dest:
    description: The mirror's folder; created if it does not exist.
    type: path
    required: true
  all_tiers:
    description: The site's tiers, in order.
    type: list
    elements: str
    default: [dev, test, prod]
  tiers:
    description: The tiers to mirror. By default all tiers with locks.
    type: list
    elements: str
  source:
    description:
      - The url or folder that replaces C(https://conda.anaconda.org) in the locks' urls. It may hold a channel token or
        credentials.
      - If it is another mirror of this module, all other files come from it too.
    type: str
    default: https://conda.anaconda.org
  miniconda_source:
    description: Url or path of the folder with the installers.
    type: str
    default: https://repo.anaconda.com/miniconda
  miniconda_versions:
    description: The versions of Miniconda that hosts have (C(miniconda_version)).
    type: list
    elements: str
    default: []
  miniconda_installers:
    description: The sha256 of each installer, by file name.
    type: dict
    default: {}
  rattler_source:
    description: Url or path of the rattler runtime's wheels. If empty, the package index of the controller's pip.
    type: str
    default: ""
  rattler_wheels:
    description: Tables of the rattler runtime's wheels, like C(conda_envs_rattler_wheels).
    type: list
    elements: dict
    default: []
  prune:
    description: Whether to remove files that no chosen lock needs any more. Removes only files that this module wrote.
    type: bool
    default: false
  verify:
    description:
      - Whether to hash every file that is there. If false, a file whose size and time did not change since it was
        hashed is not hashed again.
    type: bool
    default: false
  parallel:
    description: How many files to download at once.
    type: int
    default: 4
attributes:
  check_mode:
    description: Requests the sizes of the missing files, and writes nothing.
  diff_mode:
    description: Lists the files that are downloaded, replaced and removed.
extends_documentation_fragment:
  - lockstep.fleet.attributes.controller
  - lockstep.fleet.options.locks
  - lockstep.fleet.options.selection
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Mirror what production needs on Linux
  lockstep.fleet.mirror:
    dest: /srv/mirror
    locks_dir: envs/locks
    tiers: [prod]
    platforms: [linux-64]

- name: Update a mirror from another one on a portable disk
  lockstep.fleet.mirror:
    dest: /srv/mirror
    locks_dir: envs/locks
    source: /media/stick/mirror
"""

RETURN = r"""
summary:
  description: A line for the mirror, and one for each tier, environment and platform.
  returned: success
  type: list
  elements: str
  sample: ["/srv/mirror: 231 packages, 1 installer, 1 rattler wheel, 4.2 GB"]
fetched:
  description: The files that were (in check mode would be) downloaded, below O(dest).
  returned: success
  type: list
  elements: str
fetched_bytes:
  description: Their total size in bytes.
  returned: success
  type: int
pruned:
  description: The files that were (in check mode would be) removed.
  returned: success
  type: list
  elements: str
prunable:
  description: The files that O(prune) would remove.
  returned: success
  type: list
  elements: str
seconds:
  description: Duration of the run.
  returned: success
  type: float
"""
