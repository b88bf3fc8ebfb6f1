#!/usr/bin/python
"""Ansible module: manage small text files of an ordinary user."""

from __future__ import annotations

DOCUMENTATION = r"""
module: managed_files
short_description: Manage small text files of an ordinary user
version_added: 0.1.0
description:
  - Writes all given files in one call, each atomically. Creates missing folders unless O(files[].make_folder=false).
  - Refuses to run as root. Check mode works on a machine without the folders.
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path; a leading C(~) is the user's home.
        type: path
        required: true
      content:
        description: The whole text.
        type: str
      mode:
        description: Octal mode, quoted.
        type: str
        default: "0644"
      state:
        description: Whether the file should exist.
        type: str
        choices: [present, absent]
        default: present
      make_folder:
        description: Whether to create its folder. If false, a missing folder is an error, except in check mode.
        type: bool
        default: true
attributes:
  platform:
    platforms: posix
    description: Any machine with Python 3.9 or newer.
extends_documentation_fragment:
  - lockstep.fleet.attributes.host
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Write the .condarc of the base
  lockstep.fleet.managed_files:
    files:
      - path: /opt/lockstep/miniconda/.condarc
        content: "{{ '/opt/lockstep' | lockstep.fleet.condarc(['conda-forge'], 'https://conda.anaconda.org') }}"
"""

RETURN = r"""
paths:
  description: The files that were (or in check mode would be) written or removed.
  type: list
  elements: str
  returned: always
"""

import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host.errors import Problem
from ..module_utils.host.root import refuse_root
from ..module_utils.host.text_files import difference, mode_of, state_of, write


def main() -> None:
    """Compare each file, and write those that differ."""
    options = {
        "path": {"type": "path", "required": True},
        "content": {"type": "str"},
        "mode": {"type": "str", "default": "0644"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "make_folder": {"type": "bool", "default": True},
    }
    module = AnsibleModule(
        argument_spec={"files": {"type": "list", "elements": "dict", "required": True, "options": options}},
        supports_check_mode=True,
    )
    diffs, paths = [], []
    try:
        refuse_root()
        for item in module.params["files"]:
            path = item["path"]
            if item["state"] == "absent":
                if os.path.lexists(path):
                    diffs.append(
                        {
                            "before_header": path,
                            "after_header": path,
                            "before": state_of(path)["text"] or "",
                            "after": "",
                        }
                    )
                    paths.append(path)
                    if not module.check_mode:
                        os.unlink(path)
                continue
            text, mode = item["content"] or "", mode_of(item["mode"])
            found = difference(path, text, mode)
            if found:
                diffs.append(found)
                paths.append(path)
                if not module.check_mode:
                    write(path, text, mode, item["make_folder"])
    except (Problem, OSError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(changed=bool(paths), paths=paths, diff=diffs)


if __name__ == "__main__":
    main()
