"""The plugin process: the port on the first line of standard output, then the service until the engine is gone."""

from __future__ import annotations

import os
import sys
import threading
import time
from concurrent import futures

import grpc  # type: ignore[import-untyped]
from pulumi.runtime.proto import provider_pb2_grpc

from local.fakes.aws_provider.server import Provider

LARGEST = 400 << 20  # bytes in one message, as in Pulumi's own plugins


def serve() -> tuple[grpc.Server, int]:
    """Start the service on a free port of loopback."""
    limits = [("grpc.max_receive_message_length", LARGEST), ("grpc.max_send_message_length", LARGEST)]
    server = grpc.server(futures.ThreadPoolExecutor(16), options=limits)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def main() -> int:
    """Run until killed, or until the engine that started this process is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(0)

    server, port = serve()
    print(port, flush=True)
    threading.Thread(target=watch, daemon=True).start()
    server.wait_for_termination()
    return 0


if __name__ == "__main__":
    sys.exit(main())
