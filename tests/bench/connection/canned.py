"""A connection that answers from a file: what an audit costs the controller, without hosts."""

from __future__ import annotations

DOCUMENTATION = """
name: canned
short_description: Answer from a file
description: Reads the request as ssh would carry it, and answers with the text of a file.
options:
  canned_answer:
    description: The file; a host without one cannot be reached.
    vars:
      - name: canned_answer
"""

from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from ansible.errors import AnsibleConnectionFailure  # noqa: E402
from ansible.plugins.connection import ConnectionBase  # noqa: E402


class Connection(ConnectionBase):
    """Reads one file for each command."""

    transport = "canned"
    has_pipelining = True

    def _connect(self) -> Any:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Answer the observer's call."""
        answer = self.get_option("canned_answer")
        if not answer:
            raise AnsibleConnectionFailure("Failed to connect to the host via ssh: No route to host")
        assert in_data is None or in_data.rstrip().endswith(b")")
        return 0, Path(answer).read_bytes(), b""

    def put_file(self, in_path: str, out_path: str) -> None:
        """Refuse: an audit sends no file."""
        raise AnsibleConnectionFailure("an audit sends no file")

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Refuse: an audit fetches no file."""
        raise AnsibleConnectionFailure("an audit fetches no file")

    def close(self) -> None:
        """Nothing is open."""
        self._connected = False
