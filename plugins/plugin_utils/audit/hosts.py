"""Load what one run observed of each host, and decide the verdict on hosts and their environments."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from ..core.text import plain, some
from .compare.drift import DRIFT, UNKNOWN, Drift
from .compare.kinds import Kind
from .verdict import Maintenance, Verdict, verdict

LIMIT = 64 << 20  # bytes; larger files of observations and reports are not read


@dataclass
class Host:
    """One audited host: its desired state, what was observed, and the drift.

    :param machine: an id of the machine, to find two names of one machine
    :param at: time of the observation (UTC, ISO 8601)
    :param declared: by environment, what its lock declares (`digest`, `lock`, `error`)
    :param envs: by environment, the observed `digest` and `content` (sha256 of its manifest)
    :param seen: whether the host answered
    """

    name: str
    tier: str = ""
    platform: str = ""
    root: str = ""
    machine: str = ""
    at: str = ""
    window: Maintenance | None = None
    drifts: list[Drift] = field(default_factory=list)
    declared: dict[str, dict[str, Any]] = field(default_factory=dict)
    envs: dict[str, dict[str, Any]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    seen: bool = False

    @property
    def verdict(self) -> Verdict:
        """The verdict on the host; parity only if each declared digest was observed on it."""
        found = verdict(self.drifts, self.window)
        complete = self.seen and all(self.env_verdict(name) is Verdict.PARITY for name in self.declared)
        return Verdict.UNKNOWN if found is Verdict.PARITY and not complete else found

    def env_verdict(self, env: str) -> Verdict:
        """Return the verdict on one declared environment.

        :raises KeyError: if the environment is not declared here
        """
        declared, digest = self.declared[env].get("digest"), self.envs.get(env, {}).get("digest")
        severities = {drift.severity for drift in self.drifts if drift.subject == env}
        if self.seen and DRIFT in severities:
            return Verdict.DRIFT
        known = self.seen and UNKNOWN not in severities and digest and digest == declared
        return Verdict.PARITY if known else Verdict.UNKNOWN

    @property
    def rest_verdict(self) -> Verdict:
        """The verdict on all but the environments: the base and the host itself."""
        severities = {drift.severity for drift in self.drifts if drift.subject not in self.declared}
        if DRIFT in severities:
            return Verdict.DRIFT
        return Verdict.PARITY if self.seen and UNKNOWN not in severities else Verdict.UNKNOWN


def load(
    reports: Path, names: Iterable[str], run: str, place: Callable[[Path, str], Path], depth: str = ""
) -> list[Host]:
    """Load the observations that one run made of hosts.

    A file that is missing, unreadable or of another run gives a host with the verdict unknown.

    :param run: the id of this run
    :param place: maps the folder of reports and a host's name to the file of its observation
    :param depth: the depth that each observation must have; "" for any
    """
    hosts = []
    for name in names:
        try:
            path = place(reports, name)
            if path.stat().st_size > LIMIT:
                raise ValueError("the observation is too large")
            entry = json.loads(path.read_text(encoding="utf-8"))
            if not run or entry["run"] != run or entry["host"] != name:
                raise ValueError("the only observation is from another run")
            for inspected in (entry["depth"], _dict(entry.get("observation")).get("depth") or depth):
                if depth and inspected != depth:
                    raise ValueError(f"it was inspected to depth {plain(str(inspected), 20)}, not {depth}")
            hosts.append(_read_host(entry))
        except FileNotFoundError:
            hosts.append(_unseen(name, "it was not observed in this run; the run's output has the reason"))
        except (
            OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError
        ) as error:  # fmt: skip
            hosts.append(_unseen(name, f"it was not observed in this run: {error}"))
    return hosts


def _unseen(name: str, why: str) -> Host:
    return Host(name, drifts=[Drift(Kind.NOT_OBSERVED, "host", plain(why), severity=UNKNOWN)])


def _dict(value: Any) -> dict[str, Any]:
    """Return a mapping from an observation, {} if the host sent another type."""
    return value if isinstance(value, dict) else {}


def _read_host(entry: Mapping[str, Any]) -> Host:
    declared, observation = entry["declared"], _dict(entry.get("observation"))
    machine = _dict(observation.get("host"))
    window = entry.get("maintenance")
    host = Host(
        name=str(entry["host"]),
        tier=plain(str(entry.get("tier") or declared.get("tier") or "")),
        platform=plain(str(declared.get("platform") or machine.get("platform") or "")),
        root=str(declared.get("root") or ""),
        machine=plain(str(observation.get("machine") or "")),
        at=str(entry["at"]),
        window=Maintenance(window["reason"], window["until"]) if window else None,
        drifts=[Drift.from_json(item) for item in entry["drift"]],
        declared={str(name): dict(env) for name, env in declared["envs"].items()},
        seen=bool(observation.get("host")),
    )
    envs = _dict(observation.get("envs"))
    for name in host.declared:
        env = _dict(envs.get(name))
        host.envs[name] = {key: plain(str(env[key])) for key in ("digest", "content") if env.get(key)}
    host.facts = _read_facts(machine, observation)
    return host


def _read_facts(machine: Mapping[str, Any], observation: Mapping[str, Any]) -> dict[str, Any]:
    gpu, disk = _dict(machine.get("gpu")), _dict(observation.get("disk"))
    facts: dict[str, Any] = {
        key: plain(str(machine[key])) for key in ("os", "kernel", "glibc", "archspec") if machine.get(key)
    }
    facts.update({key: plain(str(gpu[key])) for key in ("driver", "cuda") if gpu.get(key)})
    if isinstance(gpu.get("models"), list):
        counts = Counter(plain(str(model), 60) for model in gpu["models"])
        facts["gpu"] = some([f"{count} x {model}" if count > 1 else model for model, count in counts.items()], 8)
    if gpu.get("simulated"):
        facts["simulated"] = True
    numbers = {"free": disk.get("free"), "bytes": disk.get("bytes"), "seconds": observation.get("seconds")}
    facts.update({key: value for key, value in numbers.items() if _is_size(value)})
    last = _dict(_dict(observation.get("clean")).get("last")).get("at")
    if _is_size(last):
        facts["last_clean"] = int(last)
    return facts


def _is_size(value: Any) -> TypeGuard[float]:
    """Return whether a host sent a number that can be one of bytes or seconds: no NaN, at most 1e18."""
    return isinstance(value, (int, float)) and 0 <= value < 1e18
