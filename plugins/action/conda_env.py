"""Action plugin: read the lock on the controller, and send its install plans to the host."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils.host.errors import Problem
from ..plugin_utils.ansible_support import reader
from ..plugin_utils.conda.channels import PUBLISHED_ALIAS
from ..plugin_utils.core import progress
from ..plugin_utils.desired import host_files
from ..plugin_utils.desired.install_plans import packed_plans


class ActionModule(ActionBase):  # type: ignore[misc]
    """Run the module on the host, which has no YAML reader."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the lock, then run the module in one remote call."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        arguments["tools"] = host_files.folder()
        if arguments.get("state", "present") != "absent" and arguments.get("lock"):
            channels = arguments.get("channels")
            try:
                arguments["plans"] = packed_plans(
                    str(arguments.get("name")),
                    Path(str(arguments["lock"])).expanduser(),
                    str(arguments.get("channel_alias") or PUBLISHED_ALIAS),
                    [str(channel) for channel in channels] if channels else None,
                )
            except Problem as problem:
                raise AnsibleActionFail(str(problem)) from None
        with self._progress(arguments, task_vars or {}):
            done = self._execute_module(
                module_name="lockstep.fleet.conda_env", module_args=arguments, task_vars=task_vars,
                wrap_async=self._task.async_val,
            )  # fmt: skip
        result.update(done)
        result.get("invocation", {}).get("module_args", {}).pop("plans", None)
        return result

    def _progress(
        self, arguments: dict[str, Any], variables: dict[str, Any]
    ) -> contextlib.AbstractContextManager[None]:
        """Report the progress of the build on standard error while the module runs."""
        try:
            first = float(arguments.get("progress", 15))
        except (ValueError, TypeError):
            raise AnsibleActionFail(
                f"conda_envs_progress_seconds is {arguments['progress']!r}: set a number of seconds, 0 for no progress"
            ) from None
        if first <= 0 or self._task.check_mode or self._task.async_val:
            return contextlib.nullcontext()
        env, root = str(arguments.get("name")), str(arguments.get("root"))
        command = f"cat {shlex.quote(f'{root}/state/{env}.lock')}"

        def report(doing: str, seconds: float) -> None:
            line = progress.line(str(variables.get("inventory_hostname", "")), env, doing, seconds)
            self._display.display(line, stderr=True)

        return progress.watch(reader(self, command), report, first)
