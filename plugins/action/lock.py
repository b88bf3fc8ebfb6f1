"""Action plugin: make locks from specs, on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail

from ..plugin_utils.ansible_support import ControllerAction, require, some
from ..plugin_utils.core import findings
from ..plugin_utils.lock import summary
from ..plugin_utils.lock.run import run as lock
from ..plugin_utils.lock.settings import Settings, SettingsError
from ..plugin_utils.lock.writing import complete
from ..plugin_utils.lock_store import transaction
from ..plugin_utils.net.wheel_cache import cache_dir


class ActionModule(ControllerAction):
    """Read, solve and write on the controller; connect to no host."""

    def act(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Make the locks, or in check mode report which are stale."""
        require("locking", "rattler", "packaging")
        settings = Settings(
            envs_dir=Path(arguments["envs_dir"]),
            locks_dir=Path(arguments["locks_dir"]),
            tier=arguments["tier"],
            envs=some(arguments["envs"]),
            channels=tuple(arguments["channels"]),
            repodata_alias=arguments["repodata_alias"],
            system_requirements=arguments["system_requirements"],
            platforms=tuple(arguments["platforms"]),
            exclude_newer=arguments["exclude_newer"],
            update=tuple(arguments["update"]),
            upgrade=arguments["upgrade"],
            cache=cache_dir() / "repodata",
            pip_index=arguments["pip_index"],
        )
        write = not self._task.check_mode
        try:
            left = complete(settings, write)
            outcomes = lock(settings, write)
        except (SettingsError, transaction.TransactionError) as error:
            raise AnsibleActionFail(str(error)) from None
        except OSError as error:
            raise AnsibleActionFail(
                f"{error.filename}: {error.strerror}; no lock was left half-written, run it again to complete it"
            ) from None
        found = sorted(finding for outcome in outcomes for finding in outcome.findings)
        failures, warned = findings.errors(found), [item.text() for item in findings.warnings(found)]
        if failures and any(outcome.new_text is None for outcome in outcomes):
            lines = ["no lock was written:", *(item.text() for item in failures), *warned]
            return {"failed": True, "msg": "\n".join(lines)}
        if left:
            when = "was" if write else "will first be"
            warned.insert(0, f"a run that was killed {when} completed: {left}")
        return {
            "changed": bool(left) or any(outcome.changed for outcome in outcomes),
            "summary": [line for outcome in outcomes for line in summary.lines(outcome, write)],
            "locks": [
                {"name": o.name, "path": str(o.path), "changed": o.changed, "missing": o.old is None}
                | {"platforms": o.platforms}
                for o in outcomes
            ],
            "findings": [finding.text() for finding in found],
            "unfinished": left,
            "unsettled": [item.text() for item in failures],
            "warnings": warned,
            "diff": [
                {"prepared": "\n".join([f"{o.path}", *(f"  {line}" for line in o.difference), ""])}
                for o in outcomes
                if o.changed
            ],
        }
