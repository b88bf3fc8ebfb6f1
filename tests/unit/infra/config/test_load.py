"""From Pulumi's values and files of keys to a layout, or to one error."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import infra.config.load
from infra.config.load import ConfigError, from_pulumi, load
from tests.support import infra_samples
from tests.support.paths import CHECKOUT


def test_the_region_is_needed() -> None:
    assert infra_samples.mistakes(None)[0] == "aws:region: is missing. Set it, such as us-east-1."
    assert infra_samples.mistakes("Virginia")[0].startswith("aws:region: is 'Virginia', which is no region.")


def test_all_mistakes_are_told_at_once_and_none_twice() -> None:
    with pytest.raises(ConfigError) as caught:
        infra_samples.layout(
            tier="Prod",
            network__cidr=7,
            access__ssh_from=["0.0.0.0/0", 3],
            groups__train__efa=2,
            groups__other={"count": 1},
        )
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        "tier",
        "groups.other.instance_type",
        "network.cidr",
        "access.ssh_from[1]",
        "access.ssh_from[0]",
        "groups.train.placement",
    ]
    text = str(caught.value)
    assert text.startswith("6 mistakes in Pulumi.dev.yaml; nothing was created or changed.\n  lockstep:tier: ")


def test_the_local_stack_is_right(tmp_path: Path) -> None:
    settings = yaml.safe_load((CHECKOUT / "Pulumi.local.yaml").read_text(encoding="utf-8"))["config"]
    values = {key.split(":", 1)[1]: value for key, value in settings.items() if key.startswith("lockstep:")}
    (tmp_path / "key.pub").write_text(infra_samples.KEY + "\n")
    values["access"]["ssh_key_files"] = [str(tmp_path / "key.pub")]
    layout = load(values, "lockstep", "local", settings["aws:region"])
    assert not layout.protect
    assert layout.keys == (infra_samples.KEY,)
    hosts = [host for group in layout.groups for host in group.hosts]
    assert hosts == ["dev-01", "test-01", "prod-01", "prod-02", "prod-03"]


def test_keys_come_from_files_too(tmp_path: Path) -> None:
    (tmp_path / "a.pub").write_text(f"# us\n\n{infra_samples.KEY}\n{infra_samples.KEY} \nssh-rsa AAAA b\n")
    (tmp_path / "private").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n")
    values = infra_samples.config(access__ssh_key_files=["a.pub"])
    assert load(values, "p", "dev", "us-east-1", tmp_path).keys == (infra_samples.KEY, "ssh-rsa AAAA b")
    with pytest.raises(ConfigError, match="private line 1 is a private key") as caught:
        load(infra_samples.config(access__ssh_key_files=["private"]), "p", "dev", "us-east-1", tmp_path)
    assert "abc" not in str(caught.value)


def test_pulumi_gives_structured_values_as_text() -> None:
    found = from_pulumi(
        {"lockstep:tier": "1", "lockstep:groups": '{"a": {"count": 2}}', "aws:region": "x", "other:y": "z"}
    )
    assert found == {"tier": "1", "groups": {"a": {"count": 2}}}
    assert from_pulumi({"lockstep:groups": "oops"}) == {"groups": "oops"}


@pytest.mark.parametrize("name", ["no/such.pub", "~nobody-of-this-name/key.pub", "a\0b", ".", "x\ny"])
def test_a_file_of_keys_that_cannot_be_read_is_told(name: str, tmp_path: Path) -> None:
    problems = infra_samples.mistakes(checkout=tmp_path, access__ssh_key_files=[name])
    infra_samples.told_alone(problems, "access.ssh_key_files[0]", "cannot be read (")
    assert problems[0].isprintable()
    only = infra_samples.mistakes(checkout=tmp_path, access={"ssh_key_files": [name]})
    assert only == problems  # that no key is left follows from it


def test_a_missing_file_of_keys_is_told_with_the_reason() -> None:
    problems = infra_samples.mistakes(access__ssh_key_files=["no/such.pub"])
    infra_samples.told_alone(problems, "access.ssh_key_files[0]", "cannot be read (No such file")


@pytest.mark.parametrize(
    ("groups", "path", "words"),
    [
        ('{"a": {"instance_type": "g6.xlarge"}, "a": {}}', "groups.a", "is given more than once"),
        ('{"a": {"instance_type": "g6.xlarge", "count": 1, "count": 2}}', "groups.a.count", "is given more than once"),
        (f'{{"a": {{"instance_type": "g6.xlarge", "count": {"9" * 5000}}}}}', "groups.a.count", "more than 30 digits"),
        ('{"a": {"instance_type": "g6.xlarge", "count": NaN}}', "groups.a.count", "a whole number, not nan"),
        ('{"a": ', "groups", "must be a mapping, not '{"),
        ("[" * 100_000, "groups", "must be a mapping, not '[["),
        ("[]", "groups", "must be a mapping, not []"),
        ("", "groups", "must be a mapping, not ''"),
        ("7", "groups", "must be a mapping, not '7'"),
    ],
)
def test_text_that_is_not_the_json_it_should_be(groups: str, path: str, words: str) -> None:
    values = {**infra_samples.config(), **from_pulumi({"lockstep:groups": groups})}
    with pytest.raises(ConfigError) as caught:
        load(values, "lockstep", "dev", "us-east-1")
    infra_samples.told_alone(caught.value.problems, path, words)


def test_a_secret_is_refused_and_never_shown() -> None:
    values = infra_samples.config(tier="hunter2!", access__ssh_from=["hunter2"], groups__train__zone="us-east-1f")
    with pytest.raises(ConfigError) as caught:
        load(values, "lockstep", "dev", "us-east-1", secrets=("access", "tier", "network"))
    assert [problem.split(": ")[0] for problem in caught.value.problems] == ["access", "network", "tier"]
    assert "hunter2" not in str(caught.value) and "without --secret" in str(caught.value)


def test_reading_a_configuration_loads_no_cloud_sdk() -> None:
    program = "import json, sys; import infra.config.reference, infra.config.load; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CHECKOUT)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert "pydantic" in loaded
    assert not loaded & {"pulumi", "pulumi_aws", "boto3", "botocore", "grpc", "rattler", "ansible"}


def test_examples_in_docstrings() -> None:
    result = doctest.testmod(infra.config.load)
    assert result.attempted and not result.failed
