"""A whole cluster: its tags, and a preview."""

from __future__ import annotations

from tests.support import infra_samples
from tests.support.infra_samples import INSTANCE, P5


def test_tags_tell_what_a_thing_is() -> None:
    recorder, _ = infra_samples.make(tags={"team": "ml"}, groups__train__tags={"job": "x"}, groups__train__tier="test")
    machine = recorder.of(INSTANCE)["dev-train-02"]["tags"]
    assert machine == {
        "Name": "dev-train-02",
        "team": "ml",
        "job": "x",
        "managed-by": "pulumi",
        "lockstep:stack": "dev",
        "lockstep:tier": "test",
        "lockstep:group": "train",
    }
    untagged = {
        key
        for key, args in recorder.resources.items()
        if key.startswith("aws:") and args.inputs.get("tags", {}).get("managed-by") != "pulumi"
    }
    without_tags = ("routeTableAssociation", "route:Route", "rolePolicyAttachment", "rolePolicy")
    assert not [key for key in untagged if not any(kind in key for kind in without_tags)]


def test_a_preview_runs_to_its_end() -> None:
    recorder, _ = infra_samples.make(preview=True, groups__fast=P5)
    assert len(recorder.of(INSTANCE)) == 4
