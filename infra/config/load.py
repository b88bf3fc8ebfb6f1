"""Load a stack's configuration: return a layout, or raise one error that names every mistake."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from .checks import check
from .layout import Layout, lay_out
from .model import SSH_KEY, Cluster
from .problems import Problems
from .read import REPEATED, read
from .schema import REGION

CHECKOUT = Path(__file__).resolve().parents[2]
KEY_FILE_LIMIT = 1 << 20  # characters


class ConfigError(Exception):
    """All mistakes in a stack's configuration."""

    def __init__(self, stack: str, problems: list[str]) -> None:
        self.problems = problems
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        lines = (problem if problem.startswith("aws:") else f"lockstep:{problem}" for problem in problems)
        text = "\n".join(f"  {line}" for line in lines)
        super().__init__(f"{count} in Pulumi.{stack}.yaml; nothing was created or changed.\n{text}")


def load(
    values: Mapping[str, object],
    project: str,
    stack: str,
    region: str | None,
    checkout: Path = CHECKOUT,
    secrets: Collection[str] = (),
) -> Layout:
    """Check a stack's whole configuration, and lay it out.

    :param values: the keys of namespace `lockstep`, as data
    :param region: `aws:region`
    :param checkout: where relative files are
    :param secrets: those keys whose values Pulumi keeps encrypted
    :raises ConfigError: with all mistakes at once
    """
    problems = Problems()
    if not region or not re.fullmatch(REGION, region):
        found = f"is {region!r}, which is no region" if region else "is missing"
        problems.add("aws:region", found, "Set it, such as us-east-1")
    cluster = read(values, secrets, problems)
    problems.settle()
    keys = _keys(cluster, checkout, problems)
    problems.settle()
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
    found: dict[str, object] = {}
    for key, text in everything.items():
        space, _, name = key.partition(":")
        if space == namespace:
            found[name] = _parsed(text) if text.lstrip().startswith(("{", "[")) else text
    return found


def _parsed(text: str) -> object:
    """Parse JSON; other text stays text, and is then reported as the wrong type."""

    def mapping(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        return found if len(found) == len(pairs) else _with_repeated(pairs)

    try:
        # a number of thousands of digits is cut, which leaves it out of every range
        return json.loads(text, object_pairs_hook=mapping, parse_int=lambda digits: int(digits[:40]))
    except (ValueError, RecursionError):
        return text


def _with_repeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        found[name] = REPEATED if name in found else value
    return found


def _keys(cluster: Cluster, checkout: Path, problems: Problems) -> list[str]:
    """Gather the public keys that may log in, those in files included."""
    keys = list(cluster.access.ssh_keys)
    for number, name in enumerate(cluster.access.ssh_key_files):
        path = f"access.ssh_key_files[{number}]"
        try:
            with (checkout / Path(name).expanduser()).open(encoding="utf-8") as file:
                lines = file.read(KEY_FILE_LIMIT).splitlines()
        except (OSError, ValueError, RuntimeError) as error:
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
