"""Pulumi's ResourceProvider service: checks, differences, and the four calls, for the types in `kinds`."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import traceback
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from google.protobuf import empty_pb2  # type: ignore[import-untyped]
from pulumi.runtime import proto
from pulumi.runtime.proto import provider_pb2_grpc

from local.fakes.aws_provider import difference, lookups, schema
from local.fakes.aws_provider.cloud import Cloud, absent
from local.fakes.aws_provider.kinds import KINDS
from local.fakes.aws_provider.kinds.base import Kind
from local.fakes.aws_provider.wire import UNK, Values, has_unknown, plain, wire, without_marks

FAKE = "the local fake of Pulumi's AWS provider"
DEFAULTS = "__defaults"  # inputs that were filled in, as the real provider's bridge marks them
CONFIGURATION = frozenset(
    [
        "region",
        "defaultTags",
        "endpoints",
        "accessKey",
        "secretKey",
        "profile",
        "version",
        "skipCredentialsValidation",
        "skipMetadataApiCheck",
        "skipRegionValidation",
        "skipRequestingAccountId",
        "s3UsePathStyle",
        "allowedAccountIds",
        "maxRetries",
    ]
)


class Refusal(Exception):
    """Something that the fake does not do, in words."""


def answering(code: grpc.StatusCode = grpc.StatusCode.UNKNOWN) -> Callable[[Any], Any]:
    """Turn errors of a call into gRPC statuses whose text is for people; only an unexpected one has a traceback."""

    def decorate(function: Any) -> Any:
        @wraps(function)
        def call(self: Any, request: Any, context: Any) -> Any:
            try:
                return function(self, request, context)
            except (Refusal, schema.SchemaError, lookups.LookupRefused, NotImplementedError) as error:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, str(error))
            except ClientError as error:
                problem = error.response.get("Error", {})
                said = f"{error.operation_name}: {problem.get('Code', '?')}: {problem.get('Message', '')}"
                context.abort(code, said)
            except BotoCoreError as error:
                endpoint = self.cloud.endpoint if self.cloud else "?"
                context.abort(
                    grpc.StatusCode.UNAVAILABLE,
                    f"emulated EC2 at {endpoint}: {error}; run: python -m local.fakes.ec2 up",
                )
            except grpc.RpcError:
                raise
            except Exception as error:
                if not str(error) and not context.is_active():  # abort() raises a bare Exception by design
                    raise
                context.abort(grpc.StatusCode.INTERNAL, f"{FAKE} failed:\n{traceback.format_exc()}")

        return call

    return decorate


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """The service. One instance serves one engine; calls come in parallel."""

    def __init__(self) -> None:
        self.cloud: Cloud | None = None
        self.default_tags: Values = {}

    # --- being a plugin

    def Handshake(self, request: Any, context: Any) -> Any:
        """Plain values only: no wrapped secrets, resources or outputs."""
        return proto.ProviderHandshakeResponse(
            accept_secrets=False, accept_resources=False, accept_outputs=False, supports_autonaming_configuration=True
        )

    def Attach(self, request: Any, context: Any) -> Any:
        """An engine attached to this running process."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """The version is that of the installed pulumi_aws, whose classes are the schema."""
        return proto.PluginInfo(version=version("pulumi_aws"))

    def GetSchema(self, request: Any, context: Any) -> Any:
        """No more than a name; pulumi_aws is generated already."""
        return proto.GetSchemaResponse(schema=json.dumps({"name": "aws", "version": version("pulumi_aws")}))

    def Cancel(self, request: Any, context: Any) -> Any:
        """Nothing here takes long enough to be cancelled."""
        return empty_pb2.Empty()

    # --- configuration

    @answering()
    def CheckConfig(self, request: Any, context: Any) -> Any:
        """Refuse what would be silently ignored."""
        news = plain(request.news)
        failures = [
            proto.CheckFailure(property=name, reason=f"is not emulated by {FAKE}")
            for name in sorted(without_marks(news))
            if name not in CONFIGURATION
        ]
        return proto.CheckResponse(inputs=request.news, failures=failures)

    @answering()
    def DiffConfig(self, request: Any, context: Any) -> Any:
        """Another region replaces everything in it, as in the real provider."""
        old, new = plain(request.old_inputs) or plain(request.olds), plain(request.news)
        moved = old.get("region") != new.get("region") and UNK not in (old.get("region"), new.get("region"))
        changes = proto.DiffResponse.DIFF_SOME if old != new else proto.DiffResponse.DIFF_NONE
        return proto.DiffResponse(changes=changes, replaces=["region"] if moved else [])

    @answering()
    def Configure(self, request: Any, context: Any) -> Any:
        """Region, default tags, and an endpoint that must be on this machine: nothing here may ever reach AWS."""
        given = {key: _decoded(value) for key, value in plain(request.args).items()}
        for name, value in request.variables.items():
            given.setdefault(name.rpartition(":")[2], _decoded(value))
        endpoints = [url for item in given.get("endpoints") or [] for key, url in item.items() if key == "ec2"]
        endpoint = endpoints[0] if endpoints else os.environ.get("AWS_ENDPOINT_URL", "")
        _on_this_machine(endpoint)
        region = given.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if not region or region is UNK:
            raise Refusal("no region; set it with: pulumi config set aws:region us-east-1")
        tags = (given.get("defaultTags") or {}).get("tags")
        self.default_tags = tags if isinstance(tags, dict) else {}
        self.cloud = Cloud(str(region), endpoint)
        return proto.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    # --- resources

    def _kind(self, request: Any) -> Kind:
        token = getattr(request, "type", "") or request.urn.split("::")[2].split("$")[-1]
        if token not in KINDS:
            schema.resource(token)  # says so when pulumi_aws has no such type at all
            raise Refusal(f"resource type {token} is not emulated by {FAKE}; emulated are: {', '.join(sorted(KINDS))}")
        return KINDS[token]

    def _cloud(self) -> Cloud:
        if self.cloud is None:
            raise Refusal(f"{FAKE} was not configured")
        return self.cloud

    @answering()
    def Check(self, request: Any, context: Any) -> Any:
        """Inputs against pulumi_aws's argument class and what is emulated; default tags and names filled in."""
        kind = self._kind(request)
        olds, news = plain(request.olds), plain(request.news)
        inputs = {key: value for key, value in without_marks(news).items() if value is not None}
        self._default_tags(kind, inputs)
        found = schema.problems(kind.token, inputs)
        if not found:
            found = [(path, f"is not emulated by {FAKE}") for path in not_emulated(kind, inputs)]
        if not found:
            found = kind.check(inputs)
            named = autoname(kind, request, olds, inputs)
            if named:
                inputs |= {**named, DEFAULTS: sorted(named)}
        failures = [proto.CheckFailure(property=path, reason=f"{path} {reason}") for path, reason in found]
        return proto.CheckResponse(inputs=wire(inputs), failures=failures)

    def _default_tags(self, kind: Kind, inputs: Values) -> None:
        if self.default_tags and "tags" in kind.inputs and inputs.get("tags") is not UNK:
            inputs["tags"] = {**self.default_tags, **(inputs.get("tags") or {})}

    @answering()
    def Diff(self, request: Any, context: Any) -> Any:
        """Old inputs against new ones; after a refresh the old ones are what was really there."""
        kind = self._kind(request)
        old, new = plain(request.old_inputs) or plain(request.olds), plain(request.news)
        changed = [
            path
            for path in changes(kind, old, new)
            if difference.generic(path).split(".")[0] not in request.ignoreChanges
        ]
        rules = kind.replacing(old, new)
        replaces = difference.replacing(changed, rules)
        detail = proto.PropertyDiff
        return proto.DiffResponse(
            changes=proto.DiffResponse.DIFF_SOME if changed else proto.DiffResponse.DIFF_NONE,
            replaces=sorted({_top(path) for path in replaces}),
            diffs=sorted({_top(path) for path in changed}),
            hasDetailedDiff=True,
            detailedDiff={
                path: detail(kind=_sort(path, old, new, path in replaces), inputDiff=True) for path in changed
            },
            deleteBeforeReplace=bool(replaces) and name_stays(kind, old, new),
        )

    @answering()
    def Create(self, request: Any, context: Any) -> Any:
        """Make it, or say in a preview what would be known."""
        kind, inputs = self._kind(request), without_marks(plain(request.properties))
        if request.preview:
            return proto.CreateResponse(id="", properties=wire(expected(kind, inputs)))
        if has_unknown(inputs):
            raise Refusal(f"{kind.token}: an input is unknown at creation: {inputs}")
        cloud = self._cloud()
        identity = kind.create(cloud, inputs)
        return proto.CreateResponse(id=identity, properties=wire(self._state(kind, identity, inputs)))

    def _state(self, kind: Kind, identity: str, inputs: Values) -> Values:
        state = kind.read(self._cloud(), identity, inputs)
        if state is None:
            raise Refusal(
                f"{kind.token} {identity} is gone right after it was written; is the emulated EC2 being reset?"
            )
        return {**inputs, **self._region(kind), **state, "id": identity}

    def _region(self, kind: Kind) -> Values:
        return {"region": self._cloud().region} if "region" in schema.resource(kind.token).outputs else {}

    @answering()
    def Read(self, request: Any, context: Any) -> Any:
        """State and inputs as they are now; no id when it is gone."""
        kind = self._kind(request)
        inputs, properties = plain(request.inputs), plain(request.properties)
        known = {**without_marks(properties), **without_marks(inputs)}
        try:
            state = kind.read(self._cloud(), request.id, known)
        except KeyError as error:
            raise Refusal(f"{kind.token} cannot be imported by {FAKE}: its id does not tell {error}") from None
        if state is None:
            return proto.ReadResponse()
        now = observed(kind, inputs, state) if inputs else imported(kind, state)
        whole = {**self._region(kind), **state, "id": request.id}
        return proto.ReadResponse(id=request.id, properties=wire(whole), inputs=wire(now))

    @answering()
    def Update(self, request: Any, context: Any) -> Any:
        """Change it, or say in a preview what would be known."""
        kind = self._kind(request)
        state, old, new = plain(request.olds), plain(request.old_inputs), plain(request.news)
        changed = {_top(path) for path in changes(kind, old or state, new)} - set(request.ignoreChanges)
        new = without_marks(new)
        if request.preview:
            unknown = {name: UNK for name in kind.volatile if name in state}
            return proto.UpdateResponse(properties=wire({**state, **new, **unknown, **_all_tags(new)}))
        if has_unknown(new):
            raise Refusal(f"{kind.token}: an input is unknown at update: {new}")
        kind.update(self._cloud(), request.id, {**state, **without_marks(old)}, new, changed)
        return proto.UpdateResponse(properties=wire(self._state(kind, request.id, new)))

    @answering()
    def Delete(self, request: Any, context: Any) -> Any:
        """Remove it; what is gone already is as good."""
        kind = self._kind(request)
        try:
            kind.delete(self._cloud(), request.id, plain(request.properties))
        except ClientError as error:
            if not absent(error):
                raise
        return empty_pb2.Empty()

    # --- lookups

    @answering()
    def Invoke(self, request: Any, context: Any) -> Any:
        """A lookup."""
        token, given = request.tok, plain(request.args)
        known = schema.lookup(token)
        if token not in lookups.LOOKUPS:
            raise Refusal(
                f"lookup {token} is not emulated by {FAKE}; emulated are: {', '.join(sorted(lookups.LOOKUPS))}"
            )
        given = without_marks(given)
        unknown, silent = lookups.refused(token, given, known)
        failures = [proto.CheckFailure(property=n, reason=f"is not an argument of {token}") for n in unknown]
        failures += [proto.CheckFailure(property=n, reason=f"of {token} is not emulated by {FAKE}") for n in silent]
        if failures:
            return proto.InvokeResponse(failures=failures)
        found = lookups.LOOKUPS[token][0](self._cloud(), given)
        return proto.InvokeResponse(**{"return": wire({**given, **found})})


def _decoded(value: Any) -> Any:
    """Nested provider configuration comes as JSON text."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return plain(json.loads(value))
        except ValueError:
            return value
    return value


def _on_this_machine(endpoint: str) -> None:
    host = urlsplit(endpoint).hostname or ""
    try:
        here = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        here = False
    if not here:
        found = f"{endpoint!r} is not on this machine" if endpoint else "AWS_ENDPOINT_URL is not set"
        raise Refusal(
            f"{found}, and {FAKE} works on an emulated EC2 only.\n"
            '  For the local stack: eval "$(python -m local.fakes.ec2 env)".  '
            "For real AWS take local/fakes/aws_provider/bin off PATH."
        )


def _top(path: str) -> str:
    return difference.generic(path).split(".")[0]


def _sort(path: str, old: Values, new: Values, replaces: bool) -> Any:
    kinds = proto.PropertyDiff
    if (path in old and path in new) or "." in path or "[" in path:
        return kinds.UPDATE_REPLACE if replaces else kinds.UPDATE
    if path in new:
        return kinds.ADD_REPLACE if replaces else kinds.ADD
    return kinds.DELETE_REPLACE if replaces else kinds.DELETE


def not_emulated(kind: Kind, inputs: Values) -> list[str]:
    """Paths of inputs that pulumi_aws knows and this fake does not."""
    found = sorted(name for name in inputs if name not in kind.inputs)
    for name, members in kind.nested.items():
        value = inputs.get(name)
        for index, item in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(item, dict):
                at = f"{name}[{index}]" if isinstance(value, list) else name
                found += sorted(f"{at}.{key}" for key in item if key not in members and not key.startswith("__"))
    return found


def autoname(kind: Kind, request: Any, olds: Values, inputs: Values) -> Values:
    """The name that was not given: the old one if that was automatic, else the resource's and seven hex digits."""
    if kind.autoname is None:
        return {}
    name, prefix, longest = kind.autoname
    if inputs.get(name) is not None or (prefix and inputs.get(prefix) is UNK):
        return {}
    if olds.get(name) and name in (olds.get(DEFAULTS) or []):
        return {name: olds[name]}
    if request.HasField("autonaming"):
        if request.autonaming.mode == request.autonaming.DISABLE:
            return {}
        return {name: request.autonaming.proposed_name}
    seed = request.randomSeed or secrets.token_bytes(8)
    digits = hashlib.sha256(seed).hexdigest()
    if prefix and inputs.get(prefix):
        return {name: inputs[prefix] + digits[:26]}
    base: str = request.name or request.urn.rsplit("::", 1)[-1]
    return {name: f"{base[: longest - 8]}-{digits[:7]}"}


def changes(kind: Kind, old: Values, new: Values) -> list[str]:
    """Paths at which inputs differ; a default is as good as absent, and what AWS fills in may be left out later."""
    before = difference.merged(kind.defaults, without_marks(old))
    after = difference.merged(kind.defaults, without_marks(new))
    relevant = kind.inputs
    found = difference.paths(
        {k: v for k, v in before.items() if k in relevant},
        {k: v for k, v in after.items() if k in relevant},
        kind.unordered,
    )
    return [path for path in found if not (_top(path) in kind.computed and difference.at(new, path) is None)]


def name_stays(kind: Kind, old: Values, new: Values) -> bool:
    """Whether a replacement would have the name of what it replaces, which must then go first."""
    if kind.autoname is None:
        return False
    name = kind.autoname[0]
    return old.get(name) == new.get(name) and name not in (new.get(DEFAULTS) or [])


def expected(kind: Kind, inputs: Values) -> Values:
    """Outputs in a preview: inputs and defaults are known, what AWS fills in is not."""
    outputs = schema.resource(kind.token).outputs
    known = {**kind.defaults, **inputs}
    computed = {name for name in outputs if name not in schema.resource(kind.token).inputs} | kind.computed
    return {**{name: UNK for name in computed if name not in known}, **known, **_all_tags(inputs)}


def _all_tags(inputs: Values) -> Values:
    return {"tagsAll": inputs["tags"]} if "tags" in inputs else {}


def observed(kind: Kind, inputs: Values, state: Values) -> Values:
    """The declared inputs with the values that are really there, and what was added behind our back."""
    found: Values = {}
    for name, value in inputs.items():
        if name.startswith("__") or name not in state:
            found[name] = value
        elif state[name] is not None or difference.same(value, None):
            found |= difference.project({name: value}, {name: state[name]})
    for name, default in kind.defaults.items():
        if name not in found and state.get(name) is not None and not difference.same(state[name], default):
            found[name] = state[name]
    if "tags" not in found and state.get("tags"):
        found["tags"] = state["tags"]
    return found


def imported(kind: Kind, state: Values) -> Values:
    """Inputs for something that was never declared: all that it has, defaults and what AWS fills in left out."""
    return {
        name: value
        for name, value in state.items()
        if name in kind.inputs
        and value not in (None, "", [], {})
        and name not in kind.computed - {"availabilityZone"}
        and kind.defaults.get(name) != value
    }
