"""Action plugin: import an existing environment, on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail

from ..plugin_utils.ansible_support import ControllerAction, require
from ..plugin_utils.import_env.outcome import ImportFailed, Settings
from ..plugin_utils.import_env.run import run
from ..plugin_utils.lock.settings import Settings as Site
from ..plugin_utils.net.wheel_cache import cache_dir


class ActionModule(ControllerAction):
    """Read, solve and write on the controller; connect to no host."""

    def act(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Make spec and lock, or in check mode report what they would be."""
        require("locking", "rattler", "packaging")
        site = Site(
            envs_dir=Path(arguments["envs_dir"]),
            locks_dir=Path(arguments["locks_dir"]),
            tier=arguments["tier"],
            channels=tuple(arguments["channels"]),
            repodata_alias=arguments["repodata_alias"],
            system_requirements=arguments["system_requirements"],
            platforms=tuple(arguments["platforms"]),
            exclude_newer=arguments["exclude_newer"],
            pip_index=arguments["pip_index"],
            cache=cache_dir() / "repodata",
        )
        asked = Settings(Path(arguments["source"]), arguments["name"], site, arguments["force"], arguments["python"])
        try:
            made = run(asked, write=not self._task.check_mode)
        except ImportFailed as error:
            raise AnsibleActionFail(str(error)) from None
        spec, lock = str(made.spec_path), str(made.lock_path)
        result = {
            "changed": made.changed,
            "notes": [note.line() for note in made.notes],
            "summary": made.summary,
            "exact": made.exact,
            "spec": spec,
            "lock": lock,
        }
        if made.findings:
            result["warnings"] = [finding.text() for finding in made.findings]
        if made.changed:
            result["diff"] = [
                {"before": made.old_spec or "", "after": made.spec, "before_header": spec, "after_header": spec},
                {"prepared": "\n".join([lock, *(f"  {line}" for line in made.difference), ""])},
            ]
        return result
