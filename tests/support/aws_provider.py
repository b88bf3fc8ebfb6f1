"""A small cloud for the fake provider's tests: the emulated EC2 in this process, and the service without gRPC."""

from __future__ import annotations

import threading
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from pulumi.runtime import proto
from werkzeug.serving import make_server

from local.fakes.aws_provider.server import Provider
from local.fakes.aws_provider.wire import plain, wire
from local.fakes.ec2 import extensions

REGION = "us-east-1"
DEBIAN_12 = "/aws/service/debian/release/12/latest/amd64"
TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
    '"Principal":{"Service":"ec2.amazonaws.com"}}]}'
)
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}'


class Aborted(Exception):
    def __init__(self, code: Any, text: str) -> None:
        super().__init__(text)
        self.code = code


class Context:
    def abort(self, code: Any, text: str) -> None:
        raise Aborted(code, text)

    def is_active(self) -> bool:
        return True


def serve() -> tuple[Any, str]:
    """Moto with our extensions on a free port of loopback, in a thread."""
    import moto.backends

    extensions.install()
    extensions.add_images(moto.backends.get_backend("ec2")["123456789012"][REGION])
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}"


class World:
    """The service, called as the engine calls it."""

    def __init__(self, **configuration: Any) -> None:
        self.provider, self.context, self.count = Provider(), Context(), 0
        request = proto.ConfigureRequest(args=wire({"region": REGION, **configuration}))
        self.provider.Configure(request, self.context)

    @staticmethod
    def urn(token: str, name: str = "it") -> str:
        return f"urn:pulumi:s::p::{token}::{name}"

    def check(self, token: str, inputs: dict[str, Any], olds: dict[str, Any] | None = None) -> Any:
        self.count += 1
        request = proto.CheckRequest(
            urn=self.urn(token),
            type=token,
            news=wire(inputs),
            olds=wire(olds or {}),
            randomSeed=bytes([self.count % 256, self.count // 256]),
            name="it",
        )
        return self.provider.Check(request, self.context)

    def failures(self, token: str, inputs: dict[str, Any]) -> dict[str, str]:
        return {f.property: f.reason for f in self.check(token, inputs).failures}

    def create(self, token: str, inputs: dict[str, Any], preview: bool = False) -> tuple[str, dict[str, Any], Any]:
        checked = self.check(token, inputs)
        assert not checked.failures, checked.failures
        request = proto.CreateRequest(urn=self.urn(token), type=token, properties=checked.inputs, preview=preview)
        made = self.provider.Create(request, self.context)
        return made.id, plain(made.properties), plain(checked.inputs)

    def diff(self, token: str, identity: str, old: dict[str, Any], new: dict[str, Any], **more: Any) -> Any:
        request = proto.DiffRequest(
            id=identity, urn=self.urn(token), type=token, old_inputs=wire(old), olds=wire(old), news=wire(new), **more
        )
        return self.provider.Diff(request, self.context)

    def update(self, token: str, identity: str, state: dict[str, Any], old: dict[str, Any], new: dict[str, Any]) -> Any:
        request = proto.UpdateRequest(
            id=identity, urn=self.urn(token), type=token, olds=wire(state), old_inputs=wire(old), news=wire(new)
        )
        return plain(self.provider.Update(request, self.context).properties)

    def read(self, token: str, identity: str, state: dict[str, Any], inputs: dict[str, Any]) -> Any:
        request = proto.ReadRequest(
            id=identity, urn=self.urn(token), type=token, properties=wire(state), inputs=wire(inputs)
        )
        found = self.provider.Read(request, self.context)
        return found.id, plain(found.properties), plain(found.inputs)

    def delete(self, token: str, identity: str, state: dict[str, Any]) -> None:
        request = proto.DeleteRequest(id=identity, urn=self.urn(token), type=token, properties=wire(state))
        self.provider.Delete(request, self.context)

    def invoke(self, token: str, arguments: dict[str, Any]) -> dict[str, Any]:
        found = self.provider.Invoke(proto.InvokeRequest(tok=token, args=wire(arguments)), self.context)
        assert not found.failures, found.failures
        return plain(getattr(found, "return"))
