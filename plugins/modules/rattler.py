#!/usr/bin/python
"""Ansible module: install the rattler runtime, which builds environments, and Lockstep's files on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rattler
short_description: Install the rattler runtime, which builds environments, and Lockstep's files
version_added: 0.1.0
description:
  - Unpacks py-rattler's wheel to C(<root>/rattler/<version>), where Miniconda's Python runs it, and writes Lockstep's
    files to C(<root>/rattler/tools-<digest>) and C(<root>/bin) (C(lockstep-run), C(lockstep-clean)).
  - The controller downloads the wheel once into its cache, C(${LOCKSTEP_CACHE:-~/.cache/lockstep}/wheels), and sends
    it only to hosts that lack it. The host verifies the sha256 again.
  - Removes the folders of former versions when no build uses them.
options:
  version:
    description: Version of py-rattler.
    type: str
    required: true
  wheels:
    description: For each platform (V(linux-64), V(linux-aarch64)) the C(file) name and C(sha256) of the wheel.
    type: dict
    required: true
  source:
    description:
      - Url of a folder, or a folder on the controller, with the wheels. By default the package index of the
        controller's pip.
    type: str
    default: ""
  expected:
    description: Set by the action plugin. Sha256 and mode of each of Lockstep's files.
    type: str
    default: ""
  wheel:
    description: Set by the action plugin. Path of the wheel on the host.
    type: path
  content:
    description: Set by the action plugin. The texts of the files, if the host lacks any.
    type: str
    default: ""
attributes:
  check_mode:
    description: Reports what it would install; downloads and sends nothing.
  diff_mode:
    description: Lists the folders and files that are added and removed.
extends_documentation_fragment:
  - lockstep.fleet.attributes.host
  - lockstep.fleet.options.root
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Install the rattler runtime
  lockstep.fleet.rattler:
    root: /opt/lockstep
    version: 0.28.0
    wheels:
      linux-64:
        file: py_rattler-0.28.0-cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl
        sha256: 4f4ab1d34d5394e7ce130a86e59009c95ace4f5757d9c3af04de1351bcea47eb
"""

RETURN = r"""
rattler:
  description: The rattler runtime's folder.
  type: str
  returned: success
  sample: /opt/lockstep/rattler/0.28.0
tools:
  description: The folder of Lockstep's files.
  type: str
  returned: success
  sample: /opt/lockstep/rattler/tools-5702188fe2a2
missing:
  description: What was missing, for the action plugin.
  type: dict
  returned: success
"""

import base64
import json
import os
import zlib
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.build.rattler_runtime import Wanted, apply, inspect, platform_of
from ..module_utils.host.errors import Problem
from ..module_utils.host.root import check_root, refuse_root


def unpack(text: str) -> Any:
    """Return the data that the action plugin packed into a string."""
    return json.loads(zlib.decompress(base64.b64decode(text))) if text else {}


def wanted_of(params: dict[str, Any]) -> tuple[Wanted, dict[str, str]]:
    """Return what this host should hold, and the entry of its wheel in `wheels`.

    :raises Problem: if `wheels` has none for this machine, or one of another version
    """
    platform = platform_of(os.uname().machine)
    wheel = params["wheels"].get(platform)
    if not isinstance(wheel, dict) or len(str(wheel.get("sha256"))) != 64 or not wheel.get("file"):
        raise Problem(
            f"no wheel of the rattler runtime is pinned for {platform}",
            f"known are {', '.join(sorted(params['wheels'])) or 'none'}",
            "add its file and sha256 to conda_envs_rattler_wheels",
        )
    if f"-{params['version']}-" not in str(wheel["file"]):
        raise Problem(
            f"the rattler runtime's wheel for {platform} is not of version {params['version']}: {wheel['file']}",
            remedy="set conda_envs_rattler_version and conda_envs_rattler_wheels together",
        )
    files = {path: (str(sha256), int(mode)) for path, (sha256, mode) in unpack(params["expected"]).items()}
    return Wanted(params["root"], params["version"], str(wheel["sha256"]).lower(), files), wheel


def difference(wanted: Wanted, missing: dict[str, Any]) -> dict[str, str]:
    """Return Ansible's diff: a line for each folder or command, or for each file if only some of a folder differ."""
    inside = [path for path in wanted.files if path.startswith("rattler/")]
    files = missing["files"]
    if set(inside) <= set(files):
        files = [f"rattler/{wanted.tools}", *(path for path in files if path not in inside)]
    before = [f"{path}\n" for path in missing["superseded"]]
    after = [f"rattler/{wanted.rattler}\n"] if missing["rattler"] else []
    after += [f"{path}\n" for path in files]
    return {
        "before_header": wanted.root,
        "after_header": wanted.root,
        "before": "".join(before),
        "after": "".join(after),
    }


def main() -> None:
    """Inspect, then install what the action plugin sent."""
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "version": {"type": "str", "required": True},
            "wheels": {"type": "dict", "required": True},
            "source": {"type": "str", "default": ""},
            "expected": {"type": "str", "default": ""},
            "wheel": {"type": "path"},
            "content": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    p = module.params
    try:
        refuse_root()
        check_root(p["root"])
        wanted, wheel = wanted_of(p)
        missing = inspect(wanted)
        changed = bool(missing["rattler"] or missing["files"] or missing["superseded"])
        # without wheel and files this is the first call, which only inspects, unless there are only folders to remove
        ready = (p["wheel"] or not missing["rattler"]) and (p["content"] or not missing["files"])
        if changed and ready and not module.check_mode:
            apply(wanted, p["wheel"] or "", unpack(p["content"]))
            changed = inspect(wanted) != missing
    except (Problem, OSError, ValueError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(
        changed=changed,
        rattler=os.path.join(wanted.root, "rattler", wanted.rattler),
        tools=os.path.join(wanted.root, "rattler", wanted.tools),
        missing={**missing, "wheel": wheel["file"] if missing["rattler"] else "", "sha256": wanted.sha256},
        diff=difference(wanted, missing) if changed else {},
    )


if __name__ == "__main__":
    main()
