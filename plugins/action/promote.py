"""Action plugin: promote locks to the next tier after an audit of the former one, on the controller."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail

from ..plugin_utils.ansible_support import ControllerAction, channels_of, hosts_of, locks_of, settings_of
from ..plugin_utils.desired.settings import reports_dir
from ..plugin_utils.lock_store import transaction
from ..plugin_utils.promote import promotion

_LONGEST = 366 * 24  # hours


class ActionModule(ControllerAction):
    """Read locks and a report, write locks and provenance; connect to no host."""

    def act(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Check the audit gate and promote, unless in check mode."""
        if not 0 < arguments["max_age_hours"] <= _LONGEST:  # nan is none of it
            raise AnsibleActionFail(
                f"lockstep_promote_max_age_hours is {arguments['max_age_hours']:g}: give a number of hours above 0, at "
                f"most {_LONGEST} (a year)"
            )
        settings, _unused = settings_of(self, variables)
        asked = promotion.Settings(
            locks_dir=locks_of(settings),
            tiers=tuple(arguments["tiers"]),
            former=arguments["former"],
            latter=arguments["latter"],
            report=Path(arguments["report"]) if arguments["report"] else reports_dir(settings) / "report.json",
            hosts=hosts_of(variables),
            envs=None if arguments["envs"] is None else tuple(arguments["envs"]),
            channels=channels_of(settings),
            max_age=datetime.timedelta(hours=arguments["max_age_hours"]),
            depth=arguments["depth"],
        )
        try:
            made = promotion.promote(asked, datetime.datetime.now(datetime.UTC), write=not self._task.check_mode)
        except transaction.TransactionError as error:
            raise AnsibleActionFail(str(error)) from None
        warnings = {"warnings": made.warnings} if made.warnings else {}
        if made.refusals:
            what = f"promotion from {asked.former or '?'} to {asked.latter or '?'}"
            return {"failed": True, "changed": False, "msg": promotion.refusal_message(made.refusals, what), **warnings}
        changed = [outcome for outcome in made.outcomes if outcome.changed]
        return {
            "changed": bool(changed),
            "summary": [line for outcome in made.outcomes for line in promotion.lines(asked, outcome)],
            "envs": [outcome.env for outcome in changed],
            "diff": [
                {"prepared": "\n".join([f"{outcome.env}: {asked.latter}", *(f"  {line}" for line in shown), ""])}
                for outcome in changed
                for shown in [outcome.difference or ["the same lock; its provenance is added"]]
            ],
            **warnings,
        }
