"""From a stack's configuration to a layout, or to one error that names every mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from .checks import check
from .layout import Layout, lay_out
from .model import SSH_KEY, Cluster
from .reader import Problems, read

CHECKOUT = Path(__file__).resolve().parent.parent
REGION = r"[a-z]{2}(-[a-z]+)+-\d+"


class ConfigError(Exception):
    """Everything that is wrong with a stack's configuration."""

    def __init__(self, stack: str, problems: list[str]) -> None:
        self.problems = problems
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = "\n".join(
            f"  lockstep:{problem}" if not problem.startswith("aws:") else f"  {problem}" for problem in problems
        )
        super().__init__(f"{count} in Pulumi.{stack}.yaml; nothing was created or changed.\n{lines}")


def load(
    values: Mapping[str, object], project: str, stack: str, region: str | None, checkout: Path = CHECKOUT
) -> Layout:
    """Check a stack's configuration whole, and work it out.

    :param values: the keys of namespace `lockstep`, as data
    :param region: `aws:region`
    :param checkout: where relative files are
    :raises ConfigError: with all mistakes at once
    """
    problems = Problems()
    if not region or not re.fullmatch(REGION, region):
        found = f"is {region!r}, which is no region" if region else "is missing"
        problems.add("aws:region", found, "Set it, such as us-east-1")
    cluster = read(Cluster, values, problems)
    if cluster is None:
        raise ConfigError(stack, problems.found)
    problems.settle()
    keys = _keys(cluster, checkout, problems)
    check(cluster, stack, region or "", keys, problems)
    if problems.found:
        raise ConfigError(stack, problems.found)
    assert region is not None
    return lay_out(cluster, project, stack, region, keys)


def from_pulumi(everything: Mapping[str, str], namespace: str = "lockstep") -> dict[str, object]:
    """Take the keys of one namespace from Pulumi's configuration, where structured values are JSON text.

    >>> from_pulumi({"lockstep:tier": "dev", "lockstep:groups": '{"a": {"count": 1}}', "aws:region": "us-east-1"})
    {'tier': 'dev', 'groups': {'a': {'count': 1}}}
    """
    structured = {one.name for one in fields(Cluster) if one.name not in ("tier", "host_prefix", "protect", "kms_key")}
    found: dict[str, object] = {}
    for key, text in everything.items():
        space, _, name = key.partition(":")
        if space != namespace:
            continue
        try:
            found[name] = json.loads(text) if name in structured else text
        except ValueError:
            found[name] = text  # the reader then says that it is text where it should be something else
    return found


def _keys(cluster: Cluster, checkout: Path, problems: Problems) -> list[str]:
    keys = list(cluster.access.ssh_keys)
    for number, name in enumerate(cluster.access.ssh_key_files):
        path = f"access.ssh_key_files[{number}]"
        file = checkout / Path(name).expanduser()
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not text"
            problems.add(
                path, f"{name} cannot be read ({reason})", "Make the key (ssh-keygen -t ed25519), or name another"
            )
            continue
        for place, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            if re.fullmatch(SSH_KEY, line.strip()):
                keys.append(line.strip())
            else:
                what = "a private key" if "PRIVATE KEY" in line else "no public key without options"
                problems.add(
                    path, f"{name} line {place} is {what}", "Name a file of public keys, such as one ending in .pub"
                )
                break
    return list(dict.fromkeys(keys))
