"""The models agree with themselves."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from infra.config import schema
from infra.config.model import Cluster, Host, Section


def models() -> list[type[Section]]:
    return Section.__subclasses__()


def test_models_are_frozen_and_share_no_default() -> None:
    one, other = (Cluster(tier="dev", groups={}) for _ in range(2))
    one.tags["x"] = "y"
    assert other.tags == {}
    with pytest.raises(ValidationError):
        Host().user = "x"  # type: ignore[misc]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_key_says_what_it_means(model: type[Section]) -> None:
    described = schema.models() if model is Cluster else schema.models()["$defs"][model.__name__]
    assert described["description"].endswith(".")
    for name, node in described["properties"].items():
        assert node["description"].endswith("."), name
