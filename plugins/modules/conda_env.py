#!/usr/bin/python
"""Ansible module: install a shared conda environment from a lock, as an immutable generation."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_env
short_description: Install a shared conda environment with exactly the packages of its lock
version_added: 0.1.0
description:
  - Builds the environment of a lock beside the live one, verifies every file by sha256, freezes it, runs C(pip check)
    and its smoke test at its final path, and publishes it by swapping one link. It never changes a live environment, so
    running jobs keep theirs.
  - Does not solve. The controller reads the lock; the host gets the packages' urls and hashes.
  - Exchanges a damaged generation for a verified one in one step, also while programs run from it. Restores a link that
    was changed.
  - A run can be killed at any moment; the next one completes or repairs its work.
options:
  name:
    description: Name of the environment.
    type: str
    required: true
  state:
    description:
      - V(staged) builds the environment's generation without publishing it.
      - V(present) also publishes it.
      - V(absent) removes the link. The scheduled clean removes generations that are no longer in use.
    type: str
    choices: [staged, present, absent]
    default: present
  lock:
    description: The lock, a C(conda-lock.yml) of version 1 (CEP 37), on the controller. Needed unless O(state=absent).
    type: str
  channels:
    description: The allowed channels. By default those that the lock names.
    type: list
    elements: str
  channel_alias:
    description: The url that replaces the published one, for example that of a mirror.
    type: str
    default: https://conda.anaconda.org
  rattler_version:
    description: Version of the rattler runtime that M(lockstep.fleet.rattler) installed.
    type: str
    required: true
  verify:
    description:
      - How thoroughly an existing generation is verified. V(names) compares its completion marker, its manifest and the
        names of its packages. V(stats) adds size, time, mode and owner of every file, V(hashes) its sha256.
    type: str
    choices: [names, stats, hashes]
    default: stats
  pip_index:
    description:
      - Url of the package index (PEP 503) of the lock's wheels. Every wheel is verified by sha256. By default the index
        of the host's pip (C(pip.conf), C(PIP_INDEX_URL)).
    type: str
    default: ""
  pip_check:
    description: Whether C(pip check) must pass before the environment counts as complete.
    type: bool
    default: true
  test_timeout:
    description: Time limit for the smoke test and for C(pip check), in seconds.
    type: int
    default: 600
  lock_timeout:
    description: How long to wait for another run on the same host, in seconds.
    type: int
    default: 1800
  reserve_mb:
    description: Disk space that a build must leave free, in megabytes.
    type: int
    default: 64
  progress:
    description:
      - Seconds after which the controller first reports the progress of a build on standard error; further reports
        follow at growing intervals. V(0) turns them off.
    type: int
    default: 15
  plans:
    description: Set by the action plugin. The lock's install plans by platform.
    type: str
    default: ""
  tools:
    description: Set by the action plugin. Name of the folder with Lockstep's files.
    type: str
    default: ""
attributes:
  check_mode:
    description: Reports what it would do, also on a machine without Lockstep; checks root path and disk space.
  diff_mode:
    description: Shows the packages that differ from the live environment.
extends_documentation_fragment:
  - lockstep.fleet.attributes.host
  - lockstep.fleet.options.root
author: The Lockstep developers (@lockstep-fleet)
"""

EXAMPLES = r"""
- name: Stage the next environment on all hosts
  lockstep.fleet.conda_env:
    name: train
    root: /opt/lockstep
    lock: envs/locks/prod/train.conda-lock.yml
    rattler_version: 0.28.0
    state: staged

- name: Activate it
  lockstep.fleet.conda_env:
    name: train
    root: /opt/lockstep
    lock: envs/locks/prod/train.conda-lock.yml
    rattler_version: 0.28.0
"""

RETURN = r"""
digest:
  description: Digest of the environment on this platform, 64 hex digits.
  type: str
  returned: when O(state) is not absent
generation:
  description: Path of its generation.
  type: str
  returned: when O(state) is not absent
previous:
  description: Name of the generation that was published before; empty if there was none.
  type: str
  returned: success
did:
  description: What was (or in check mode would be) done.
  type: list
  elements: str
  returned: success
packages:
  description: Numbers of packages, C(total), and C(added), C(removed) and C(changed) since the live environment.
  type: dict
  returned: when O(state) is not absent
seconds:
  description: Duration of each phase of a build.
  type: dict
  returned: when something was built
"""

import base64
import json
import os
import zlib
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.build import build, wheels
from ..module_utils.build.rattler_runtime import platform_of
from ..module_utils.host import disk_space, install_plan
from ..module_utils.host.errors import Problem
from ..module_utils.host.install_plan import InstallPlan, PlanError
from ..module_utils.host.root import check_root, refuse_root
from ..module_utils.store.store import Store


def plan_for(packed: str, name: str) -> InstallPlan:
    """Choose this host's plan.

    :raises Problem: if the lock has none for this platform, or one that must not be acted on
    """
    platform = platform_of(os.uname().machine)
    plans = json.loads(zlib.decompress(base64.b64decode(packed))) if packed else {}
    if platform not in plans:
        raise Problem(
            f"environment {name} is not locked for this host's platform, {platform}",
            f"its lock is for {', '.join(sorted(plans)) or 'none'}",
            "add the platform to lockstep_platforms and lock again, or leave the environment out of this host's group",
        )
    try:
        return InstallPlan.from_json(plans[platform])
    except PlanError as error:
        raise Problem(
            f"the install plan of environment {name} is refused",
            str(error),
            "make the lock again with playbooks/lock.yml",
        ) from None


def packages_of(plan: InstallPlan | None) -> dict[str, str]:
    """Return "version build" of a plan's packages and wheels, by name."""
    if not plan:
        return {}
    return {p.name: f"{p.version} {p.build}" for p in plan.packages} | {w.name: f"{w.version} (pip)" for w in plan.pip}


def difference(label: str, old: dict[str, str], new: dict[str, str]) -> tuple[dict[str, int], dict[str, str]]:
    """Compare packages ("version build" by name): return their numbers, and Ansible's diff."""
    names = sorted(set(old) | set(new))
    differing = [name for name in names if old.get(name) != new.get(name)]
    numbers = {
        "total": len(new),
        "added": sum(name not in old for name in differing),
        "removed": sum(name not in new for name in differing),
        "changed": sum(name in old and name in new for name in differing),
    }
    before = "".join(f"{name} {old[name]}\n" for name in differing if name in old)
    after = "".join(f"{name} {new[name]}\n" for name in differing if name in new)
    return numbers, {"before_header": f"{label} (live)", "after_header": label, "before": before, "after": after}


def ensure(p: dict[str, Any], store: Store, check_mode: bool) -> dict[str, Any]:
    """Bring the environment to `staged` or `present`; return the module's result.

    :raises Problem: if it fails
    """
    plan = plan_for(p["plans"], p["name"])
    live = store.published(p["name"])
    numbers, shown = difference(p["name"], packages_of(store.kept_plan(p["name"], live)), packages_of(plan))
    status = build.inspect(store, plan, p["verify"])
    actions = build.planned_actions(store, plan, status, p["state"] == "present")
    result: dict[str, Any] = {
        "changed": bool(actions),
        "did": actions,
        "digest": plan.digest,
        "generation": store.path(p["name"], status.name),
        "previous": store.previous(p["name"]) if status.active else live,
        "packages": numbers,
        "diff": {**shown, "after": shown["after"] or "".join(f"{line}\n" for line in actions)} if actions else {},
    }
    if check_mode:
        if actions and os.path.isdir(store.root):
            disk_space.refuse_network(store.root)
            if status.state != "complete":
                disk_space.need_room(store.root, plan, store.pkgs, p["reserve_mb"] * 1000000)
        return result
    options = build.Options(p["verify"], p["reserve_mb"] * 1000000, p["pip_check"], p["test_timeout"], p["pip_index"])
    if p["state"] == "staged":
        done = build.stage(store, plan, options, status)
    else:
        done = build.build(store, plan, options, status)
        result["previous"] = done["previous"]
    result["changed"] = done["changed"]
    if done["changed"]:
        result.update({key: done[key] for key in ("seconds", "notes")})
        result["did"] = actions + [f"note: {note}" for note in done["notes"]]
        if done["files"]:
            mb = done["downloaded_bytes"] / 1e6
            result["did"].append(
                f"{done['files']} files; {len(done['downloaded'])} packages fetched ({mb:.1f} MB); "
                f".pyc: {done['borrowed']} shared, {done['compiled']} compiled"
            )
    return result


def main() -> None:
    """Inspect, then act unless in check mode."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["staged", "present", "absent"], "default": "present"},
            "lock": {"type": "str"},
            "channels": {"type": "list", "elements": "str"},
            "channel_alias": {"type": "str", "default": "https://conda.anaconda.org"},
            "rattler_version": {"type": "str", "required": True},
            "verify": {"type": "str", "choices": ["names", "stats", "hashes"], "default": "stats"},
            "pip_check": {"type": "bool", "default": True},
            "pip_index": {"type": "str", "default": ""},
            "test_timeout": {"type": "int", "default": 600},
            "lock_timeout": {"type": "int", "default": 1800},
            "reserve_mb": {"type": "int", "default": 64},
            "progress": {"type": "int", "default": 15},
            "plans": {"type": "str", "default": ""},
            "tools": {"type": "str", "default": ""},
        },
        required_if=[("state", "staged", ["lock"]), ("state", "present", ["lock"])],
        supports_check_mode=True,
    )
    p = module.params
    try:
        refuse_root()
        check_root(p["root"])
        wheels.check_index(p["pip_index"])
        if not install_plan.NAME.match(p["name"]):
            raise Problem(f"an environment cannot have the name {p['name']!r}", remedy="use a-z, 0-9, '.', '_', '-'")
        rattler = os.path.join(p["root"], "rattler")
        store = Store(
            p["root"],
            tools=os.path.join(rattler, p["tools"]) if p["tools"] else None,
            rattler=os.path.join(rattler, p["rattler_version"]),
            lock_timeout=p["lock_timeout"],
        )
        if p["state"] == "absent":
            live = store.published(p["name"])
            there = os.path.lexists(os.path.join(store.envs, p["name"]))
            changed = there if module.check_mode else store.withdraw(p["name"])
            did = [f"remove the link {store.envs}/{p['name']}"] if changed else []
            result: dict[str, Any] = {"changed": changed, "did": did, "previous": live}
        else:
            result = ensure(p, store, module.check_mode)
    except (Problem, OSError, ValueError) as problem:
        module.fail_json(msg=str(problem))
    module.exit_json(**{**result, "previous": result["previous"] or ""})


if __name__ == "__main__":
    main()
