"""Action plugin: take over an existing environment, on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail

from ..plugin_utils.ansible_support import ControllerAction, libraries
from ..plugin_utils.net.wheel_cache import cache_dir

_ARGUMENTS = {
    "source": {"type": "path", "required": True},
    "name": {"type": "str", "default": ""},
    "force": {"type": "bool", "default": False},
    "python": {"type": "str", "default": ""},
    "envs_dir": {"type": "path", "required": True},
    "locks_dir": {"type": "path", "required": True},
    "tier": {"type": "str", "default": "dev"},
    "channels": {"type": "list", "elements": "str", "default": ["conda-forge"]},
    "repodata_alias": {"type": "str", "default": "https://conda.anaconda.org"},
    "system_requirements": {"type": "raw"},
    "platforms": {"type": "list", "elements": "str", "default": ["linux-64"]},
    "exclude_newer": {"type": "raw"},
    "pip_index": {"type": "str", "default": ""},
}


class ActionModule(ControllerAction):
    """Reads, solves and writes here; connects to no host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make spec and lock, or in check mode say what they would be."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.plain_arguments(_ARGUMENTS)
        with libraries("locking"):
            from ..plugin_utils.import_env.outcome import ImportFailed, Settings
            from ..plugin_utils.import_env.run import run
            from ..plugin_utils.lock.settings import Settings as Site
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
        except OSError as error:
            raise AnsibleActionFail(f"{error.filename}: {error.strerror}; run it again to complete it") from None
        if made.findings:
            result["warnings"] = [finding.text() for finding in made.findings]
        result["changed"] = made.changed
        result["notes"] = [note.line() for note in made.notes]
        result["summary"] = made.summary
        result["exact"] = made.exact
        result["spec"], result["lock"] = str(made.spec_path), str(made.lock_path)
        if made.changed:
            result["diff"] = [
                {
                    "before": made.old_spec or "",
                    "after": made.spec,
                    "before_header": result["spec"],
                    "after_header": result["spec"],
                },
                {"prepared": "\n".join([result["lock"], *(f"  {line}" for line in made.difference), ""])},
            ]
        return result
