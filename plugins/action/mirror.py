"""Action plugin: make a mirror of the locked packages, on the controller."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ..module_utils.host.errors import Problem
from ..plugin_utils.ansible_support import ControllerAction, libraries

_ARGUMENTS = {
    "dest": {"type": "path", "required": True},
    "locks_dir": {"type": "path", "required": True},
    "all_tiers": {"type": "list", "elements": "str", "default": ["dev", "test", "prod"]},
    "tiers": {"type": "list", "elements": "str"},
    "envs": {"type": "list", "elements": "str"},
    "platforms": {"type": "list", "elements": "str"},
    "channels": {"type": "list", "elements": "str"},
    "source": {"type": "str", "default": "https://conda.anaconda.org"},
    "miniconda_source": {"type": "str", "default": "https://repo.anaconda.com/miniconda"},
    "miniconda_versions": {"type": "list", "elements": "str", "default": []},
    "miniconda_installers": {"type": "dict", "default": {}},
    "rattler_source": {"type": "str", "default": ""},
    "rattler_wheels": {"type": "list", "elements": "dict", "default": []},
    "prune": {"type": "bool", "default": False},
    "verify": {"type": "bool", "default": False},
    "parallel": {"type": "int", "default": 4},
}


class ActionModule(ControllerAction):
    """Downloads, checks and indexes here; connects to no host."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make the mirror, or in check mode say what that would do."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.plain_arguments(_ARGUMENTS)
        with libraries("a mirror"):
            from ..plugin_utils.mirror.run import run
            from ..plugin_utils.mirror.settings import Choice, Extras, Settings, Sources
            from ..plugin_utils.net.errors import Stopped

        def some(name: str) -> tuple[str, ...] | None:
            return tuple(arguments[name]) if arguments[name] else None

        settings = Settings(
            dest=Path(arguments["dest"]).absolute(),
            locks_dir=Path(arguments["locks_dir"]),
            choice=Choice(
                tuple(arguments["all_tiers"]), some("tiers"), some("envs"), some("platforms"), some("channels")
            ),
            extras=Extras(
                tuple(dict.fromkeys(arguments["miniconda_versions"])),
                arguments["miniconda_installers"],
                tuple(arguments["rattler_wheels"]),
            ),
            sources=Sources(arguments["source"], arguments["miniconda_source"], arguments["rattler_source"]),
            prune=arguments["prune"],
            verify=arguments["verify"],
            parallel=max(1, arguments["parallel"]),
        )
        parent = os.getppid()

        def alive() -> bool:
            if os.getppid() != parent:  # Ansible was killed: whoever runs it again must not find this one at work
                os._exit(1)
            return True

        try:
            made = run(settings, not self._task.check_mode, Display().display, alive)
        except Problem as problem:
            raise AnsibleActionFail(str(problem)) from None
        except Stopped:
            raise AnsibleActionFail("the run was ended; what has arrived is kept, the next run goes on there") from None
        result.update(
            changed=made.changed, summary=made.summary, fetched=sorted(made.fetched),
            fetched_bytes=sum(max(size, 0) for size in made.fetched.values()), pruned=made.pruned,
            prunable=sorted(made.prunable), seconds=round(made.seconds, 1),
        )  # fmt: skip
        if made.notes:
            result["warnings"] = made.notes
        if lines := made.difference():
            result["diff"] = [{"prepared": "\n".join([f"{settings.dest}", *(f"  {line}" for line in lines), ""])}]
        return result
