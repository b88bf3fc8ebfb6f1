"""What every emulated resource type has: what it takes, what forces a replacement, and its four calls."""

from __future__ import annotations

from typing import Any, ClassVar

from local.fakes.aws_provider.cloud import Cloud
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
    """Inputs with a fixed default, so that drift away from it is seen although nobody declared it."""
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


def names(text: str) -> frozenset[str]:
    """A set of names written in one line."""
    return frozenset(text.split())


def tagged(raw: Values, key: str = "Tags") -> Values:
    """The two tag outputs of an AWS description."""
    from local.fakes.aws_provider.cloud import mapping

    tags = mapping(raw.get(key))
    return {"tags": tags or None, "tagsAll": tags}


def only(value: Any) -> Any:
    """None for what is empty."""
    return value if value not in ("", [], {}) else None
