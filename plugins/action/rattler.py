"""Action plugin: send the host only what it lacks of the rattler runtime and of Lockstep's files."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ..module_utils.host.errors import Problem
from ..plugin_utils.desired import host_files
from ..plugin_utils.net import wheel_cache

MODULE = "lockstep.fleet.rattler"


def pack(data: Any) -> str:
    """Pack data into one string: Ansible's time per argument grows with the number of JSON nodes."""
    return base64.b64encode(zlib.compress(json.dumps(data, sort_keys=True).encode())).decode()


class ActionModule(ActionBase):  # type: ignore[misc]
    """Inspect the host in one remote call; if anything is missing, send it and install it in a second one."""

    TRANSFERS_FILES = True
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Inspect, download, send, install."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        files = host_files.host_files()
        arguments["expected"] = pack({path: (file.sha256, file.mode) for path, file in files.items()})
        found = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        missing = found.get("missing") or {}
        if not found.get("failed") and not self._task.check_mode and (missing.get("rattler") or missing.get("files")):
            if missing["files"]:
                arguments["content"] = pack({path: file.text for path, file in files.items()})
            try:
                if missing["rattler"]:
                    source = str(arguments.get("source") or "")
                    local = wheel_cache.wheel(missing["wheel"], missing["sha256"], source)
                    temporary = self._make_tmp_path()
                    remote = self._connection._shell.join_path(temporary, missing["wheel"])
                    self._transfer_file(str(local), remote)
                    arguments["wheel"] = remote
            except Problem as problem:
                raise AnsibleActionFail(str(problem)) from None
            found = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
            if self._connection._shell.tmpdir:
                self._remove_tmp_path(self._connection._shell.tmpdir)
        result.update({key: value for key, value in found.items() if key not in ("missing", "invocation")})
        return result
