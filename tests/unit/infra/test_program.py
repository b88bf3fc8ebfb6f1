"""What Pulumi runs: what it takes from Pulumi, and how it refuses."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from infra import program
from tests.support import infra_samples


def refusal(monkeypatch: pytest.MonkeyPatch, secrets: list[str], **changes: Any) -> str:
    """What the program says of the base with some keys changed, set as Pulumi sets it."""
    texts = {
        f"lockstep:{name}": value if isinstance(value, str) else json.dumps(value)
        for name, value in infra_samples.config(**changes).items()
    }
    everything = {"aws:region": "us-east-1", **texts}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(everything))
    pulumi.runtime.set_mocks(infra_samples.Recorder(), project="lockstep", stack="dev")
    pulumi.runtime.set_all_config(everything, secrets)
    try:
        with pytest.raises(pulumi.RunError) as caught:
            program.main()
    finally:
        pulumi.runtime.set_all_config({}, [])
    return str(caught.value)


def test_a_wrong_configuration_is_told_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refusal(monkeypatch, [], tier="Prod", groups__train__cuont=3)
    assert told.startswith("2 mistakes in Pulumi.dev.yaml; nothing was created or changed.\n  lockstep:tier: is 'Prod'")
    assert "lockstep:groups.train.cuont: is not a key that exists. Did you mean count?" in told


def test_a_secret_is_refused_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    told = refusal(monkeypatch, ["lockstep:access", "other:key"], access__ssh_keys=["hunter2"])
    assert told.startswith("1 mistake in Pulumi.dev.yaml") and "lockstep:access: is a secret" in told
    assert "hunter2" not in told
