"""Documentation fragments: what modules support."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes of modules, by where they run and whether they write."""

    CONTROLLER = r"""
attributes:
  check_mode:
    support: full
    description: Reports what it would do, and writes nothing.
  diff_mode:
    support: full
    description: Shows what changes.
  platform:
    support: full
    platforms: posix
    description: Runs on the controller.
"""

    HOST = r"""
attributes:
  check_mode:
    support: full
    description: Reports what it would do, also on a machine without Lockstep.
  diff_mode:
    support: full
    description: Shows what changes.
  platform:
    support: full
    platforms: linux
    description: x86_64 and aarch64, with Python 3.9 or newer.
"""

    INFO = r"""
attributes:
  check_mode:
    support: full
    description: It only reads.
  diff_mode:
    support: none
    description: It changes nothing.
  platform:
    support: full
    platforms: posix
    description: Hosts with Python 3.9 or newer.
"""
