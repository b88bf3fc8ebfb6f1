"""Action plugin: render locks as files for other tools, on the controller."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

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


class ActionModule(ActionBase):  # type: ignore[misc]
    """Reads locks and writes files here; connects to no host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write what differs, or in check mode say what would."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        arguments = json.loads(json.dumps(arguments, default=str))  # without Ansible's tags
        try:
            from ..plugin_utils import exporting
        except ImportError as error:
            raise AnsibleActionFail(
                f"{error}: the Python that runs Ansible ({sys.executable}) lacks what reading locks needs; install "
                "requirements/controller.txt into it"
            ) from None
        settings = exporting.Settings(
            locks_dir=Path(arguments["locks_dir"]),
            dest=Path(arguments["dest"]),
            tiers=tuple(arguments["tiers"]),
            envs=_tuple(arguments["envs"]),
            platforms=_tuple(arguments["platforms"]),
            channels=_tuple(arguments["channels"]),
            channel_alias=arguments["channel_alias"],
            pip_index=arguments["pip_index"],
        )
        try:
            made = exporting.run(settings, write=not self._task.check_mode)
        except exporting.ExportError as error:
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


def _tuple(items: list[str] | None) -> tuple[str, ...] | None:
    return None if items is None else tuple(items)
