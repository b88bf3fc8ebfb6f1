"""Compare hosts with each other, and the locks of tiers with each other."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ..core.text import some
from .compare.drift import UNKNOWN, Drift
from .compare.kinds import Kind
from .compare.packages import package_changes
from .hosts import Host

Locks = Mapping[tuple[str, str], Mapping[str, Any]]
"""By (tier, environment) and platform: `desired.model.LockedEnv`."""


def compare_hosts(hosts: Sequence[Host]) -> None:
    """Add drift to hosts that only a comparison with other hosts finds."""
    _find_same_machines(hosts)
    _find_other_contents(hosts)


def _find_same_machines(hosts: Sequence[Host]) -> None:
    """Add an unknown to hosts that are one machine.

    Otherwise a copied address in the inventory would report a host as in sync that was never inspected.
    """
    machines: dict[str, list[Host]] = defaultdict(list)
    for host in hosts:
        machines[host.machine].append(host)
    for machine, members in machines.items():
        for host in members if machine and len(members) > 1 else ():
            names = some([member.name for member in members if member is not host])
            line = f"it answered from the same machine and folder as {names}"
            host.drifts.append(Drift(Kind.SAME_MACHINE, "host", line, severity=UNKNOWN))


def _find_other_contents(hosts: Sequence[Host]) -> None:
    """Add drift to hosts whose contents differ from those of most hosts with the same digest, platform and root.

    An archive that was altered before its installation passes every check on its own host; only a comparison of hosts
    finds it. If there is no majority, all hosts drift: the comparison cannot tell which contents are right.
    """
    groups: dict[tuple[str, str, str, str], list[Host]] = defaultdict(list)
    for host in hosts:
        for name, env in host.envs.items():
            if env.get("digest") and env.get("content"):
                groups[(name, env["digest"], host.platform, host.root)].append(host)
    for (name, digest, _unused, _unused), members in groups.items():
        counts = Counter(host.envs[name]["content"] for host in members).most_common()
        if len(counts) < 2:
            continue
        majority = counts[0][1] > counts[1][1]
        for host in members:
            content = host.envs[name]["content"]
            if majority and content == counts[0][0]:
                continue
            others = f"{counts[0][1]} other hosts hold" if majority else "an equal number of other hosts hold"
            other = counts[0][0] if content != counts[0][0] else counts[1][0]
            line = f"its contents are {content[:12]}, and {others} {other[:12]} under the same digest {digest[:12]}"
            host.drifts.append(Drift(Kind.CONTENT, name, line, other, content))


def compare_tiers(tiers: Sequence[str], locks: Locks) -> list[dict[str, Any]]:
    """Return how the locks of each tier differ from those of the tier before it. These differences are no drift.

    :param tiers: in order of promotion
    :returns: for each environment and platform that differs: `env`, `platform`, `from`, `to`, `changes` (packages)
    """
    found = []
    for former, latter in itertools.pairwise(tiers):
        for name in sorted({env for tier, env in locks if tier in (former, latter)}):
            one, two = locks.get((former, name)), locks.get((latter, name))
            if one is None or two is None:
                continue
            for platform in sorted(one.keys() & two.keys()):
                if one[platform].digest != two[platform].digest:
                    changes = package_changes(one[platform].packages, two[platform].packages)
                    found.append({"env": name, "platform": platform, "from": former, "to": latter, "changes": changes})
    return found
