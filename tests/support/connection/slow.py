"""Connection plugin for tests: modules take some seconds and then say that nothing changed; `cat` answers at once."""

from __future__ import annotations

import json
import time
from typing import Any

from ansible.plugins.connection import ConnectionBase

DOCUMENTATION = r"""
name: slow
short_description: Take some seconds for each module
description: Nothing is run anywhere.
options:
  slow_seconds:
    description: What a module takes.
    type: float
    vars: [{name: slow_seconds}]
  slow_sign:
    description: What every file holds; left out, reading one fails as a lost line does.
    type: str
    vars: [{name: slow_sign}]
"""


class Connection(ConnectionBase):  # type: ignore[misc]
    """Pretends."""

    transport = "slow"
    has_pipelining = True
    always_pipeline_modules = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Answer a module's call, or a `cat`."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        if not in_data:
            if not cmd.startswith("cat "):
                return 0, b"", b""
            sign = self.get_option("slow_sign")
            if not sign:
                raise OSError("the line is lost")
            return 0, sign.encode(), b""
        time.sleep(float(self.get_option("slow_seconds")))
        answer: dict[str, Any] = {"changed": False, "did": [], "invocation": {"module_args": {"plans": "long"}}}
        return 0, json.dumps(answer).encode(), b""

    def put_file(self, in_path: str, out_path: str) -> None:
        """Nothing is sent."""

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Nothing is fetched."""

    def close(self) -> None:
        """Nothing is open."""
