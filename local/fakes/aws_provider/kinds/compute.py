"""Machines: instances, launch templates, placement groups, capacity reservations, volumes."""

from __future__ import annotations

import base64
import re
from typing import Any

from local.fakes.aws_provider.cloud import Cloud, given, mapping, specification
from local.fakes.aws_provider.difference import project
from local.fakes.aws_provider.kinds.base import Ec2Kind, Kind, Path, fields, names, only, tagged
from local.fakes.aws_provider.wire import Values

RENAMED = {"SecurityGroups": "Groups", "VpcSecurityGroupIds": "SecurityGroupIds", "RamDiskId": "RamdiskId"}


def pascal(value: Any) -> Any:
    """Inputs as EC2's API spells them; Terraform's textual booleans become real ones, tag maps lists."""
    if isinstance(value, dict):
        found = {}
        for key, item in value.items():
            if item is None or key.startswith("__"):
                continue
            name = key[0].upper() + key[1:]
            name = RENAMED.get(name, name)
            found[name] = [{"Key": k, "Value": v} for k, v in item.items()] if name == "Tags" else pascal(item)
        return found
    if isinstance(value, list):
        return [pascal(item) for item in value]
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def camel(value: Any) -> Any:
    """The way back."""
    back = {new: old for old, new in RENAMED.items()}
    if isinstance(value, dict):
        found = {}
        for key, item in value.items():
            name = str(back.get(key, key))
            found[name[0].lower() + name[1:]] = {t["Key"]: t["Value"] for t in item} if key == "Tags" else camel(item)
        return found
    return [camel(item) for item in value] if isinstance(value, list) else value


DISK = names("deleteOnTermination encrypted iops kmsKeyId volumeSize volumeType throughput tags")


class Instance(Kind):
    """A machine."""

    token = "aws:ec2/instance:Instance"
    inputs = names(
        "ami associatePublicIpAddress availabilityZone capacityReservationSpecification disableApiTermination "
        "ebsBlockDevices ebsOptimized iamInstanceProfile instanceInitiatedShutdownBehavior instanceMarketOptions "
        "instanceType keyName launchTemplate metadataOptions monitoring placementGroup privateIp region "
        "rootBlockDevice sourceDestCheck subnetId tags tenancy userData userDataBase64 userDataReplaceOnChange "
        "volumeTags vpcSecurityGroupIds"
    )
    nested = {
        "rootBlockDevice": DISK,
        "ebsBlockDevices": DISK | {"deviceName", "snapshotId"},
        "metadataOptions": names(
            "httpEndpoint httpTokens httpPutResponseHopLimit instanceMetadataTags httpProtocolIpv6"
        ),
        "launchTemplate": names("id name version"),
        "capacityReservationSpecification": names("capacityReservationPreference capacityReservationTarget"),
        "instanceMarketOptions": names("marketType spotOptions"),
    }
    replaces = names(
        "ami associatePublicIpAddress availabilityZone ebsBlockDevices.deleteOnTermination ebsBlockDevices.deviceName "
        "ebsBlockDevices.encrypted ebsBlockDevices.iops ebsBlockDevices.kmsKeyId ebsBlockDevices.snapshotId "
        "ebsBlockDevices.throughput ebsBlockDevices.volumeType instanceMarketOptions keyName launchTemplate "
        "placementGroup privateIp region rootBlockDevice.encrypted rootBlockDevice.kmsKeyId subnetId tenancy"
    )
    computed = names(
        "ami associatePublicIpAddress availabilityZone capacityReservationSpecification cpuOptions "
        "creditSpecification disableApiStop disableApiTermination ebsBlockDevices ebsOptimized enablePrimaryIpv6 "
        "enclaveOptions ephemeralBlockDevices hostId iamInstanceProfile instanceInitiatedShutdownBehavior "
        "instanceMarketOptions instanceType ipv6AddressCount ipv6Addresses keyName maintenanceOptions "
        "metadataOptions monitoring networkInterfaces placementGroup placementGroupId placementPartitionNumber "
        "primaryNetworkInterface privateDnsNameOptions privateIp region rootBlockDevice secondaryPrivateIps "
        "securityGroups subnetId tenancy userDataBase64 vpcSecurityGroupIds"
    )
    defaults = {"sourceDestCheck": True, "userDataReplaceOnChange": False}
    unordered = names("vpcSecurityGroupIds")
    volatile = names("publicIp publicDns")

    def check(self, inputs: Values) -> list[tuple[Path, str]]:
        """What EC2 or the real provider would refuse."""
        found = []
        template = inputs.get("launchTemplate") is not None
        for name in ("ami", "instanceType"):
            if inputs.get(name) is None and not template:
                found.append((name, "is required without a launchTemplate"))
        if inputs.get("userData") is not None and inputs.get("userDataBase64") is not None:
            found.append(("userDataBase64", "conflicts with userData"))
        size = self._user_data_bytes(inputs)
        if size > 16384:  # EC2's limit, before base64
            found.append(("userData", f"is {size} bytes, EC2 takes at most 16384"))
        return found

    @staticmethod
    def _user_data_bytes(inputs: Values) -> int:
        if isinstance(inputs.get("userDataBase64"), str):
            return len(base64.b64decode(inputs["userDataBase64"]))
        return len(inputs["userData"].encode()) if isinstance(inputs.get("userData"), str) else 0

    def replacing(self, old: Values, new: Values) -> frozenset[Path]:
        """User data replaces only where it was asked to."""
        return self.replaces | (names("userData userDataBase64") if new.get("userDataReplaceOnChange") else frozenset())

    def _devices(self, cloud: Cloud, inputs: Values) -> list[Values]:
        found = []
        root = inputs.get("rootBlockDevice")
        if root:
            image = cloud.first("describe_images", "Images", ImageIds=[self._image(cloud, inputs)]) or {}
            found.append({"DeviceName": image.get("RootDeviceName", "/dev/xvda"), "Ebs": self._ebs(root)})
        for device in inputs.get("ebsBlockDevices") or []:
            found.append({"DeviceName": device["deviceName"], "Ebs": self._ebs(device)})
        return found

    def _image(self, cloud: Cloud, inputs: Values) -> str:
        if inputs.get("ami"):
            return str(inputs["ami"])
        template = pascal(inputs["launchTemplate"])
        key = {"LaunchTemplateId": template["Id"]} if "Id" in template else {"LaunchTemplateName": template["Name"]}
        version = str(template.get("Version", "$Default"))
        found = cloud.ec2.describe_launch_template_versions(Versions=[version], **key)["LaunchTemplateVersions"]
        return str(found[0]["LaunchTemplateData"].get("ImageId", ""))

    @staticmethod
    def _ebs(device: Values) -> Values:
        kept = {k: v for k, v in device.items() if k not in ("deviceName", "tags")}
        return {"DeleteOnTermination": True, **pascal(kept)}

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """RunInstances for one machine."""
        arguments = given(
            ImageId=inputs.get("ami"),
            InstanceType=inputs.get("instanceType"),
            KeyName=inputs.get("keyName"),
            EbsOptimized=inputs.get("ebsOptimized"),
            DisableApiTermination=inputs.get("disableApiTermination"),
            InstanceInitiatedShutdownBehavior=inputs.get("instanceInitiatedShutdownBehavior"),
            MetadataOptions=pascal(inputs.get("metadataOptions")),
            CapacityReservationSpecification=self._capacity(inputs),
            InstanceMarketOptions=pascal(inputs.get("instanceMarketOptions")),
            BlockDeviceMappings=only(self._devices(cloud, inputs)),
            UserData=self._user_data(inputs),
        )
        placement = given(
            GroupName=inputs.get("placementGroup"),
            Tenancy=inputs.get("tenancy"),
            AvailabilityZone=inputs.get("availabilityZone"),
        )
        if inputs.get("iamInstanceProfile"):
            arguments["IamInstanceProfile"] = {"Name": inputs["iamInstanceProfile"]}
        if inputs.get("monitoring") is not None:
            arguments["Monitoring"] = {"Enabled": inputs["monitoring"]}
        if inputs.get("launchTemplate"):
            template = pascal(inputs["launchTemplate"])
            chosen = {"LaunchTemplateId": template.get("Id"), "LaunchTemplateName": template.get("Name")}
            arguments["LaunchTemplate"] = given(**chosen, Version=str(template.get("Version", "$Default")))
        if placement:
            arguments["Placement"] = placement
        arguments |= self._network(inputs)
        tags = specification("instance", inputs.get("tags")).get("TagSpecifications", [])
        tags += specification("volume", inputs.get("volumeTags")).get("TagSpecifications", [])
        if tags:
            arguments["TagSpecifications"] = tags
        made = cloud.ec2.run_instances(MinCount=1, MaxCount=1, **arguments)
        identity: str = made["Instances"][0]["InstanceId"]
        cloud.ec2.get_waiter("instance_running").wait(
            InstanceIds=[identity], WaiterConfig={"Delay": 1, "MaxAttempts": 30}
        )
        self._tag_disks(cloud, identity, inputs)
        if inputs.get("sourceDestCheck") is False:
            cloud.ec2.modify_instance_attribute(InstanceId=identity, SourceDestCheck={"Value": False})
        return identity

    def _tag_disks(self, cloud: Cloud, identity: str, inputs: Values) -> None:
        declared = [inputs.get("rootBlockDevice"), *(inputs.get("ebsBlockDevices") or [])]
        if any(disk and disk.get("tags") for disk in declared):
            for disk, wanted in self._matched(self.read(cloud, identity, inputs) or {}, inputs):
                cloud.tag(disk["volumeId"], None, wanted.get("tags"))

    @staticmethod
    def _matched(state: Values, inputs: Values) -> list[tuple[Values, Values]]:
        """The machine's disks beside what was declared of them."""
        there = {disk["deviceName"]: disk for disk in state.get("ebsBlockDevices", [])}
        pairs = [(state.get("rootBlockDevice"), inputs.get("rootBlockDevice"))]
        pairs += [(there.get(disk["deviceName"]), disk) for disk in inputs.get("ebsBlockDevices") or []]
        return [(disk, wanted) for disk, wanted in pairs if disk and wanted]

    @staticmethod
    def _network(inputs: Values) -> Values:
        plain = given(
            SubnetId=inputs.get("subnetId"),
            PrivateIpAddress=inputs.get("privateIp"),
            SecurityGroupIds=only(inputs.get("vpcSecurityGroupIds")),
        )
        public = inputs.get("associatePublicIpAddress")
        if public is None or not inputs.get("subnetId"):
            return plain
        interface = {
            "DeviceIndex": 0,
            "AssociatePublicIpAddress": public,
            "SubnetId": plain["SubnetId"],
            "DeleteOnTermination": True,
        }
        interface |= given(PrivateIpAddress=plain.get("PrivateIpAddress"), Groups=plain.get("SecurityGroupIds"))
        return {"NetworkInterfaces": [interface]}

    @staticmethod
    def _capacity(inputs: Values) -> Values | None:
        wanted = inputs.get("capacityReservationSpecification")
        if not wanted:
            return None
        found: Values = pascal(wanted)
        return found

    @staticmethod
    def _user_data(inputs: Values) -> str | bytes | None:
        if inputs.get("userDataBase64"):
            return base64.b64decode(inputs["userDataBase64"])
        text: str | None = inputs.get("userData")
        return text

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """DescribeInstances with its volumes and user data."""
        reservation = cloud.first("describe_instances", "Reservations", InstanceIds=[identity])
        instance = (reservation or {}).get("Instances", [None])[0]
        if not instance or instance["State"]["Name"] in ("terminated", "shutting-down"):
            return None

        def attribute(name: str) -> Any:
            found = cloud.ec2.describe_instance_attribute(InstanceId=identity, Attribute=name)
            return found.get(name[0].upper() + name[1:], {}).get("Value")

        interfaces = sorted(instance.get("NetworkInterfaces", []), key=lambda i: i["Attachment"]["DeviceIndex"])
        primary = interfaces[0] if interfaces else {}
        metadata, placement = instance.get("MetadataOptions", {}), instance["Placement"]
        profile = instance.get("IamInstanceProfile", {}).get("Arn", "")
        data = attribute("userData")
        root, others = self._disks(cloud, instance, known)
        return {
            "ami": instance["ImageId"],
            "instanceType": instance["InstanceType"],
            "instanceState": instance["State"]["Name"],
            "availabilityZone": placement["AvailabilityZone"],
            "placementGroup": placement.get("GroupName", ""),
            "tenancy": placement.get("Tenancy", "default"),
            "subnetId": instance.get("SubnetId", ""),
            "privateIp": instance.get("PrivateIpAddress", ""),
            "privateDns": instance.get("PrivateDnsName", ""),
            "publicIp": instance.get("PublicIpAddress", ""),
            "publicDns": instance.get("PublicDnsName", ""),
            "associatePublicIpAddress": bool(instance.get("PublicIpAddress")),
            "primaryNetworkInterfaceId": primary.get("NetworkInterfaceId", ""),
            "vpcSecurityGroupIds": sorted(
                g["GroupId"] for g in primary.get("Groups") or instance.get("SecurityGroups", [])
            ),
            "sourceDestCheck": instance.get("SourceDestCheck", True),
            "keyName": instance.get("KeyName", ""),
            "iamInstanceProfile": profile.rsplit("/", 1)[-1],
            "ebsOptimized": instance.get("EbsOptimized", False),
            "monitoring": instance.get("Monitoring", {}).get("State") == "enabled",
            "disableApiTermination": str(attribute("disableApiTermination")).lower() == "true",
            "instanceInitiatedShutdownBehavior": attribute("instanceInitiatedShutdownBehavior") or "stop",
            "instanceLifecycle": instance.get("InstanceLifecycle", ""),
            "instanceMarketOptions": known.get("instanceMarketOptions"),
            "launchTemplate": self._template(instance, known),
            "metadataOptions": {
                "httpEndpoint": metadata.get("HttpEndpoint"),
                "httpTokens": metadata.get("HttpTokens"),
                "httpPutResponseHopLimit": metadata.get("HttpPutResponseHopLimit"),
                "httpProtocolIpv6": metadata.get("HttpProtocolIpv6"),
                "instanceMetadataTags": metadata.get("InstanceMetadataTags"),
            },
            "capacityReservationSpecification": camel(instance.get("CapacityReservationSpecification")),
            "rootBlockDevice": root,
            "ebsBlockDevices": others,
            **self._user_data_as_known(data, known),
            "userDataReplaceOnChange": known.get("userDataReplaceOnChange", False),
            "volumeTags": known.get("volumeTags"),
            "arn": cloud.arn("ec2", f"instance/{identity}"),
            **tagged(instance),
        }

    @staticmethod
    def _user_data_as_known(data: str | None, known: Values) -> Values:
        """User data in the form in which it was declared."""
        if not data:
            return {"userData": None, "userDataBase64": None}
        if known.get("userDataBase64"):
            return {"userDataBase64": data}
        return {"userData": base64.b64decode(data).decode("utf-8", "replace")}

    @staticmethod
    def _template(instance: Values, known: Values) -> Values | None:
        """The template that the instance was made from, by the tags that EC2 puts on it."""
        tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
        if "aws:ec2launchtemplate:id" not in tags:
            return None
        version = (known.get("launchTemplate") or {}).get("version", tags["aws:ec2launchtemplate:version"])
        return {**(known.get("launchTemplate") or {}), "id": tags["aws:ec2launchtemplate:id"], "version": version}

    def _disks(self, cloud: Cloud, instance: Values, known: Values) -> tuple[Values | None, list[Values]]:
        wanted = {b["Ebs"]["VolumeId"]: b for b in instance.get("BlockDeviceMappings", [])}
        if not wanted:
            return None, []
        volumes = {v["VolumeId"]: v for v in cloud.ec2.describe_volumes(VolumeIds=list(wanted))["Volumes"]}
        declared = {disk["deviceName"] for disk in known.get("ebsBlockDevices") or []}
        root, others = None, []
        for identity, block in wanted.items():
            volume = volumes[identity]
            disk = {
                "deviceName": block["DeviceName"],
                "volumeId": identity,
                "volumeSize": volume["Size"],
                "volumeType": volume.get("VolumeType"),
                "iops": volume.get("Iops"),
                "throughput": volume.get("Throughput"),
                "encrypted": volume.get("Encrypted", False),
                "kmsKeyId": volume.get("KmsKeyId"),
                "deleteOnTermination": block["Ebs"].get("DeleteOnTermination", True),
                "tags": mapping(volume.get("Tags")) or None,
            }
            if block["DeviceName"] == instance.get("RootDeviceName") or len(wanted) == 1:
                root = disk
            else:
                others.append(disk)
        if declared:  # an attached volume of its own is not one of the machine's
            others = [disk for disk in others if disk["deviceName"] in declared]
        return root, sorted(others, key=lambda disk: str(disk["deviceName"]))

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """What EC2 changes on a machine that exists; size and user data stop and start it, as in AWS."""
        modify = cloud.ec2.modify_instance_attribute
        stopping = changed & {"instanceType", "userData", "userDataBase64", "ebsOptimized"}
        if stopping:
            cloud.ec2.stop_instances(InstanceIds=[identity])
            if "instanceType" in changed:
                modify(InstanceId=identity, InstanceType={"Value": new["instanceType"]})
            if "ebsOptimized" in changed:
                modify(InstanceId=identity, EbsOptimized={"Value": bool(new.get("ebsOptimized"))})
            if changed & {"userData", "userDataBase64"}:
                data = self._user_data(new) or b" "
                modify(InstanceId=identity, UserData={"Value": data.encode() if isinstance(data, str) else data})
            cloud.ec2.start_instances(InstanceIds=[identity])
        if "vpcSecurityGroupIds" in changed:
            modify(InstanceId=identity, Groups=new.get("vpcSecurityGroupIds") or [])
        if "sourceDestCheck" in changed:
            modify(InstanceId=identity, SourceDestCheck={"Value": new.get("sourceDestCheck", True)})
        if "disableApiTermination" in changed:
            modify(InstanceId=identity, DisableApiTermination={"Value": bool(new.get("disableApiTermination"))})
        if "instanceInitiatedShutdownBehavior" in changed:
            wanted = new.get("instanceInitiatedShutdownBehavior", "stop")
            modify(InstanceId=identity, InstanceInitiatedShutdownBehavior={"Value": wanted})
        if "metadataOptions" in changed:
            options = pascal(new.get("metadataOptions") or {})
            cloud.ec2.modify_instance_metadata_options(InstanceId=identity, **options)
        if "iamInstanceProfile" in changed:
            self._profile(cloud, identity, new.get("iamInstanceProfile"))
        if changed & {"rootBlockDevice", "ebsBlockDevices"}:
            self._change_disks(cloud, identity, new)
        unsupported = changed & {"capacityReservationSpecification", "monitoring", "volumeTags"}
        if unsupported:
            raise NotImplementedError(
                f"changing {', '.join(sorted(unsupported))} of a running instance is not emulated"
            )
        cloud.tag(identity, old.get("tags"), new.get("tags"))

    @staticmethod
    def _profile(cloud: Cloud, identity: str, name: str | None) -> None:
        wanted = [{"Name": "instance-id", "Values": [identity]}]
        found = cloud.ec2.describe_iam_instance_profile_associations(Filters=wanted)["IamInstanceProfileAssociations"]
        if found and name:
            association = found[0]["AssociationId"]
            cloud.ec2.replace_iam_instance_profile_association(
                IamInstanceProfile={"Name": name}, AssociationId=association
            )
        elif found:
            cloud.ec2.disassociate_iam_instance_profile(AssociationId=found[0]["AssociationId"])
        elif name:
            cloud.ec2.associate_iam_instance_profile(IamInstanceProfile={"Name": name}, InstanceId=identity)

    def _change_disks(self, cloud: Cloud, identity: str, new: Values) -> None:
        for disk, wanted in self._matched(self.read(cloud, identity, new) or {}, new):
            keys = (
                ("volumeSize", "Size"),
                ("volumeType", "VolumeType"),
                ("iops", "Iops"),
                ("throughput", "Throughput"),
            )
            change = {key: wanted[name] for name, key in keys if wanted.get(name) and wanted[name] != disk[name]}
            if change:
                cloud.ec2.modify_volume(VolumeId=disk["volumeId"], **change)
            if wanted.get("tags") is not None:
                cloud.tag(disk["volumeId"], disk["tags"], wanted["tags"])
            if wanted.get("deleteOnTermination") not in (None, disk["deleteOnTermination"]):
                setting = {
                    "DeviceName": disk["deviceName"],
                    "Ebs": {"DeleteOnTermination": wanted["deleteOnTermination"]},
                }
                cloud.ec2.modify_instance_attribute(InstanceId=identity, BlockDeviceMappings=[setting])

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """TerminateInstances; EC2 itself refuses it for an instance with termination protection."""
        cloud.ec2.terminate_instances(InstanceIds=[identity])


class LaunchTemplate(Ec2Kind):
    """What instances are launched from; every change is a new version."""

    token = "aws:ec2/launchTemplate:LaunchTemplate"
    data = names(
        "blockDeviceMappings capacityReservationSpecification ebsOptimized iamInstanceProfile imageId "
        "instanceInitiatedShutdownBehavior instanceMarketOptions instanceType keyName metadataOptions monitoring "
        "networkInterfaces placement tagSpecifications userData vpcSecurityGroupIds disableApiTermination"
    )
    inputs = data | names("name namePrefix description updateDefaultVersion defaultVersion region tags")
    replaces = names("name namePrefix region")
    computed = names("name namePrefix defaultVersion metadataOptions region")
    volatile = names("latestVersion defaultVersion")
    unordered = names("vpcSecurityGroupIds")
    autoname = ("name", "namePrefix", 128)

    def check(self, inputs: Values) -> list[tuple[Path, str]]:
        """User data is base64 here, unlike an instance's."""
        data = inputs.get("userData")
        if isinstance(data, str) and not re.fullmatch(r"[A-Za-z0-9+/\s]*={0,2}\s*", data):
            return [("userData", "must be base64")]
        return []

    def _data(self, inputs: Values) -> Values:
        found: Values = pascal({key: value for key, value in inputs.items() if key in self.data})
        return found

    item = "LaunchTemplate"
    noun = "launch-template"
    takes = fields("name=LaunchTemplateName description=VersionDescription")
    gives = fields("name=LaunchTemplateName latestVersion=LatestVersionNumber defaultVersion=DefaultVersionNumber")
    own = names("arn")

    def arguments(self, cloud: Cloud, inputs: Values) -> Values:
        """The machine's inputs."""
        return {"LaunchTemplateData": self._data(inputs)}

    def more(self, cloud: Cloud, identity: str, found: Values, known: Values) -> Values:
        """The newest version's data."""
        versions = cloud.ec2.describe_launch_template_versions(LaunchTemplateId=identity, Versions=["$Latest"])
        newest = versions["LaunchTemplateVersions"][0]
        declared = {key: known.get(key) for key in self.data if known.get(key) is not None}
        now = newest["LaunchTemplateData"]
        same = project(self._data(declared), now) == self._data(declared)
        data = declared if same else project(declared, camel(now))
        return {
            **data,
            "description": newest.get("VersionDescription") or None,
            "updateDefaultVersion": known.get("updateDefaultVersion"),
        }

    def change(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """CreateLaunchTemplateVersion, made the default when that was asked for."""
        if changed & (self.data | {"description"}):
            made = cloud.ec2.create_launch_template_version(
                LaunchTemplateId=identity,
                LaunchTemplateData=self._data(new),
                **given(VersionDescription=new.get("description")),
            )
            if new.get("updateDefaultVersion"):
                number = str(made["LaunchTemplateVersion"]["VersionNumber"])
                cloud.ec2.modify_launch_template(LaunchTemplateId=identity, DefaultVersion=number)
        if "defaultVersion" in changed and new.get("defaultVersion"):
            cloud.ec2.modify_launch_template(LaunchTemplateId=identity, DefaultVersion=str(new["defaultVersion"]))


class PlacementGroup(Ec2Kind):
    """How near to each other machines are; moto has none, `local/fakes/ec2/extensions.py` adds them."""

    token = "aws:ec2/placementGroup:PlacementGroup"
    inputs = names("name strategy partitionCount spreadLevel region tags")
    replaces = names("name strategy partitionCount spreadLevel region")
    computed = names("name partitionCount spreadLevel region")
    autoname = ("name", "", 255)

    item, key, named = "PlacementGroup", "GroupName", "name"  # the id is the name, as in the real provider
    noun = "placement-group"
    takes = fields("name=GroupName strategy partitionCount spreadLevel")
    gives = fields("name=GroupName strategy placementGroupId=GroupId")
    may_give = {"partitionCount": 0, "spreadLevel": ""}
    own = names("arn")

    def tag_target(self, identity: str, state: Values) -> str:
        """Tags hang on the id, not on the name."""
        return str(state["placementGroupId"])


class CapacityReservation(Ec2Kind):
    """Machines kept free for us; moto has none, `local/fakes/ec2/extensions.py` adds them."""

    token = "aws:ec2/capacityReservation:CapacityReservation"
    inputs = names(
        "availabilityZone instanceCount instancePlatform instanceType ebsOptimized endDateType "
        "instanceMatchCriteria tenancy region tags"
    )
    replaces = names("availabilityZone instancePlatform instanceType ebsOptimized instanceMatchCriteria tenancy region")
    computed = names("region")
    defaults = {
        "endDateType": "unlimited",
        "instanceMatchCriteria": "open",
        "tenancy": "default",
        "ebsOptimized": False,
    }

    item = "CapacityReservation"
    noun = "capacity-reservation"
    verbs = {"delete": "cancel"}
    gives = fields("availabilityZone instanceCount=TotalInstanceCount instancePlatform instanceType")
    may_give = {"ebsOptimized": False, "endDateType": None, "instanceMatchCriteria": None, "tenancy": None}

    def arguments(self, cloud: Cloud, inputs: Values) -> Values:
        """All inputs."""
        return dict(pascal({k: v for k, v in inputs.items() if k not in ("region", "tags")}))

    def change(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Count, end."""
        if changed & {"instanceCount", "endDateType"}:
            cloud.ec2.modify_capacity_reservation(
                CapacityReservationId=identity,
                InstanceCount=new["instanceCount"],
                EndDateType=new.get("endDateType", "unlimited"),
            )


class Volume(Ec2Kind):
    """A disk of its own."""

    token = "aws:ebs/volume:Volume"
    inputs = names("availabilityZone encrypted iops kmsKeyId size snapshotId throughput type region tags")
    replaces = names("availabilityZone encrypted kmsKeyId snapshotId region")
    computed = names("encrypted iops kmsKeyId size snapshotId throughput type region")

    item = "Volume"
    noun = "volume"
    takes = fields("availabilityZone size iops throughput encrypted kmsKeyId snapshotId")
    gives = fields("availabilityZone size")
    may_give = {
        "type=VolumeType": None,
        "iops": 0,
        "throughput": 0,
        "encrypted": False,
        "kmsKeyId": "",
        "snapshotId": "",
    }
    own = names("arn")

    def arguments(self, cloud: Cloud, inputs: Values) -> Values:
        """The type; EC2's own default, as the real provider leaves it."""
        return {"VolumeType": inputs.get("type", "gp2")}

    def more(self, cloud: Cloud, identity: str, found: Values, known: Values) -> Values:
        """When it was made."""
        return {"createTime": found["CreateTime"].isoformat()}

    def change(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """ModifyVolume."""
        keys = fields("size type=VolumeType iops throughput")
        change = {key: new[name] for name, key in keys.items() if name in changed and new.get(name)}
        if change:
            cloud.ec2.modify_volume(VolumeId=identity, **change)


class VolumeAttachment(Kind):
    """A volume at a machine."""

    token = "aws:ec2/volumeAttachment:VolumeAttachment"
    inputs = names("deviceName instanceId volumeId forceDetach skipDestroy stopInstanceBeforeDetaching region")
    replaces = names("deviceName instanceId volumeId region")
    computed = names("region")

    def create(self, cloud: Cloud, inputs: Values) -> str:
        """AttachVolume."""
        cloud.ec2.attach_volume(
            Device=inputs["deviceName"], InstanceId=inputs["instanceId"], VolumeId=inputs["volumeId"]
        )
        return f"vai-{inputs['volumeId'].removeprefix('vol-')}"

    def read(self, cloud: Cloud, identity: str, known: Values) -> Values | None:
        """The attachment in DescribeVolumes."""
        volume = cloud.first("describe_volumes", "Volumes", VolumeIds=[known["volumeId"]]) or {}
        for attachment in volume.get("Attachments", []):
            if attachment["InstanceId"] == known["instanceId"]:
                where = {"deviceName": attachment["Device"], "instanceId": attachment["InstanceId"]}
                return {**where, "volumeId": known["volumeId"], "forceDetach": known.get("forceDetach")}
        return None

    def update(self, cloud: Cloud, identity: str, old: Values, new: Values, changed: set[str]) -> None:
        """Only how it is detached one day can change without a replacement."""

    def delete(self, cloud: Cloud, identity: str, known: Values) -> None:
        """DetachVolume."""
        if not known.get("skipDestroy"):
            cloud.ec2.detach_volume(VolumeId=known["volumeId"], InstanceId=known["instanceId"])
