"""The process behind the endpoint: moto's server on loopback, with our extensions, remembering its state in a file.

Moto itself keeps everything in memory. Here each request that may have changed something is followed by a save before
its answer leaves, so a change that a caller was told of survives a kill. A file that cannot be read back (another
moto, a damaged disk) is put aside with a message. The cloud is then empty, and `python -m local.fakes.ec2 up` lets
Pulumi make everything again.
"""

from __future__ import annotations

import argparse
import io
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import moto
import moto.backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from local.fakes.ec2 import extensions

SERVICES = ("ec2", "iam")  # what holds state; sts and ssm only answer
READING = ("Describe", "Get", "List", "Search")
ACCOUNT = "123456789012"
HEALTH = "/lockstep/health"


def save(path: Path) -> None:
    """Write all state by rename."""
    state = {
        service: {account: dict(regions.items()) for account, regions in moto.backends.get_backend(service).items()}  # type: ignore[call-overload]
        for service in SERVICES
    }
    aside = path.with_suffix(".new")
    with aside.open("wb") as file:
        pickle.dump({"moto": moto.__version__, "state": state}, file)
    aside.replace(path)


def load(path: Path) -> str:
    """Restore state; returns "restored", "new", or why there is nothing to restore."""
    if not path.exists():
        return "new"
    try:
        saved = pickle.loads(path.read_bytes())  # our own file, in a folder that only its owner writes to
        if saved["moto"] != moto.__version__:
            raise ValueError(f"saved by moto {saved['moto']}, this is {moto.__version__}")
        for service, accounts in saved["state"].items():
            for account, regions in accounts.items():
                for region, backend in regions.items():
                    moto.backends.get_backend(service)[account][region] = backend
    except Exception as error:  # whatever a pickle may raise
        aside = path.with_suffix(".unreadable")
        path.replace(aside)
        return f"state not readable ({error}); put aside as {aside.name}, starting empty"
    return "restored"


class Remembering:
    """Moto's WSGI application; it saves after each request that may change something."""

    def __init__(self, application: Any, path: Path) -> None:
        self.application, self.path = application, path
        self.lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One request at a time, since moto's models are not threadsafe; EC2 and IAM name their action in the body."""
        if environ.get("PATH_INFO") == HEALTH:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"%d\n" % os.getpid()]  # the caller may have meant the server of another checkout
        with self.lock:
            action = _action(environ)
            answer = list(self.application(environ, start_response))
            if not action.startswith(READING):
                save(self.path)
            return answer


def _action(environ: dict[str, Any]) -> str:
    """The API action; the body is read and put back."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length)
    environ["wsgi.input"] = io.BytesIO(body)
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return str(target).rpartition(".")[2]
    for field in body.split(b"&"):
        if field.startswith(b"Action="):
            return field[7:].decode("ascii", "replace")
    return "Get" if environ.get("REQUEST_METHOD") == "GET" else ""


def main() -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m local.fakes.ec2.moto_server")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--region", required=True)
    arguments = parser.parse_args()
    os.environ["MOTO_PORT"] = str(arguments.port)
    extensions.install()
    application = Remembering(DomainDispatcherApplication(create_backend_app), arguments.state)
    # the port first: a server without it changes no state, and requests wait until the state is loaded
    server = make_server("127.0.0.1", arguments.port, application, threaded=True, request_handler=MotoRequestHandler)
    print(load(arguments.state), flush=True)
    extensions.add_images(moto.backends.get_backend("ec2")[ACCOUNT][arguments.region])
    save(arguments.state)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"serving on 127.0.0.1:{arguments.port}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
