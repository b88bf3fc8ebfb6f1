"""Who reaches the machines, what they reach, and their rights in AWS."""

from __future__ import annotations

import json

import pytest

from tests.support import infra_samples
from tests.support.infra_samples import INGRESS


@pytest.mark.parametrize("egress", ["nat-single", "nat-per-az", "endpoints", "none"])
@pytest.mark.parametrize("public", [False, True])
def test_nothing_lets_the_world_in(egress: str, public: bool) -> None:
    recorder, _ = infra_samples.make(
        network__egress=egress,
        access={"ssm": False, "ssh_from": ["10.8.0.0/16"], "ssh_keys": infra_samples.config()["access"]["ssh_keys"]},
        groups__train__public=public,
    )
    rules = recorder.of(INGRESS)
    assert rules
    assert not [rule for rule in rules.values() if "/0" in str(rule)]
    for group in recorder.of("ec2/securityGroup:SecurityGroup").values():
        assert "ingress" not in group and "egress" not in group
    assert rules["dev-from-ssh-10.8.0.0-16"]["fromPort"] == rules["dev-from-ssh-10.8.0.0-16"]["toPort"] == 22


def test_by_default_no_port_is_open_and_ssm_is_the_only_right() -> None:
    recorder, _ = infra_samples.make()
    assert set(recorder.of(INGRESS)) == {"dev-from-fleet"}
    assert recorder.of(INGRESS)["dev-from-fleet"]["referencedSecurityGroupId"] == "dev-hosts-id"
    attached = recorder.of("iam/rolePolicyAttachment:RolePolicyAttachment")
    assert [one["policyArn"] for one in attached.values()] == ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"]
    assert not recorder.of("iam/rolePolicy:RolePolicy")
    trust = json.loads(next(iter(recorder.of("iam/role:Role").values()))["assumeRolePolicy"])
    assert trust["Statement"][0]["Principal"] == {"Service": "ec2.amazonaws.com"}


def test_buckets_are_read_and_nothing_else() -> None:
    recorder, _ = infra_samples.make(
        access__read_buckets=["mirror"], access__policies=["arn:aws:iam::123456789012:policy/own"]
    )
    policy = json.loads(recorder.of("iam/rolePolicy:RolePolicy")["dev-host-read-buckets"]["policy"])
    actions = [action for statement in policy["Statement"] for action in statement["Action"]]
    assert actions == ["s3:ListBucket", "s3:GetObject"]
    assert "*" not in [resource for statement in policy["Statement"] for resource in statement["Resource"]]
    assert len(recorder.of("iam/rolePolicyAttachment:RolePolicyAttachment")) == 2


def test_networks_are_given_to_aws_in_cidr_notation() -> None:
    recorder, _ = infra_samples.make(access__ssh_from=["10.8.0.1", "10.9.0.0/255.255.0.0"])
    rules = {name: rule["cidrIpv4"] for name, rule in recorder.of(INGRESS).items() if "ssh" in name}
    assert rules == {"dev-from-ssh-10.8.0.1-32": "10.8.0.1/32", "dev-from-ssh-10.9.0.0-16": "10.9.0.0/16"}
