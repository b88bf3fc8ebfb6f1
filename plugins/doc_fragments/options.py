"""Documentation fragments: options that several modules have."""

from __future__ import annotations


class ModuleDocFragment:
    """Options, by the modules that have them."""

    # modules that work on hosts
    ROOT = r"""
options:
  root:
    description: The fleet's folder on the host (C(lockstep_root)).
    type: path
    required: true
"""

    # modules that read or write the locks of tiers
    LOCKS = r"""
options:
  locks_dir:
    description: The folder of the tiers' locks.
    type: path
    required: true
"""

    # modules that take their pick of the locks
    SELECTION = r"""
options:
  envs:
    description: Names of the environments. By default all that have locks.
    type: list
    elements: str
  platforms:
    description: The platforms. By default all platforms of the locks.
    type: list
    elements: str
  channels:
    description: The allowed channels. A lock that names another one is refused. By default the locks' own.
    type: list
    elements: str
"""

    # modules that solve
    SOLVING = r"""
options:
  envs_dir:
    description: The folder of the specs.
    type: path
    required: true
  tier:
    description: The tier to make locks for, which is the first one. Later tiers get locks by promotion.
    type: str
    default: dev
  channels:
    description: The allowed channels, names or urls, in order of priority. A spec may list some of them, and no others.
    type: list
    elements: str
    default: [conda-forge]
  repodata_alias:
    description:
      - Url or folder with the channels' metadata, in
        C(<channel>/<platform>/repodata.json).
      - Locks carry the published urls (C(https://conda.anaconda.org/<channel>)) whatever is given here, so a site
        without internet can lock from a copy of the metadata.
    type: str
    default: https://conda.anaconda.org
  system_requirements:
    description:
      - What every host offers at least, a mapping. V(cuda) is the driver's CUDA version (Linux only; leave it out
        where hosts have no GPU), V(glibc), V(linux) (kernel), V(osx), and V(microarch), a mapping of platforms to
        archspec names.
      - Versions need quotes.
    type: raw
  platforms:
    description: The platforms to lock for. A spec may limit them with C(platforms).
    type: list
    elements: str
    default: [linux-64]
  exclude_newer:
    description: Ignore packages newer than this date or time (UTC unless it has a zone).
    type: raw
  pip_index:
    description:
      - The index (PEP 503) that the C(pip) sections' wheels are chosen from. By default the index that uv's environment
        variables (C(UV_DEFAULT_INDEX)) name, otherwise the Python package index.
      - Keep credentials in C(~/.netrc) or a keyring, not here.
    type: str
    default: ""
"""

    # modules that promote or roll back
    TIERS = r"""
options:
  tiers:
    description: All tiers, in the order of promotion.
    type: list
    elements: str
    required: true
"""
