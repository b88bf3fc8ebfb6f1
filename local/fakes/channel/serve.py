"""Serve folders over HTTP, the first that has a file wins.   usage: serve.py ADDRESS PORT FOLDER...

A folder in front of the channel lets a test put a damaged file in a good one's place. Standard library only.
"""

from __future__ import annotations

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(SimpleHTTPRequestHandler):
    """Static files with kept connections and no log."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: object, folders: list[str], **kwargs: object) -> None:
        self.folders = folders
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def translate_path(self, path: str) -> str:
        """The file for a path: in the first folder that has it."""
        for folder in self.folders:
            self.directory = folder
            found = super().translate_path(path)
            if Path(found).is_file():
                return found
        return found

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Many hosts ask at once."""

    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    address, port, *folders = sys.argv[1:]
    Server((address, int(port)), partial(Handler, folders=folders)).serve_forever()
