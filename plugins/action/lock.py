"""Action plugin: make locks from specs, on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail

from ..plugin_utils.ansible_support import ControllerAction, libraries, some
from ..plugin_utils.net.wheel_cache import cache_dir

_ARGUMENTS = {
    "envs": {"type": "list", "elements": "str"},
    "envs_dir": {"type": "path", "required": True},
    "locks_dir": {"type": "path", "required": True},
    "tier": {"type": "str", "default": "dev"},
    "channels": {"type": "list", "elements": "str", "default": ["conda-forge"]},
    "repodata_alias": {"type": "str", "default": "https://conda.anaconda.org"},
    "system_requirements": {"type": "raw"},
    "platforms": {"type": "list", "elements": "str", "default": ["linux-64"]},
    "exclude_newer": {"type": "raw"},
    "pip_index": {"type": "str", "default": ""},
    "update": {"type": "list", "elements": "str", "default": []},
    "upgrade": {"type": "bool", "default": False},
}


class ActionModule(ControllerAction):
    """Reads, solves and writes here; connects to no host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make the locks, or in check mode say which are stale."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.plain_arguments(_ARGUMENTS)
        with libraries("locking"):
            from ..plugin_utils.core import findings
            from ..plugin_utils.lock.run import run as lock
            from ..plugin_utils.lock.settings import Settings, SettingsError
            from ..plugin_utils.lock.summary import lines
            from ..plugin_utils.lock.writing import complete
            from ..plugin_utils.lock_store import transaction
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
        failures, warned = findings.errors(found), findings.warnings(found)
        if failures and any(outcome.new_text is None for outcome in outcomes):
            result["failed"] = True
            result["msg"] = "\n".join(
                ["no lock was written:", *(item.text() for item in failures), *(item.text() for item in warned)]
            )
            return result
        result["findings"] = [finding.text() for finding in found]
        result["unsettled"] = [item.text() for item in failures]
        result["warnings"] = [item.text() for item in warned]
        if left:
            when = "was" if write else "will first be"
            result["warnings"].insert(0, f"a run that was killed {when} completed: {left}")
        result["unfinished"] = left
        result["changed"] = bool(left) or any(outcome.changed for outcome in outcomes)
        result["summary"] = [line for outcome in outcomes for line in lines(outcome, write)]
        result["locks"] = [
            {"name": o.name, "path": str(o.path), "changed": o.changed, "missing": o.old is None}
            | {"platforms": o.platforms}
            for o in outcomes
        ]
        result["diff"] = [
            {"prepared": "\n".join([f"{o.path}", *(f"  {line}" for line in o.difference), ""])}
            for o in outcomes
            if o.changed
        ]
        return result
