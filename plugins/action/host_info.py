"""Action plugin: observe a host in one remote call, and compare it with its desired state."""

from __future__ import annotations

import contextlib
import datetime
import json
import shlex
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ansible.constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ..module_utils.host.redaction import redact
from ..plugin_utils.ansible_support import (
    DocumentedAction,
    argument_spec,
    before_workers,
    defaults,
    pipe,
    run_id,
    settings_of,
)
from ..plugin_utils.audit import observer_bundle
from ..plugin_utils.audit.compare.answer import read_answer
from ..plugin_utils.audit.compare.compare import compare
from ..plugin_utils.audit.compare.drift import DRIFT, NOTE, UNKNOWN, Drift, in_sync
from ..plugin_utils.audit.compare.kinds import Kind
from ..plugin_utils.audit.verdict import Verdict, maintenance, verdict
from ..plugin_utils.core import atomic_write
from ..plugin_utils.core.text import plain
from ..plugin_utils.desired import desired_state, host_files
from ..plugin_utils.desired.model import DesiredState
from ..plugin_utils.desired.settings import observation_file, reports_dir, run_folder

SHOWN = 12  # lines of drift in a result; the observation's file has all of them


def command_of(interpreter: str) -> str:
    """Quote an interpreter for a shell as Ansible does: `/usr/bin/env python3` or `~/bin/python3`."""
    try:
        words = shlex.split(interpreter)
    except ValueError:
        words = [interpreter]
    return " ".join("~/" + shlex.quote(word[2:]) if word.startswith("~/") else shlex.quote(word) for word in words)


class ActionModule(DocumentedAction):
    """Observe a host, without writing to it."""

    def act(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Inspect the host, compare, keep the observation in a file, and return a summary."""
        host = str(variables["inventory_hostname"])
        entry: dict[str, Any] = {"schema": 1, "run": run_id(self), "host": host, "depth": arguments["depth"]}
        entry["id"] = uuid.uuid4().hex
        entry["at"] = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        settings, wrong = settings_of(self, variables)
        entry["tier"] = str(settings.get("conda_envs_tier") or settings.get("lockstep_tier") or "")
        if wrong:
            return self._finish(entry, arguments, None, [self._unknown(Kind.SETTINGS, w) for w in wrong], settings)
        try:
            files = {path: (file.sha256, file.mode) for path, file in host_files.host_files().items()}
            desired = desired_state.build(settings, host, reports_dir(settings), files)
        except (desired_state.DesiredStateError, OSError) as error:
            return self._finish(entry, arguments, None, [self._unknown(Kind.SETTINGS, str(error))], settings)
        former = former_envs(observation_file(reports_dir(settings), host), arguments["reuse"], arguments["depth"])
        try:
            observation = with_former(self._observe(desired, arguments, variables, former), former)
        except AnsibleConnectionFailure as error:
            why = " ".join(str(error).split()).rpartition("can be reached over ssh: ")[2]
            why = plain(redact(why), 300)
            self._finish(entry, arguments, desired, [self._unknown(Kind.UNREACHABLE, f"unreachable: {why}")], settings)
            raise
        except ValueError as error:
            return self._finish(entry, arguments, desired, [self._unknown(Kind.NOT_OBSERVED, str(error))], settings)
        entry["observation"] = observation
        return self._finish(entry, arguments, desired, compare(desired, observation), settings)

    def _unknown(self, kind: Kind, why: str) -> Drift:
        return Drift(kind, "host", plain(why), severity=UNKNOWN)

    def _python(self, variables: dict[str, Any]) -> str:
        value = variables.get("ansible_python_interpreter")
        if value is None:
            value = C.config.get_config_value("INTERPRETER_PYTHON", variables=variables)
        python = str(self._templar.template(value))
        return python if python.startswith(("/", "~")) else "/usr/bin/python3"

    def _observe(
        self, desired: DesiredState, options: dict[str, Any], variables: dict[str, Any], former: Mapping[str, Any]
    ) -> Any:
        """Pipe the observer to the host's Python.

        :returns: the observation
        :raises ValueError: if no observation came back
        :raises AnsibleConnectionFailure: if the host cannot be reached
        """
        known = {name: str(env["stamp"]) for name, env in former.items()}
        asked = desired_state.request(desired, options["depth"], options["gpu"], options["seconds"], known)
        python = self._python(variables)
        answer = pipe(self, f"{command_of(python)} -I -S -B -", observer_bundle.observer(json.dumps(asked)))
        found = read_answer(str(answer.get("stdout") or ""))
        if found is not None:
            return found
        output = " ".join(str(answer.get("stderr") or answer.get("stdout") or "").split()[-40:])
        if answer.get("rc") in (126, 127):
            remedy = "set ansible_python_interpreter to a Python of 3.9 or newer"
            raise ValueError(f"{python} cannot be run on the host ({plain(output, 200)}); {remedy}")
        raise ValueError(f"the observer gave no answer (status {answer.get('rc')}): {plain(output, 300)}")

    def _finish(self, entry: dict[str, Any], options: dict[str, Any], desired: DesiredState | None,
                drifts: list[Drift], settings: dict[str, Any]) -> dict[str, Any]:  # fmt: skip
        today = datetime.datetime.now(datetime.UTC).date()
        window, complaint = maintenance(settings.get("lockstep_maintenance"), today)
        if complaint:
            drifts = [*drifts, Drift(Kind.SETTINGS, "host", complaint, severity=NOTE)]
        found = verdict(drifts, window)
        seen = entry.get("observation")
        seen = seen if isinstance(seen, dict) else {}
        entry.update(
            {
                "verdict": found.value,
                "maintenance": {"reason": window.reason, "until": window.until.isoformat()} if window else None,
                "drift": [drift.to_json() for drift in drifts],
                "declared": summary(desired, seen),
            }
        )
        path = observation_file(reports_dir(settings), entry["host"])
        text = json.dumps(entry, separators=(",", ":"), sort_keys=True) + "\n"
        try:
            atomic_write.write_private(path, text)
            if options["on_unknown"] == "record" and entry["run"]:  # a report follows
                atomic_write.write_private(run_folder(reports_dir(settings), entry["run"]) / path.name, text)
        except OSError as error:
            return {
                "failed": True,
                "msg": f"the observation cannot be written to {path}: {error.strerror}; correct lockstep_reports_dir",
            }
        real = [drift for drift in drifts if drift.severity != NOTE]
        result: dict[str, Any] = {
            "changed": False,
            "verdict": found.value,
            "in_sync": in_sync(drifts),
            "drift": [str(drift) for drift in real[:SHOWN]],
            "drift_count": len(real),
            "notes": [str(drift) for drift in drifts if drift.severity == NOTE][:SHOWN],
            "roles": sorted({drift.role for drift in real if drift.role and drift.severity == DRIFT}),
            "observation": str(path),
            "id": entry["id"],
            "intact": intact(seen, real),
        }
        more = f" (and {len(real) - 3} more)" if len(real) > 3 else ""
        first = "; ".join(str(drift) for drift in real[:3]) + more
        if found is Verdict.UNKNOWN and options["on_unknown"] == "fail":
            result.update(failed=True, msg=f"cannot determine whether this host is in sync: {first}")
        elif found is Verdict.DRIFT and options["fail_on_drift"]:
            manual = dict.fromkeys(drift.remedy for drift in real if not drift.role)
            remedy = f". Remedy: {' '.join(manual)}" if manual else ""
            result.update(failed=True, msg=f"this host is not in sync: {first}{remedy}")
        elif real:
            result["msg"] = first
        return result


def former_envs(path: Path, identity: str, depth: str) -> dict[str, dict[str, Any]]:
    """Return the environments of an earlier observation of this run that may be used again; {} where there is none."""
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        if not identity or (entry["id"], entry["depth"], entry["observation"]["depth"]) != (identity, depth, depth):
            return {}
        return {name: env for name, env in entry["observation"]["envs"].items() if env.get("stamp")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def with_former(observation: Any, former: Mapping[str, dict[str, Any]]) -> Any:
    """Return an observation in which unchanged environments are as they were observed before in this run."""
    envs = observation.get("envs") if isinstance(observation, dict) else None
    if isinstance(envs, dict):
        for name, env in envs.items():
            old = former.get(name, {})
            if isinstance(env, dict) and env.pop("unchanged", False) and env.get("stamp") == old.get("stamp"):
                kept = {key: value for key, value in old.items() if key not in ("target", "others", "leftovers")}
                envs[name] = {**kept, **env}
    return observation


def intact(seen: Mapping[str, Any], real: list[Drift]) -> list[str]:
    """Return the environments that were inspected, and in which nothing differs."""
    envs = seen.get("envs")
    wrong = {drift.subject for drift in real}
    found = envs.items() if isinstance(envs, dict) else ()
    inspected = {str(name) for name, env in found if isinstance(env, dict) and "stamp" in env}
    return sorted(inspected - wrong)


def summary(desired: DesiredState | None, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the desired state for a report: root, tier, platform, and lock and digest by environment."""
    if desired is None:
        return {"envs": {}}
    host = seen.get("host")
    platform = str(host.get("platform", "")) if isinstance(host, Mapping) else ""
    envs = {}
    for name, env in desired.envs.items():
        locked = env.platforms.get(platform)
        envs[name] = {"lock": env.lock, "digest": locked.digest if locked else "", "error": env.error}
    return {"root": desired.root, "tier": desired.tier, "platform": platform, "envs": envs}


def prepare() -> None:
    """Fill caches before the workers start, so that not every worker does it again."""
    with contextlib.suppress(Exception):  # on failure, each host reports the reason
        argument_spec("host_info")
        defaults()
        host_files.host_files()
        observer_bundle.observer("")
        Templar(loader=DataLoader()).template(trust_as_template("{{ lockstep_root | default('') }}"))


before_workers(prepare)
