"""Action plugin: make a mirror of the locked packages, on the controller."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail

from ..module_utils.host.errors import Problem
from ..plugin_utils.ansible_support import ControllerAction, require
from ..plugin_utils.mirror.run import run
from ..plugin_utils.mirror.settings import Choice, Extras, Settings, Sources
from ..plugin_utils.net.errors import Stopped


class ActionModule(ControllerAction):
    """Download, verify and index on the controller; connect to no host."""

    def act(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """Make the mirror, or in check mode report what that would do."""
        require("a mirror", "rattler")

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
            if os.getppid() != parent:  # Ansible was killed: this process must release the mirror's lock
                os._exit(1)
            return True

        try:
            made = run(settings, not self._task.check_mode, self._display.display, alive)
        except Problem as problem:
            raise AnsibleActionFail(str(problem)) from None
        except Stopped:
            raise AnsibleActionFail(
                "the run was stopped; what has arrived is kept, and the next run continues there"
            ) from None
        lines = made.difference()
        return {
            "changed": made.changed,
            "summary": made.summary,
            "fetched": sorted(made.fetched),
            "fetched_bytes": sum(max(size, 0) for size in made.fetched.values()),
            "pruned": made.pruned,
            "prunable": sorted(made.prunable),
            "seconds": round(made.seconds, 1),
            **({"warnings": made.notes} if made.notes else {}),
            **(
                {"diff": [{"prepared": "\n".join([str(settings.dest), *(f"  {line}" for line in lines), ""])}]}
                if lines
                else {}
            ),
        }
