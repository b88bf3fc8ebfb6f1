"""Make the machines: plain, named instances, so that one can be repaired or replaced without the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.config.layout import Group, Layout
from infra.config.model import Disk
from infra.userdata import user_data

DATA_DEVICE = "/dev/sdf"


@dataclass(frozen=True)
class Node:
    """One machine, as it is in the inventory."""

    name: str
    index: int
    group: Group
    instance: aws.ec2.Instance


class NodeGroup(pulumi.ComponentResource):
    """The machines of one group, with what they share: image, placement and, for EFA, a launch template."""

    nodes: list[Node]

    def __init__(
        self,
        name: str,
        layout: Layout,
        group: Group,
        subnet: pulumi.Input[str],
        security_group: pulumi.Input[str],
        profile: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("lockstep:infra:NodeGroup", name, None, opts)
        self._name, self._layout, self._group = name, layout, group
        self._subnet, self._security_group, self._profile = subnet, security_group, profile
        self._opts = pulumi.ResourceOptions(parent=self, protect=group.protect)
        spec = group.spec
        image: pulumi.Input[str] = group.ami
        if not group.pinned:
            image = aws.ssm.get_parameter_output(name=group.ami, opts=pulumi.InvokeOutputOptions(parent=self)).value
        placement = self._placement() if spec.placement != "none" else None
        template = self._template() if spec.efa else None
        data = user_data(layout.cluster.host, spec.storage, layout.keys)
        self.nodes = [
            Node(host, index, group, self._instance(host, image, data, placement, template))
            for index, host in enumerate(group.hosts, 1)
        ]
        self.register_outputs({"hosts": list(group.hosts)})

    def _tags(self, name: str) -> dict[str, str]:
        group = self._group
        own = {"Name": name, "lockstep:tier": group.tier, "lockstep:group": group.name}
        return self._layout.tags(**{**group.spec.tags, **own})

    def _placement(self) -> aws.ec2.PlacementGroup:
        what = f"{self._name}-{self._group.spec.placement}"
        strategy = self._group.spec.placement
        return aws.ec2.PlacementGroup(what, strategy=strategy, tags=self._tags(what), opts=self._opts)

    def _template(self) -> aws.ec2.LaunchTemplate:
        """Make a launch template with an adapter for each network card; only a template can request them."""
        cards = [
            aws.ec2.LaunchTemplateNetworkInterfaceArgs(
                network_card_index=card,
                device_index=0 if card == 0 else 1,
                # the first also carries ordinary traffic; the others take no address of the subnet
                interface_type="efa" if card == 0 else "efa-only",
                subnet_id=self._subnet,
                security_groups=[self._security_group],
                delete_on_termination="true",
                associate_public_ip_address="true" if self._group.spec.public else None,
            )
            for card in range(self._group.spec.efa)
        ]
        return aws.ec2.LaunchTemplate(
            f"{self._name}-efa",
            description=f"Network cards of {self._name}",
            network_interfaces=cards,
            update_default_version=True,
            tags=self._tags(f"{self._name}-efa"),
            opts=self._opts,
        )

    def _instance(
        self,
        host: str,
        image: pulumi.Input[str],
        data: str,
        placement: aws.ec2.PlacementGroup | None,
        template: aws.ec2.LaunchTemplate | None,
    ) -> aws.ec2.Instance:
        group, spec = self._group, self._group.spec
        # A newer image behind a parameter, or a newer script, must not touch a machine that runs: the one would replace
        # it, the other would stop and start it, and for nothing, since cloud-init runs once.
        ignored = ["userData"] if group.pinned else ["userData", "ami"]
        opts = pulumi.ResourceOptions(
            ignore_changes=ignored,
            # AWS fixes the network cards at launch, so a different number of them replaces the machine
            replace_on_changes=["launchTemplate"] if template else None,
        )
        return aws.ec2.Instance(
            host,
            ami=image,
            instance_type=spec.instance_type,
            iam_instance_profile=self._profile,
            # with a template, its network cards say these, and AWS takes them in one place only
            subnet_id=None if template else self._subnet,
            vpc_security_group_ids=None if template else [self._security_group],
            associate_public_ip_address=None if template else spec.public,
            launch_template=aws.ec2.InstanceLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            )
            if template
            else None,
            placement_group=placement.name if placement else None,
            instance_market_options=self._market(),
            capacity_reservation_specification=self._reservation(),
            metadata_options=aws.ec2.InstanceMetadataOptionsArgs(
                http_endpoint="enabled",
                http_tokens="required",  # IMDSv2
                http_put_response_hop_limit=1,  # containers on the host do not get its role
                instance_metadata_tags="disabled",
            ),
            root_block_device=aws.ec2.InstanceRootBlockDeviceArgs(**self._disk(spec.root_disk, f"{host}-root")),
            ebs_block_devices=[self._data_disk(spec.data_disk, f"{host}-data")] if spec.data_disk else None,
            disable_api_termination=group.protect,
            user_data=data,
            tags=self._tags(host),
            opts=pulumi.ResourceOptions.merge(self._opts, opts),
        )

    def _data_disk(self, disk: Disk, name: str) -> aws.ec2.InstanceEbsBlockDeviceArgs:
        return aws.ec2.InstanceEbsBlockDeviceArgs(device_name=DATA_DEVICE, **self._disk(disk, name))

    def _disk(self, disk: Disk, name: str) -> dict[str, Any]:
        return {
            "volume_type": "gp3",
            "volume_size": disk.size_gb,
            "throughput": disk.throughput,
            "iops": disk.iops,
            "encrypted": True,
            "kms_key_id": self._layout.cluster.kms_key,
            "delete_on_termination": True,  # it holds environments, which the locks make again
            "tags": self._tags(name),
        }

    def _market(self) -> aws.ec2.InstanceInstanceMarketOptionsArgs | None:
        capacity = self._group.spec.capacity
        if capacity.mode == "block":
            return aws.ec2.InstanceInstanceMarketOptionsArgs(market_type="capacity-block")
        if capacity.mode != "spot":
            return None
        return aws.ec2.InstanceInstanceMarketOptionsArgs(
            market_type="spot",
            spot_options=aws.ec2.InstanceInstanceMarketOptionsSpotOptionsArgs(
                spot_instance_type="one-time",
                instance_interruption_behavior="terminate",
                max_price=capacity.max_price,
            ),
        )

    def _reservation(self) -> aws.ec2.InstanceCapacityReservationSpecificationArgs | None:
        capacity = self._group.spec.capacity
        if capacity.mode in ("reservation", "block"):
            return aws.ec2.InstanceCapacityReservationSpecificationArgs(
                capacity_reservation_target=aws.ec2.InstanceCapacityReservationSpecificationCapacityReservationTargetArgs(
                    capacity_reservation_id=capacity.id
                )
            )
        return None
