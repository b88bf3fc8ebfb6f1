#!/usr/bin/python
"""Ansible module: read a host's records of an environment's former generations."""

from __future__ import annotations

DOCUMENTATION = r"""
module: env_info
short_description: Read a host's records of the generations of an environment
version_added: 0.1.0
description:
  - Reads C(state/<name>.json), the history of publishes, and C(state/locks/<name>/), the
    install plan of each generation.
  - Finds the generation that was live before the declared one, and returns its install plan.
  - C(playbooks/rollback.yml) uses it if the previous lock of a tier is not in the folder of locks.
options:
  name:
    description: The environment.
    type: str
    required: true
  declared:
    description: The declared digests by platform. The module finds another generation.
    type: dict
    default: {}
  to:
    description: The first digits of the digests to find, instead of the last one that differs.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - lockstep.fleet.attributes.info
  - lockstep.fleet.options.root
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Read which generation was live before
  lockstep.fleet.env_info:
    name: train
    root: /opt/lockstep
"""

RETURN = r"""
platform:
  description: The host's platform.
  type: str
  returned: always
history:
  description: The generations that were live and the time of each (Unix time, seconds), oldest first.
  type: list
  returned: always
generation:
  description: The generation that was found; empty if there is none.
  type: str
  returned: always
present:
  description: Whether it is still on the host.
  type: bool
  returned: always
plan:
  description: Its install plan, as base64 of zlib of JSON; empty if there is none.
  type: str
  returned: always
"""

import base64
import json
import os
import zlib

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.build.rattler_runtime import platform_of
from ..module_utils.host import install_plan as plans
from ..module_utils.host.errors import Problem
from ..module_utils.prefix.marker import is_complete
from ..module_utils.store.store import Store


def find(store: Store, name: str, declared: str, to: list[str]) -> str:
    """Return the newest other generation with an install plan (with `to`: one of these); "" if there is none."""
    names = [str(item[0]) for item in reversed(store.history(name))]
    if to:
        try:
            kept = sorted(item[:-5] for item in os.listdir(os.path.dirname(store.plan_file(name, "x"))))
        except OSError:
            kept = []
        names = [item for item in [*names, *kept] if any(part.startswith(item) or item.startswith(part) for part in to)]
    for item in names:
        if item != declared and store.kept_plan(name, item) is not None:
            return item
    return ""


def main() -> None:
    """Read the records, and return them."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "declared": {"type": "dict", "default": {}},
            "to": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    p = module.params
    if not plans.NAME.match(p["name"]):
        module.fail_json(msg=f"an environment cannot have the name {p['name']!r}: use a-z, 0-9, '.', '_', '-'")
    store = Store(p["root"])
    try:
        platform = platform_of(os.uname().machine)
    except Problem as problem:
        module.fail_json(msg=str(problem))
    found = find(store, p["name"], plans.short(str(p["declared"].get(platform, ""))), p["to"])
    made = store.kept_plan(p["name"], found) if found else None
    module.exit_json(
        changed=False,
        platform=platform,
        history=store.history(p["name"]),
        generation=found,
        present=bool(found) and is_complete(store.path(p["name"], found)),
        plan=base64.b64encode(zlib.compress(json.dumps(made.to_json()).encode(), 9)).decode() if made else "",
    )


if __name__ == "__main__":
    main()
