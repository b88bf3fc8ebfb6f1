"""What every emulated resource type has: what it takes, what forces a replacement, and its four calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from local.fakes.aws_provider.cloud import Cloud, given, mapping, specification
from local.fakes.aws_provider.wire import Values

Path = str


class Kind:
    """One resource type. Subclasses fill in the table and the calls; names are those of the wire (camelCase)."""

    token: ClassVar[str]
    inputs: ClassVar[frozenset[str]]
    """Inputs that are emulated; every other one of the type is refused."""
    nested: ClassVar[dict[str, frozenset[str]]] = {}
    """Of inputs that are objects or lists of objects: the members that are emulated; absent means all."""
    replaces: ClassVar[frozenset[Path]]
    """Paths whose change forces a replacement (Terraform's ForceNew)."""
    computed: ClassVar[frozenset[str]] = frozenset()
    """Inputs that AWS fills in when they are not given."""
    defaults: ClassVar[Values] = {}
    """Inputs with a fixed default, so that drift away from it is seen where it was not declared."""
    unordered: ClassVar[frozenset[Path]] = frozenset()
    """Lists that are sets."""
    volatile: ClassVar[frozenset[str]] = frozenset()
    """Outputs that an update may change, unknown in its preview."""
    autoname: ClassVar[tuple[str, str, int] | None] = None
    """Property that is named automatically, the property that switches this off ("" if none), greatest length."""

    def check(self, inputs: Values) -> list[tuple[Path, str]]:
        """(path, reason) for inputs that the service would refuse; shapes were checked before."""
        return []

    def replacing(self, old: Values, new: Values) -> frozenset[Path]:
        """Paths that force a replacement in this very change."""
        return self.replaces

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Make it; returns its id."""
        raise NotImplementedError

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """Its state now (inputs and outputs), None when it is gone; `known` is the state before."""
        raise NotImplementedError

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Make the changes to `changed` (top-level names) that need no replacement."""
        raise NotImplementedError

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """Remove it; an error that says it is not there is taken as done."""
        raise NotImplementedError


def capital(name: str) -> str:
    """A name of the wire as EC2's API spells it."""
    return name[0].upper() + name[1:]


def fields(text: str) -> dict[str, str]:
    """Names of the wire with those of EC2's API, in one line: `vpcId`, or `type=VolumeType` where they differ."""
    pairs = (word.partition("=") for word in text.split())
    return {wire: api or capital(wire) for wire, _, api in pairs}


class Ec2Kind(Kind):
    """A type with calls of EC2's usual shape: Create, Describe, Delete; tags change in place."""

    item: ClassVar[str]
    """What the API calls one: `Subnet` in DescribeSubnets."""
    items: ClassVar[str] = ""
    """What it calls several, where that is not `item` and an s."""
    key: ClassVar[str] = ""
    """What it calls the id, where that is not `item` and Id."""
    noun: ClassVar[str]
    """The type in tag specifications and ARNs."""
    verbs: ClassVar[Mapping[str, str]] = {}
    """What it calls create and delete, where it does not."""
    named: ClassVar[str] = ""
    """The input that is the id."""
    takes: ClassVar[dict[str, str]] = {}
    """Inputs that Create takes as they are."""
    gives: ClassVar[dict[str, str]]
    """Outputs that Describe gives as they are."""
    may_give: ClassVar[Values] = {}
    """The same, where a field may be absent: with what that means."""
    own: ClassVar[frozenset[str]] = frozenset({"ownerId", "arn"})
    """Which of these two outputs the type has."""

    def arguments(self, cloud: Cloud, inputs: Values) -> Values:
        """Further arguments of Create."""
        return {}

    def created(self, cloud: Cloud, identity: str, inputs: Values) -> None:
        """What Create cannot say and a second call does."""

    def more(self, cloud: Cloud, identity: str, found: Values, known: Values) -> Values:
        """Further outputs, of the description `found` and the state before."""
        return {}

    def change(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """What changes in place beside tags."""

    def tag_target(self, identity: str, state: Values) -> str:
        """The id that tags hang on."""
        return identity

    def _call(self, cloud: Cloud, verb: str, **arguments: Any) -> Values:
        noun = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", self.item).lower()
        made: Values = getattr(cloud.ec2, f"{self.verbs.get(verb, verb)}_{noun}")(**arguments)
        return made

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """Create, with tags."""
        taken = {api: inputs.get(wire, self.defaults.get(wire)) for wire, api in self.takes.items()}
        tags = specification(self.noun, inputs.get("tags"))
        made = self._call(cloud, "create", **given(**taken), **self.arguments(cloud, inputs), **tags)
        key = self.key or f"{self.item}Id"
        identity: str = inputs[self.named] if self.named else made.get(self.item, made)[key]
        self.created(cloud, identity, inputs)
        return identity

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """Describe, by id; None also for what is being deleted."""
        items, key = self.items or f"{self.item}s", self.key or f"{self.item}Id"
        call = "describe" + re.sub(r"(?=[A-Z])", "_", items).lower()
        found = cloud.first(call, items, **{f"{key}s": [identity]})
        if not found or str(found.get("State", "")).lower() in ("deleted", "deleting", "cancelled"):
            return None
        own = {"ownerId": cloud.account, "arn": cloud.arn("ec2", f"{self.noun}/{identity}")}
        return {
            **{wire: found[api] for wire, api in self.gives.items()},
            **{wire: found.get(api, self.may_give[f]) for f in self.may_give for wire, api in fields(f).items()},
            **{name: own[name] for name in self.own},
            **tagged(found),
            **self.more(cloud, identity, found, known),
        }

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """What changes in place, and tags."""
        self.change(cloud, identity, old, new, changed)
        cloud.tag(self.tag_target(identity, old), old.get("tags"), new.get("tags"))

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """Delete, by id."""
        self._call(cloud, "delete", **{self.key or f"{self.item}Id": identity})


def names(text: str) -> frozenset[str]:
    """A set of names written in one line."""
    return frozenset(text.split())


def tagged(raw: Values, key: str = "Tags") -> Values:
    """The two tag outputs of an AWS description."""
    tags = mapping(raw.get(key))
    return {"tags": tags or None, "tagsAll": tags}


def only(value: Any) -> Any:
    """None for what is empty."""
    return value if value not in ("", [], {}) else None
