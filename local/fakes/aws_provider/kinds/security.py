"""Who may talk to whom, and as whom: security groups, their rules, key pairs, roles."""

from __future__ import annotations

import json
from typing import Any

from local.fakes.aws_provider.cloud import Cloud, answer, given, mapping, pairs, specification
from local.fakes.aws_provider.kinds.base import Ec2Kind, Kind, Path, fields, names, tagged
from local.fakes.aws_provider.wire import Values


class SecurityGroup(Ec2Kind):
    """A security group without inline rules; the rule that lets everything out is removed, as by the real provider."""

    token = "aws:ec2/securityGroup:SecurityGroup"
    inputs = names("name namePrefix description vpcId revokeRulesOnDelete region tags")
    replaces = names("name namePrefix description vpcId region")
    computed = names("name namePrefix vpcId ingress egress region")
    defaults = {"description": "Managed by Pulumi", "revokeRulesOnDelete": False}
    autoname = ("name", "namePrefix", 255)

    item, key = "SecurityGroup", "GroupId"
    noun = "security-group"
    takes = fields("name=GroupName description vpcId")
    gives = fields("name=GroupName description")
    may_give = {"vpcId": None}

    def created(self, cloud: Cloud, identity: str, inputs: Values) -> None:
        """Remove the rule that lets everything out."""
        wide = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        cloud.ec2.revoke_security_group_egress(GroupId=identity, IpPermissions=wide)

    def more(self, cloud: Cloud, identity: str, found: Values, known: Values) -> Values:
        """What only Pulumi knows."""
        return {"revokeRulesOnDelete": known.get("revokeRulesOnDelete", False)}


class Rule(Kind):
    """One rule of a security group."""

    egress: bool
    inputs = names(
        "securityGroupId ipProtocol fromPort toPort cidrIpv4 cidrIpv6 referencedSecurityGroupId prefixListId "
        "description region tags"
    )
    replaces = names("securityGroupId region")
    computed = names("region")
    sources = ("cidrIpv4", "cidrIpv6", "referencedSecurityGroupId", "prefixListId")

    def check(self, inputs: Values) -> list[tuple[Path, str]]:
        """Exactly one source; ports belong to protocols that have them."""
        given_sources = [name for name in self.sources if inputs.get(name) is not None]
        if len(given_sources) != 1:
            return [("cidrIpv4", f"needs exactly one of {', '.join(self.sources)}, not {len(given_sources)}")]
        if inputs.get("ipProtocol") in ("tcp", "udp") and inputs.get("fromPort") is None:
            return [("fromPort", "is required with tcp and udp")]
        if inputs.get("ipProtocol") == "-1" and inputs.get("fromPort") is not None:
            return [("fromPort", "must be left out when ipProtocol is -1 (all)")]
        return []

    def _permission(self, inputs: Values) -> Values:
        note = given(Description=inputs.get("description"))
        permission = given(
            IpProtocol=inputs["ipProtocol"], FromPort=inputs.get("fromPort"), ToPort=inputs.get("toPort")
        )
        if inputs.get("cidrIpv4"):
            permission["IpRanges"] = [{"CidrIp": inputs["cidrIpv4"], **note}]
        elif inputs.get("cidrIpv6"):
            permission["Ipv6Ranges"] = [{"CidrIpv6": inputs["cidrIpv6"], **note}]
        elif inputs.get("prefixListId"):
            permission["PrefixListIds"] = [{"PrefixListId": inputs["prefixListId"], **note}]
        else:
            permission["UserIdGroupPairs"] = [{"GroupId": inputs["referencedSecurityGroupId"], **note}]
        return permission

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """AuthorizeSecurityGroupIngress or -Egress."""
        way = "egress" if self.egress else "ingress"
        made = getattr(cloud.ec2, f"authorize_security_group_{way}")(
            GroupId=inputs["securityGroupId"],
            IpPermissions=[self._permission(inputs)],
            **specification("security-group-rule", inputs.get("tags")),
        )
        identity: str = made["SecurityGroupRules"][0]["SecurityGroupRuleId"]
        return identity

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """DescribeSecurityGroupRules."""
        wanted = [{"Name": "group-id", "Values": [known["securityGroupId"]]}]
        rules = answer(cloud.ec2.describe_security_group_rules, Filters=wanted) or {"SecurityGroupRules": []}
        rule = next((r for r in rules["SecurityGroupRules"] if r["SecurityGroupRuleId"] == identity), None)
        if not rule or bool(rule["IsEgress"]) != self.egress:
            return None
        everything = rule["IpProtocol"] == "-1"
        return {
            "securityGroupId": rule.get("GroupId", known["securityGroupId"]),
            "securityGroupRuleId": identity,
            "ipProtocol": rule["IpProtocol"],
            "fromPort": None if everything else rule.get("FromPort"),
            "toPort": None if everything else rule.get("ToPort"),
            "cidrIpv4": rule.get("CidrIpv4"),
            "cidrIpv6": rule.get("CidrIpv6"),
            "prefixListId": rule.get("PrefixListId"),
            "referencedSecurityGroupId": (rule.get("ReferencedGroupInfo") or {}).get("GroupId"),
            "description": rule.get("Description") or None,
            "arn": cloud.arn("ec2", f"security-group-rule/{identity}"),
            **tagged(rule),
        }

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """ModifySecurityGroupRules, tags."""
        if changed - {"tags"}:
            rule = given(
                IpProtocol=new["ipProtocol"],
                FromPort=new.get("fromPort", -1),
                ToPort=new.get("toPort", -1),
                CidrIpv4=new.get("cidrIpv4"),
                CidrIpv6=new.get("cidrIpv6"),
                PrefixListId=new.get("prefixListId"),
                ReferencedGroupId=new.get("referencedSecurityGroupId"),
                Description=new.get("description", ""),
            )
            cloud.ec2.modify_security_group_rules(
                GroupId=new["securityGroupId"],
                SecurityGroupRules=[{"SecurityGroupRuleId": identity, "SecurityGroupRule": rule}],
            )
        cloud.tag(identity, old.get("tags"), new.get("tags"))

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """RevokeSecurityGroupIngress or -Egress, by the rule's id."""
        now = self.read(cloud, identity, known)
        if now:
            way = "egress" if self.egress else "ingress"
            revoke = getattr(cloud.ec2, f"revoke_security_group_{way}")
            revoke(GroupId=known["securityGroupId"], SecurityGroupRuleIds=[identity])


class IngressRule(Rule):
    """What may come in."""

    token = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
    egress = False


class EgressRule(Rule):
    """What may go out."""

    token = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
    egress = True


class KeyPair(Ec2Kind):
    """A public key for ssh."""

    token = "aws:ec2/keyPair:KeyPair"
    inputs = names("keyName keyNamePrefix publicKey region tags")
    replaces = names("keyName keyNamePrefix publicKey region")
    computed = names("keyName keyNamePrefix region")
    autoname = ("keyName", "keyNamePrefix", 255)

    item, key, named = "KeyPair", "KeyName", "keyName"
    noun = "key-pair"
    verbs = {"create": "import"}
    takes = fields("keyName")
    gives = fields("keyName keyPairId fingerprint=KeyFingerprint")
    may_give = {"keyType": "rsa"}
    own = names("arn")

    def arguments(self, cloud: Cloud, inputs: Values) -> Values:
        """The key."""
        return {"PublicKeyMaterial": inputs["publicKey"].encode()}

    def more(self, cloud: Cloud, identity: str, found: Values, known: Values) -> Values:
        """What the service does not give out."""
        return {"publicKey": known.get("publicKey")}

    def tag_target(self, identity: str, state: Values) -> str:
        """Tags hang on the id, not on the name."""
        return str(state["keyPairId"])


def document(policy: Any) -> str:
    """A policy as JSON text; objects are taken too."""
    return policy if isinstance(policy, str) else json.dumps(policy, sort_keys=True)


def kept(known: Any, now: Any) -> Any:
    """The policy as it was written, when what the service returns means the same."""
    now = now if isinstance(now, str) else json.dumps(now, sort_keys=True)
    return known if known and json.loads(document(known)) == json.loads(now) else now


def valid_json(inputs: Values, name: str) -> list[tuple[Path, str]]:
    """A policy must be JSON, as IAM would say only at creation."""
    value = inputs.get(name)
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError as error:
            return [(name, f"is not JSON: {error}")]
    return []


class Role(Kind):
    """An IAM role."""

    token = "aws:iam/role:Role"
    inputs = names(
        "name namePrefix assumeRolePolicy description path maxSessionDuration forceDetachPolicies "
        "permissionsBoundary tags"
    )
    replaces = names("name namePrefix path")
    computed = names("name namePrefix inlinePolicies managedPolicyArns")
    defaults = {"path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": False}
    autoname = ("name", "namePrefix", 64)

    def check(self, inputs: Values) -> list[tuple[Path, str]]:
        """The trust policy is JSON."""
        return valid_json(inputs, "assumeRolePolicy")

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """CreateRole."""
        cloud.iam.create_role(
            RoleName=inputs["name"],
            AssumeRolePolicyDocument=document(inputs["assumeRolePolicy"]),
            Path=inputs.get("path", "/"),
            MaxSessionDuration=inputs.get("maxSessionDuration", 3600),
            Tags=pairs(inputs.get("tags")),
            **given(Description=inputs.get("description"), PermissionsBoundary=inputs.get("permissionsBoundary")),
        )
        identity: str = inputs["name"]
        return identity

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """GetRole."""
        told = answer(cloud.iam.get_role, RoleName=identity)
        if not told:
            return None
        role = told["Role"]
        tags = mapping(role.get("Tags"))
        return {
            "name": role["RoleName"],
            "path": role["Path"],
            "description": role.get("Description"),
            "maxSessionDuration": role.get("MaxSessionDuration", 3600),
            "forceDetachPolicies": known.get("forceDetachPolicies", False),
            "permissionsBoundary": (role.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn"),
            "assumeRolePolicy": kept(known.get("assumeRolePolicy"), role["AssumeRolePolicyDocument"]),
            "arn": role["Arn"],
            "uniqueId": role["RoleId"],
            "createDate": role["CreateDate"].isoformat(),
            "tags": tags or None,
            "tagsAll": tags,
        }

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Trust policy, description, session length, boundary, tags."""
        if "assumeRolePolicy" in changed:
            cloud.iam.update_assume_role_policy(RoleName=identity, PolicyDocument=document(new["assumeRolePolicy"]))
        if changed & {"description", "maxSessionDuration"}:
            length = new.get("maxSessionDuration", 3600)
            cloud.iam.update_role(RoleName=identity, Description=new.get("description", ""), MaxSessionDuration=length)
        if "permissionsBoundary" in changed:
            if new.get("permissionsBoundary"):
                cloud.iam.put_role_permissions_boundary(
                    RoleName=identity, PermissionsBoundary=new["permissionsBoundary"]
                )
            else:
                cloud.iam.delete_role_permissions_boundary(RoleName=identity)
        if "tags" in changed:
            gone = sorted(set(old.get("tags") or {}) - set(new.get("tags") or {}))
            if gone:
                cloud.iam.untag_role(RoleName=identity, TagKeys=gone)
            cloud.iam.tag_role(RoleName=identity, Tags=pairs(new.get("tags")))

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """DeleteRole."""
        cloud.iam.delete_role(RoleName=identity)


class RolePolicy(Kind):
    """An inline policy of a role; its id is role:name."""

    token = "aws:iam/rolePolicy:RolePolicy"
    inputs = names("name namePrefix role policy")
    replaces = names("name namePrefix role")
    computed = names("name namePrefix")
    autoname = ("name", "namePrefix", 128)

    def check(self, inputs: Values) -> list[tuple[Path, str]]:
        """The policy is JSON."""
        return valid_json(inputs, "policy")

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """PutRolePolicy."""
        role, name = inputs["role"], inputs["name"]
        cloud.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document(inputs["policy"]))
        return f"{role}:{name}"

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """GetRolePolicy."""
        role, _, name = identity.partition(":")
        policy = answer(cloud.iam.get_role_policy, RoleName=role, PolicyName=name)
        if not policy:
            return None
        return {"role": role, "name": name, "policy": kept(known.get("policy"), policy["PolicyDocument"])}

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """PutRolePolicy again."""
        role, _, name = identity.partition(":")
        cloud.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document(new["policy"]))

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """DeleteRolePolicy."""
        role, _, name = identity.partition(":")
        cloud.iam.delete_role_policy(RoleName=role, PolicyName=name)


class RolePolicyAttachment(Kind):
    """A managed policy of a role."""

    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    inputs = names("role policyArn")
    replaces = names("role policyArn")

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """AttachRolePolicy."""
        cloud.iam.attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
        return f"{inputs['role']}-{inputs['policyArn'].rsplit('/', 1)[-1]}"

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """ListAttachedRolePolicies."""
        told = answer(cloud.iam.list_attached_role_policies, RoleName=known["role"]) or {"AttachedPolicies": []}
        there = any(policy["PolicyArn"] == known["policyArn"] for policy in told["AttachedPolicies"])
        return {"role": known["role"], "policyArn": known["policyArn"]} if there else None

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Every change replaces."""

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """DetachRolePolicy."""
        cloud.iam.detach_role_policy(RoleName=known["role"], PolicyArn=known["policyArn"])


class InstanceProfile(Kind):
    """What gives an instance its role."""

    token = "aws:iam/instanceProfile:InstanceProfile"
    inputs = names("name namePrefix path role tags")
    replaces = names("name namePrefix path")
    computed = names("name namePrefix")
    defaults = {"path": "/"}
    autoname = ("name", "namePrefix", 128)

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """CreateInstanceProfile, AddRoleToInstanceProfile."""
        identity: str = inputs["name"]
        cloud.iam.create_instance_profile(
            InstanceProfileName=identity, Path=inputs.get("path", "/"), Tags=pairs(inputs.get("tags"))
        )
        if inputs.get("role"):
            cloud.iam.add_role_to_instance_profile(InstanceProfileName=identity, RoleName=inputs["role"])
        return identity

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """GetInstanceProfile."""
        told = answer(cloud.iam.get_instance_profile, InstanceProfileName=identity)
        if not told:
            return None
        profile = told["InstanceProfile"]
        tags = mapping(profile.get("Tags"))
        return {
            "name": profile["InstanceProfileName"],
            "path": profile["Path"],
            "role": profile["Roles"][0]["RoleName"] if profile["Roles"] else None,
            "arn": profile["Arn"],
            "uniqueId": profile["InstanceProfileId"],
            "createDate": profile["CreateDate"].isoformat(),
            "tags": tags or None,
            "tagsAll": tags,
        }

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Another role, tags."""
        if "role" in changed:
            if old.get("role"):
                cloud.iam.remove_role_from_instance_profile(InstanceProfileName=identity, RoleName=old["role"])
            if new.get("role"):
                cloud.iam.add_role_to_instance_profile(InstanceProfileName=identity, RoleName=new["role"])
        if "tags" in changed:
            gone = sorted(set(old.get("tags") or {}) - set(new.get("tags") or {}))
            if gone:
                cloud.iam.untag_instance_profile(InstanceProfileName=identity, TagKeys=gone)
            cloud.iam.tag_instance_profile(InstanceProfileName=identity, Tags=pairs(new.get("tags")))

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """RemoveRoleFromInstanceProfile, DeleteInstanceProfile."""
        now = self.read(cloud, identity, known)
        if now and now["role"]:
            cloud.iam.remove_role_from_instance_profile(InstanceProfileName=identity, RoleName=now["role"])
        cloud.iam.delete_instance_profile(InstanceProfileName=identity)
