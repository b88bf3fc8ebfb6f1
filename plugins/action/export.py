"""Action plugin: render locks as files for other tools, on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail

from ..plugin_utils.ansible_support import ControllerAction, libraries, some

_ARGUMENTS = {
    "locks_dir": {"type": "path", "required": True},
    "dest": {"type": "path", "required": True},
    "tiers": {"type": "list", "elements": "str", "required": True},
    "envs": {"type": "list", "elements": "str"},
    "platforms": {"type": "list", "elements": "str"},
    "channels": {"type": "list", "elements": "str"},
    "channel_alias": {"type": "str", "default": "https://conda.anaconda.org"},
    "pip_index": {"type": "str", "default": ""},
}


class ActionModule(ControllerAction):
    """Reads locks and writes files here; connects to no host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write what differs, or in check mode say what would."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.plain_arguments(_ARGUMENTS)
        with libraries("reading locks"):
            from ..plugin_utils.export import render
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
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename}: {error.strerror}; run it again to complete it") from None
        if made.warnings:
            result["warnings"] = made.warnings
        changed = [file for file in made.files if file.changed]
        result["changed"] = made.changed
        result["summary"] = made.summary
        result["files"] = [str(file.path) for file in made.files if file.text is not None]
        result["diff"] = [
            {
                "before": file.old or "",
                "after": file.text or "",
                "before_header": str(file.path),
                "after_header": str(file.path) if file.text is not None else "removed",
            }
            for file in changed
        ]
        return result
