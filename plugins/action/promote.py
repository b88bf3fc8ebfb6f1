"""Action plugin: bring locks to the next tier where an audit proves them on the former one; works on the controller."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ..plugin_utils.desired import desired_state
from ..plugin_utils.desired.settings import data_of, reports_dir
from ..plugin_utils.lock_store import transaction
from ..plugin_utils.promote import audit_gate, promotion
from .host_info import settings_of

_LONGEST = 366 * 24  # hours


def hosts_of(variables: Mapping[str, Any]) -> dict[str, promotion.HostOf]:
    """The whole inventory, whatever part of it this play has: each host's tier and environments.

    :raises AnsibleActionFail: where a host's variables do not say them
    """
    found = {}
    groups = variables.get("groups") or {}
    for name in groups.get("all") or []:
        own = variables["hostvars"][name]
        try:
            tier = own.get("conda_envs_tier", own.get("lockstep_tier"))
            envs = data_of(own.get("conda_envs_names", own.get("lockstep_envs")))
        except AnsibleError as error:
            raise AnsibleActionFail(f"{name}: lockstep_tier or lockstep_envs cannot be worked out: {error}") from None
        if envs is not None and not isinstance(envs, list):
            raise AnsibleActionFail(f"{name}: lockstep_envs is {envs!r}, and should be a list of names")
        found[str(name)] = promotion.HostOf(str(tier or ""), tuple(str(env) for env in envs or ()))
    return found


def locks_of(settings: Mapping[str, Any]) -> Path:
    """The folder of the tiers' locks.

    :raises AnsibleActionFail: where the variables do not name it
    """
    folder = settings.get("conda_envs_locks_dir") or settings.get("lockstep_locks_dir")
    if not folder:
        raise AnsibleActionFail("lockstep_locks_dir is not set: the folder that holds <tier>/<env>.conda-lock.yml")
    return Path(str(folder)).expanduser()


def channels_of(settings: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The channels whose packages locks may name.

    :raises AnsibleActionFail: where the variable is no list
    """
    try:
        channels = desired_state.allowed_channels(settings)
    except desired_state.DeclareError as error:
        raise AnsibleActionFail(str(error)) from None
    return tuple(channels) if channels else None


class ActionModule(ActionBase):  # type: ignore[misc]
    """Reads locks and a report, and writes locks and provenance; connects to no host."""

    _supports_check_mode = True
    _requires_connection = False
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Judge, and hand over unless in check mode."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _, options = self.validate_argument_spec(
            argument_spec={
                "former": {"type": "str", "required": True},
                "latter": {"type": "str", "required": True},
                "tiers": {"type": "list", "elements": "str", "required": True},
                "envs": {"type": "list", "elements": "str"},
                "report": {"type": "path"},
                "max_age_hours": {"type": "float", "default": 24},
                "depth": {"type": "str", "choices": list(audit_gate.DEPTHS), "default": audit_gate.DEPTHS[0]},
            }
        )
        options = data_of(options)
        if not 0 < options["max_age_hours"] <= _LONGEST:  # nan is none of it
            raise AnsibleActionFail(
                f"lockstep_promote_max_age_hours is {options['max_age_hours']:g}: give a number of hours above 0, at "
                f"most {_LONGEST} (a year)"
            )
        settings, _ = settings_of(self, variables)
        asked = promotion.Settings(
            locks_dir=locks_of(settings),
            tiers=tuple(options["tiers"]),
            former=options["former"],
            latter=options["latter"],
            report=Path(options["report"]) if options["report"] else reports_dir(settings) / "report.json",
            hosts=hosts_of(variables),
            envs=None if options["envs"] is None else tuple(options["envs"]),
            channels=channels_of(settings),
            max_age=datetime.timedelta(hours=options["max_age_hours"]),
            depth=options["depth"],
        )
        try:
            made = promotion.promote(asked, datetime.datetime.now(datetime.UTC), write=not self._task.check_mode)
        except transaction.TransactionError as error:
            raise AnsibleActionFail(str(error)) from None
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename}: {error.strerror}; run it again to complete it") from None
        if made.warnings:
            result["warnings"] = made.warnings
        if made.refusals:
            what = f"promotion from {asked.former or '?'} to {asked.latter or '?'}"
            return {**result, "failed": True, "changed": False, "msg": promotion.refusal_message(made.refusals, what)}
        changed = [outcome for outcome in made.outcomes if outcome.changed]
        result["changed"] = bool(changed)
        result["summary"] = [line for outcome in made.outcomes for line in promotion.lines(asked, outcome)]
        result["envs"] = [outcome.env for outcome in changed]
        result["diff"] = [
            {"prepared": "\n".join([f"{outcome.env}: {asked.latter}", *(f"  {line}" for line in shown), ""])}
            for outcome in changed
            for shown in [outcome.difference or ["the same lock; its provenance is added"]]
        ]
        return result
