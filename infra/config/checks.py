"""Check the keys of a cluster against each other. Each check adds every mistake that it finds."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from infra.userdata import LIMIT, user_data

from .layout import ARCHITECTURES, SSM_POLICY, has_own_disks, host_names, platform_of, zones_available, zones_of
from .model import Cluster, Disk, NodeGroup
from .problems import Problems, join, shown

AWS_KEEPS = 5  # addresses of every subnet that AWS keeps for itself
SPREAD_LIMIT = 7  # machines of a spread placement group in one zone
TAG_LIMIT = 40  # of AWS's 50, to leave room for those that the program adds
PRIVATE = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
HOST = r"[a-z][a-z0-9-]*"  # as the inventory's schema takes them
ANSIBLES = ("all", "ungrouped", "localhost")  # names that mean something else to Ansible, whose groups tiers become
SHARED = ("/home", "/media", "/mnt", "/opt", "/srv")  # what is in them is not the fleet's alone
SYSTEM = ("/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/root", "/run", "/sbin", "/sys", "/usr", "/tmp", "/var")
WRONG_CHIP = {"linux-64": r"(?<![a-z0-9])(arm64|aarch64)(?![a-z0-9])", "linux-aarch64": r"(x86_64|amd64)"}


def check(cluster: Cluster, stack: str, region: str, keys: list[str], problems: Problems) -> None:
    """Add every mistake to `problems`.

    A mistake names the keys that it was concluded from: where one of those is wrong already, it is left out.

    :param keys: public keys that may log in, those from files included
    """
    _network(cluster, region, problems)
    _access(cluster, keys, problems)
    _host(cluster, keys, problems)
    _tags(cluster.tags, "tags", problems)
    if cluster.tier in ANSIBLES:
        problems.add("tier", *_taken(cluster.tier))
    if cluster.kms_key and f":kms:{region}:" not in cluster.kms_key:
        remedy = "Name a key of the region that the stack is in"
        problems.add("kms_key", f"is not a key of {region}", remedy, "aws:region")
    if cluster.host_prefix is None and not re.fullmatch(HOST, stack):
        what = f"is missing, and the stack's name {stack} cannot begin the names of hosts"
        problems.add("host_prefix", what, "Set it, in lower-case letters, digits and dashes, such as dev-")
    if not cluster.groups:
        problems.add("groups", "names no machines", "Add one, such as train: {instance_type: g6.xlarge, count: 1}")
    for name, group in cluster.groups.items():
        _group(cluster, name, group, stack, problems)
    _room(cluster, problems)


def _taken(tier: str) -> tuple[str, str]:
    return f"is {tier}, which means something else to Ansible", "Choose another name, such as dev"


def ipv4(text: str) -> ipaddress.IPv4Network | str:
    """Parse an IPv4 network, or tell why it is none."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError as error:
        return str(error)
    return found if isinstance(found, ipaddress.IPv4Network) else "is IPv6, and machines have IPv4 addresses only"


def _network(cluster: Cluster, region: str, problems: Problems) -> None:
    network = cluster.network
    if bool(network.cidr) == bool(network.vpc_id):
        what = "are both set" if network.cidr else "are both missing"
        remedy = "Set cidr (and zones) for a network of its own, or vpc_id (and private_subnets) for one that exists"
        problems.add("network", f"cidr and vpc_id {what}", remedy)
        return
    if network.cidr:
        _new_network(cluster, region, problems)
    else:
        _existing_network(cluster, region, problems)
    if network.egress == "none" and cluster.access.ssm and not network.vpc_id:
        remedy = "Set network.egress to endpoints, or access.ssm to false and use ssh from inside"
        problems.add("network.egress", "is none, but SSM (access.ssm) cannot be reached then", remedy, "access.ssm")


def _new_network(cluster: Cluster, region: str, problems: Problems) -> None:
    network = cluster.network
    assert network.cidr is not None
    found = ipv4(network.cidr)
    if isinstance(found, str):
        problems.add("network.cidr", f"is no IPv4 network: {found}", "Write one like 10.20.0.0/16")
    elif not any(found.subnet_of(private) for private in PRIVATE):
        problems.add("network.cidr", f"{found} is not a private range", "Take one of 10.0.0.0/8 or 172.16.0.0/12")
    elif not 16 <= found.prefixlen <= 22:
        problems.add(
            "network.cidr", f"is a /{found.prefixlen}", "Take a /16 to /22: AWS allows no more, subnets need no less"
        )
    elif str(found) != network.cidr:
        problems.add("network.cidr", f"is {network.cidr}, which AWS does not read", f"Write it as {found}")
    if not network.zones:
        problems.add("network.zones", "is empty", f"Name one or more, such as {region}a")
    if len(network.zones) > 6:
        problems.add("network.zones", f"names {len(network.zones)} zones", "Name at most 6")
    _once("network.zones", network.zones, problems)
    for number, zone in enumerate(network.zones):
        _in_region(zone, region, f"network.zones[{number}]", problems)
    for name in ("private_subnets", "public_subnets", "route_tables"):
        if getattr(network, name):
            remedy = "Leave it out: the new network makes its own; it belongs to vpc_id"
            problems.add(f"network.{name}", "is set for a network that does not exist yet", remedy)


def _existing_network(cluster: Cluster, region: str, problems: Problems) -> None:
    network = cluster.network
    if network.zones:
        problems.add("network.zones", "is set for an existing network", "Leave it out: the subnets name the zones")
    if network.egress not in (None, "none"):
        remedy = "Leave it out: its routes are its owner's"
        problems.add("network.egress", f"is {network.egress} for an existing network", remedy)
    if not network.private_subnets and not network.public_subnets:
        remedy = f"Map a zone to a subnet, such as {region}a: subnet-0123456789abcdef0"
        problems.add("network.private_subnets", "is empty", remedy)
    for key in ("private_subnets", "public_subnets"):
        for zone in getattr(network, key):
            _in_region(zone, region, join(("network", key, zone)), problems)
    _once("network.route_tables", network.route_tables, problems)


def _once(path: str, names: Iterable[object], problems: Problems) -> None:
    """Refuse what is named twice: each becomes a resource, and Pulumi would fail after it made some of them."""
    for name, times in Counter(names).items():
        if times > 1:
            problems.add(path, f"names {name} {times} times", "Name each once")


def _in_region(zone: str, region: str, path: str, problems: Problems) -> None:
    if not zone.startswith(region):
        remedy = f"Name a zone like {region}a, or change aws:region"
        problems.add(path, f"{zone} is not in {region}", remedy, "aws:region")


def _access(cluster: Cluster, keys: list[str], problems: Problems) -> None:
    access = cluster.access
    for number, text in enumerate(access.ssh_from):
        path, found = f"access.ssh_from[{number}]", ipv4(text)
        if isinstance(found, str):
            problems.add(
                path, f"{shown(text)}: {found}", "Write an IPv4 network like 10.8.0.0/16, with no host bits set"
            )
        elif found.prefixlen < 8:
            what = (
                "opens ssh to the world"
                if found.prefixlen == 0
                else f"is /{found.prefixlen}, a large part of the world"
            )
            problems.add(
                path, f"{text} {what}", "Name your office's or VPN's network, or use SSM (access.ssm), which needs none"
            )
    _once("access.ssh_from", [found for text in access.ssh_from if not isinstance(found := ipv4(text), str)], problems)
    _once("access.egress_ports", access.egress_ports, problems)
    _once("access.policies", [arn.rsplit("/", 1)[1] for arn in access.policies], problems)
    if access.ssm and any(arn.endswith(f"/{SSM_POLICY}") for arn in access.policies):
        problems.add("access.policies", f"names {SSM_POLICY}, which access.ssm brings", "Leave it out")
    connection = access.connection or ("ssm" if access.ssm else "private")
    if connection == "ssm" and not access.ssm:
        problems.add(
            "access.connection",
            "is ssm, but access.ssm is false",
            "Set access.ssm to true, or connect by private",
            "access.ssm",
        )
    if connection in ("private", "public") and not access.ssh_from:
        remedy = "Name the network that Ansible runs in, or set access.connection to ssm"
        what = f"is empty, so Ansible cannot connect by {connection} addresses"
        problems.add("access.ssh_from", what, remedy, "access.connection", "access.ssm")
    if connection == "public":
        for name, group in cluster.groups.items():
            if not group.public:
                remedy = "Set it to true, or connect by ssm or private"
                problems.add(f"groups.{name}.public", "is false, but access.connection is public", remedy)
    if not keys:
        remedy = "Add the public keys of those who run Ansible (access.ssh_keys or access.ssh_key_files)"
        what = "is empty, so Ansible could not log in, not even through SSM"
        problems.add("access.ssh_keys", what, remedy, "access.ssh_key_files")


def _host(cluster: Cluster, keys: list[str], problems: Problems) -> None:
    host = cluster.host
    if host.user == "root":
        problems.add("host.user", "is root, but Lockstep runs as an ordinary user", "Name one, such as ml")
    if any(host.root == folder or host.root.startswith(folder + "/") for folder in SYSTEM):
        problems.add(
            "host.root",
            f"{host.root} is among the system's own folders",
            "Take one like /opt/lockstep or /srv/lockstep",
        )
    if host.root in SHARED:
        remedy = "Take a folder of its own, like /opt/lockstep or /srv/lockstep: it is given to host.user whole"
        problems.add("host.root", f"{host.root} holds what others put there", remedy)
    if ".." in host.root.split("/") or "." in host.root.split("/"):
        problems.add("host.root", "has . or .. in it", "Write the plain path")
    size = len(user_data(host, "instance-store", tuple(keys)).encode())
    if size > LIMIT:
        what = f"make user data of {size} bytes; EC2 takes {LIMIT}"
        problems.add("access.ssh_keys", f"{len(keys)} keys {what}", "Name fewer, or bake them into your AMI")


def _tags(tags: dict[str, str], path: str, problems: Problems) -> None:
    if len(tags) > TAG_LIMIT:
        problems.add(path, f"has {len(tags)} tags", f"Keep to {TAG_LIMIT}: AWS takes 50, and the program adds its own")
    for name, value in tags.items():
        here = join((path, name))
        if name == "Name" or name.startswith(("lockstep:", "aws:")) or name == "managed-by":
            problems.add(here, "is a tag that AWS or Lockstep sets itself", "Choose another name")
        elif not 1 <= len(name) <= 128 or len(value) > 256:
            problems.add(here, "is longer than AWS takes", "Keep names to 128 and values to 256 characters")


def _group(cluster: Cluster, name: str, group: NodeGroup, stack: str, problems: Problems) -> None:
    path = f"groups.{name}"
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        problems.add(
            path, "cannot be a group's name", "Use lower-case letters, digits and single dashes, such as train"
        )
    prefix = f"{stack}-" if cluster.host_prefix is None else cluster.host_prefix
    longest = max(host_names(prefix, name, group.count or 1), key=len)
    if len(longest) > 63:
        problems.add(
            path, f"gives the host name {longest}, over 63 characters", "Shorten the group's name or host_prefix"
        )
    if group.tier in ANSIBLES:
        problems.add(f"{path}.tier", *_taken(group.tier))
    zones = zones_available(cluster, group.public)
    kind = "public" if group.public else "private"
    places = "network.zones" if cluster.network.cidr else f"network.{kind}_subnets"
    reads = (places, "network.cidr", "network.vpc_id", f"{path}.public")
    if group.zone and group.zone not in zones:
        what, remedy = f"{group.zone} is not in {places}", f"Add it there, or use {', '.join(zones) or 'none'}"
        problems.add(f"{path}.zone", what, remedy, *reads)
    elif not zones and cluster.network.vpc_id and not cluster.network.cidr:
        what = f"is {str(group.public).lower()}, but the network has no {kind} subnet"
        problems.add(f"{path}.public", what, f"Map a zone to one in network.{kind}_subnets", *reads)
    _capacity(path, group, group.zone or (zones[0] if zones else None), reads, problems)
    _fabric(path, group, problems)
    _chip(path, group, problems)
    _disk(f"{path}.root_disk", group.root_disk, problems)
    if group.data_disk:
        _disk(f"{path}.data_disk", group.data_disk, problems)
    if group.storage == "data" and not group.data_disk:
        problems.add(
            f"{path}.data_disk", "is missing, but storage is data", "Add it, such as {size_gb: 500}", f"{path}.storage"
        )
    if group.data_disk and group.storage != "data":
        problems.add(
            f"{path}.storage",
            f"is {group.storage}, so data_disk would lie empty",
            "Set it to data, or leave data_disk out",
        )
    if group.storage == "instance-store" and has_own_disks(group.instance_type) is False:
        remedy = "Choose a type that has them (such as g6.xlarge, p5.48xlarge), or storage: data"
        what = f"is instance-store, but {group.instance_type} has no disks of its own"
        problems.add(f"{path}.storage", what, remedy, f"{path}.instance_type")
    _tags(group.tags, f"{path}.tags", problems)


def _capacity(path: str, group: NodeGroup, zone: str | None, reads: tuple[str, ...], problems: Problems) -> None:
    capacity, here = group.capacity, f"{path}.capacity"
    mode = f"{here}.mode"
    if capacity.mode in ("reservation", "block"):
        if not capacity.id:
            remedy = "Give its id: Lockstep reserves and buys nothing"
            problems.add(f"{here}.id", f"is missing for mode {capacity.mode}", remedy)
        if not capacity.zone:
            remedy = "Say which zone it is in, so that it can be checked"
            problems.add(f"{here}.zone", f"is missing for mode {capacity.mode}", remedy)
        elif zone and capacity.zone != zone:
            remedy = f"Set {path}.zone to {capacity.zone}, or use a reservation in {zone}"
            what = f"is {capacity.zone}, but the group is in {zone}"
            problems.add(f"{here}.zone", what, remedy, f"{path}.zone", *reads)
    elif capacity.id or capacity.zone:
        named = "id" if capacity.id else "zone"
        remedy = "Set mode to reservation or block, or leave it out"
        problems.add(f"{here}.{named}", f"names a reservation, which {capacity.mode} does not use", remedy, mode)
    if capacity.max_price and capacity.mode != "spot":
        remedy = "Leave it out, or set mode to spot"
        problems.add(f"{here}.max_price", f"is for spot, but mode is {capacity.mode}", remedy, mode)


def _fabric(path: str, group: NodeGroup, problems: Problems) -> None:
    if group.efa and group.placement != "cluster" and group.capacity.mode != "block":
        remedy = "Set it to cluster: adapters are of no use across a data center"
        problems.add(
            f"{path}.placement", f"is {group.placement}, but efa is {group.efa}", remedy, f"{path}.capacity.mode"
        )
    if group.efa > 1 and group.public:
        what = "is true, but AWS gives no public address to machines with several adapters"
        problems.add(f"{path}.public", what, "Set public to false; reach them by SSM or from inside")
    if group.placement == "spread" and group.count > SPREAD_LIMIT:
        remedy = f"Keep count to {SPREAD_LIMIT}, or choose none or cluster"
        problems.add(f"{path}.count", f"is {group.count}, but AWS spreads at most {SPREAD_LIMIT} in a zone", remedy)
    if re.match(r"t\d", group.instance_type) and (group.efa or group.placement == "cluster"):
        what = f"{group.instance_type} takes neither efa nor placement: cluster"
        problems.add(f"{path}.instance_type", what, "Choose a type with a network of its own, or leave both out")


def _chip(path: str, group: NodeGroup, problems: Problems) -> None:
    real, kind = platform_of(group.instance_type), f"{path}.instance_type"
    if group.platform and group.platform != real:
        what = f"is {group.platform}, but {group.instance_type} is {real}"
        problems.add(f"{path}.platform", what, "Leave it out, or choose another instance_type", kind)
    elif group.ami and re.search(WRONG_CHIP[real], group.ami):
        what = f"{group.ami} is not for {real}, which {group.instance_type} is"
        problems.add(f"{path}.ami", what, f"Name the one for {ARCHITECTURES[real]}", kind)


def _disk(path: str, disk: Disk, problems: Problems) -> None:
    if disk.throughput * 4 > disk.iops:
        remedy = f"Set iops to {disk.throughput * 4} or more, or throughput to {disk.iops // 4} or less"
        problems.add(f"{path}.throughput", f"is {disk.throughput} MiB/s, over a quarter of {disk.iops} iops", remedy)
    if disk.iops > max(3000, disk.size_gb * 500):
        remedy = f"Set size_gb to {-(-disk.iops // 500)} or more, or iops lower"
        problems.add(f"{path}.iops", f"is {disk.iops}, over 500 for each of {disk.size_gb} GiB", remedy)


def _room(cluster: Cluster, problems: Problems) -> None:
    for cidr, group_names, needed in _demand(cluster):
        have = ipaddress.IPv4Network(cidr).num_addresses - AWS_KEEPS
        if needed > have:
            what = f"want {needed} addresses of {cidr}, which has {have}"
            remedy = "Take a larger network, or another zone for one"
            reads = [f"groups.{name}.{key}" for name in group_names for key in ("zone", "public")]
            problems.add("network.cidr", f"groups {', '.join(group_names)} {what}", remedy, "network.zones", *reads)


def _demand(cluster: Cluster) -> Iterator[tuple[str, list[str], int]]:
    """Give each new subnet with the groups in it and how many machines they want."""
    network = cluster.network
    if not network.cidr or isinstance(ipv4(network.cidr), str) or not 0 < len(network.zones) <= 6:
        return
    if not 16 <= ipaddress.IPv4Network(network.cidr).prefixlen <= 22:
        return
    for zone in zones_of(network.cidr, network.zones):
        for public, cidr in ((False, zone.private_cidr), (True, zone.public_cidr)):
            here = {
                name: group.count
                for name, group in cluster.groups.items()
                if group.public == public and (group.zone or network.zones[0]) == zone.name
            }
            if here:
                yield cidr, list(here), sum(here.values())
