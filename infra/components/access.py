"""Make the access rules: who reaches the machines, what they reach, and what they may do in AWS."""

from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.config.layout import SSM_POLICY, Layout

from .network import Network

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}],
}


def read_buckets_policy(partition: str, buckets: list[str]) -> str:
    """Write the IAM policy that lets machines list and read some buckets, and nothing else."""
    arns = [f"arn:{partition}:s3:::{bucket}" for bucket in buckets]
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": arns},
                {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"{arn}/*" for arn in arns]},
            ],
        }
    )


def partition_of(region: str) -> str:
    """Return the AWS partition that a region belongs to."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


class Access(pulumi.ComponentResource):
    """One security group for all machines, made of single rules, and one instance profile.

    Rules are resources of their own, never inline: an inline list and single rules undo each other.
    """

    security_group: pulumi.Output[str]
    profile: pulumi.Output[str]

    def __init__(self, name: str, layout: Layout, network: Network, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("lockstep:infra:Access", name, None, opts)
        self._name, self._layout = name, layout
        self._opts = pulumi.ResourceOptions(parent=self, protect=layout.protect)
        group = aws.ec2.SecurityGroup(
            f"{name}-hosts",
            vpc_id=network.vpc_id,
            description="Hosts of the fleet",
            tags=layout.tags(Name=f"{name}-hosts"),
            opts=self._opts,
        )
        self.security_group = group.id
        self._rules(network)
        self.profile = self._profile()
        self.register_outputs({"securityGroupId": self.security_group, "instanceProfile": self.profile})

    def _rules(self, network: Network) -> None:
        # EFA and jobs on several machines need both of these
        for way in ("from", "to"):
            self._rule(way, "fleet", "Between hosts of the fleet", referenced_security_group_id=self.security_group)
        for cidr in map(str, map(IPv4Network, self._layout.cluster.access.ssh_from)):  # a single address becomes a /32
            # keyed by the network, so that removing one changes no other
            self._rule("from", f"ssh-{cidr.replace('/', '-')}", "ssh", port=22, cidr_ipv4=cidr)
        self._rule("to", "inside", "The network itself: storage, endpoints, mirrors", cidr_ipv4=network.cidr)
        if network.s3_prefix_list is not None:
            self._rule("to", "s3", "S3 through its gateway endpoint", port=443, prefix_list_id=network.s3_prefix_list)
        has_way_out = self._layout.egress.startswith("nat-") or self._layout.cluster.network.vpc_id is not None
        if has_way_out or any(group.spec.public for group in self._layout.groups):
            for port in self._layout.cluster.access.egress_ports:
                self._rule("to", f"world-{port}", "Packages, images, AWS", port=port, cidr_ipv4="0.0.0.0/0")

    def _rule(self, way: str, what: str, description: str, port: int | None = None, **peer: Any) -> None:
        """Allow traffic `from` or `to` a peer: an address range, a security group or a prefix list."""
        kind = aws.vpc.SecurityGroupIngressRule if way == "from" else aws.vpc.SecurityGroupEgressRule
        kind(
            f"{self._name}-{way}-{what}",
            security_group_id=self.security_group,
            description=description,
            ip_protocol="-1" if port is None else "tcp",
            from_port=port,
            to_port=port,
            tags=self._layout.tags(Name=f"{self._name}-{way}-{what}"),
            opts=self._opts,
            **peer,
        )

    def _profile(self) -> pulumi.Output[str]:
        layout, name, access = self._layout, self._name, self._layout.cluster.access
        partition = partition_of(layout.region)
        role = aws.iam.Role(
            f"{name}-host",
            description="What hosts of the fleet may do",
            assume_role_policy=json.dumps(TRUST),
            permissions_boundary=access.permissions_boundary,
            tags=layout.tags(),
            opts=self._opts,
        )
        policies = list(access.policies)
        if access.ssm:
            policies.insert(0, f"arn:{partition}:iam::aws:policy/{SSM_POLICY}")
        for arn in policies:
            aws.iam.RolePolicyAttachment(
                f"{name}-host-{arn.rsplit('/', 1)[1]}", role=role.name, policy_arn=arn, opts=self._opts
            )
        if access.read_buckets:
            aws.iam.RolePolicy(
                f"{name}-host-read-buckets",
                role=role.name,
                policy=read_buckets_policy(partition, access.read_buckets),
                opts=self._opts,
            )
        profile = aws.iam.InstanceProfile(f"{name}-host", role=role.name, tags=layout.tags(), opts=self._opts)
        return profile.name
