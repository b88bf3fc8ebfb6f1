"""Action plugin: render locks as files for other tools, on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail

from ..plugin_utils.ansible_support import ControllerAction, some
from ..plugin_utils.export import render


class ActionModule(ControllerAction):
    """Read locks and write files on the controller; connect to no host."""

    def act(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Write the files that differ, or in check mode report them."""
        settings = render.Settings(
            locks_dir=Path(arguments["locks_dir"]),
            dest=Path(arguments["dest"]),
            tiers=tuple(arguments["tiers"]),
            envs=some(arguments["envs"]),
            platforms=some(arguments["platforms"]),
            channels=some(arguments["channels"]),
            channel_alias=arguments["channel_alias"],
            pip_index=arguments["pip_index"],
        )
        try:
            made = render.run(settings, write=not self._task.check_mode)
        except render.ExportError as error:
            raise AnsibleActionFail(str(error)) from None
        return {
            "changed": made.changed,
            "summary": made.summary,
            "files": [str(file.path) for file in made.files if file.text is not None],
            "diff": [
                {
                    "before": file.old or "",
                    "after": file.text or "",
                    "before_header": str(file.path),
                    "after_header": str(file.path) if file.text is not None else "removed",
                }
                for file in made.files
                if file.changed
            ],
            **({"warnings": made.warnings} if made.warnings else {}),
        }
