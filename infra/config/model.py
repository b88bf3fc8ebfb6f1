"""Every key of a stack's configuration: its type, its limits, its default and, as its docstring, its meaning.

The messages of `infra.config.read`, the schema for editors and the reference page are generated from these models.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

SSH_KEY = (
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|"
    r"sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]+=*( [A-Za-z0-9@._+=:,/-]+)?"
)


def _flag(value: object) -> object:
    """Take `true` and `false` as text too: `pulumi config set` stores a top-level value as text."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _whole(value: object) -> object:
    """Take a whole number as text or with `.0` too."""
    if isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value):
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _form(pattern: str, example: str, words: str = "") -> Any:
    """Return a field for text that fits a pattern as a whole.

    :param example: a value that fits; it also replaces a wrong value while the other keys are checked
    :param words: what to write, if `it like <example>` does not say it
    """
    extra: dict[str, Any] = {"patternErrorMessage": f"Write {words or f'it like {example}'}."}
    return Field(pattern=f"^({pattern})$" if pattern else None, examples=[example], json_schema_extra=extra)


def _left_out(words: str, default: Any = None) -> Any:
    """Return a field whose default is computed or has many parts; `words` describe it."""
    return Field(default, json_schema_extra={"x-default": words})


Flag = Annotated[bool, BeforeValidator(_flag)]
WHOLE = BeforeValidator(_whole)
Name = Annotated[str, _form("[a-z][a-z0-9]*(-[a-z0-9]+)*", "prod")]
Zone = Annotated[str, _form("[a-z]{2}(-[a-z]+)+-[0-9]+(-[a-z]+-[0-9]+)?[a-z]", "us-east-1a")]
Subnet = Annotated[str, _form("subnet-[0-9a-f]{8,17}", "subnet-0123abcd")]
Policy = Annotated[
    str, _form("arn:aws[a-z-]*:iam::(aws|[0-9]{12}):policy/.+", "arn:aws:iam::aws:policy/X", "the ARN of a policy")
]
KmsKey = Annotated[
    str,
    _form(
        "arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/.+",
        "arn:aws:kms:us-east-1:123456789012:key/x",
        "the ARN of a KMS key",
    ),
]
Ami = Annotated[
    str,
    _form(
        "ami-[0-9a-f]{8,17}|/[A-Za-z0-9_./-]+",
        "ami-0123abcd",
        "an ami-... id, or a parameter's name that begins with /",
    ),
]
Price = Annotated[str, _form(r"[0-9]+(\.[0-9]{1,5})?", "12.5", "dollars as a quoted number, like '12.5'")]
PublicKey = Annotated[str, _form(SSH_KEY, "ssh-ed25519 AAAA name", "one line like `ssh-ed25519 AAAA... name`")]
Folder = Annotated[
    str,
    _form(
        "(/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)+", "/opt/lockstep", "an absolute path under 80 characters, without spaces"
    ),
    Field(max_length=79),
]
Prefix = Annotated[
    str, _form("([a-z][a-z0-9]*(-[a-z0-9]+)*-)?", "dev-", "letters, digits and a dash at the end, or empty")
]


class Section(BaseModel):
    """A mapping of keys, validated as a whole: every mistake is an error, unknown keys too."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, data: object) -> object:
        """Treat a known key without a value as missing."""
        if not isinstance(data, Mapping):
            return data
        return {name: value for name, value in data.items() if value is not None or name not in cls.model_fields}


class Disk(Section):
    """An encrypted gp3 volume."""

    size_gb: Annotated[int, Field(ge=8, le=65536), WHOLE] = 100
    """Size in GiB."""
    throughput: Annotated[int, Field(ge=125, le=2000), WHOLE] = 125
    """MiB/s. At most a quarter of `iops`; 125 costs nothing extra."""
    iops: Annotated[int, Field(ge=3000, le=80000), WHOLE] = 3000
    """Operations a second. At most 500 for each GiB; 3000 cost nothing extra."""


class Capacity(Section):
    """How the machines of a group are paid for."""

    mode: Literal["on-demand", "spot", "reservation", "block"] = "on-demand"
    """`on-demand`; `spot`; `reservation`: an On-Demand Capacity Reservation that you have; `block`: a Capacity Block
    that you have bought. Lockstep never buys one."""
    id: Annotated[str, _form("cr-[0-9a-f]{8,17}", "cr-0123456789abcdef0")] | None = None
    """The reservation's or block's id."""
    zone: Zone | None = None
    """The zone that the reservation or block is in; the group must be there too."""
    max_price: Price | None = _left_out("the on-demand price")
    """The most to pay for an hour of spot, in dollars."""


class NodeGroup(Section):
    """Machines of one kind. They are named by the group and an index, and keep their names when others come or go."""

    instance_type: Annotated[str, _form(r"[a-z0-9-]+\.[a-z0-9-]+", "p5.48xlarge")]
    """EC2's name of the machine type."""
    count: Annotated[int, Field(ge=0, le=1000), WHOLE] = 1
    """How many. Lowering it removes the machines with the highest indexes."""
    tier: Name | None = _left_out("the stack's `tier`")
    """The tier whose locks these hosts hold."""
    platform: Literal["linux-64", "linux-aarch64"] | None = _left_out("by the machine type")
    """The conda platform."""
    zone: Zone | None = _left_out("the first zone")
    """The availability zone of all its machines."""
    public: Flag = False
    """Whether the machines get public addresses, in public subnets."""
    ami: Ami | None = _left_out("AWS's current Deep Learning Base AMI (Ubuntu 22.04) for the platform")
    """An AMI's id, pinned: changing it replaces the machines. Or the name of a public SSM parameter, read when a
    machine is made: a newer AMI behind it never touches a machine that runs."""
    capacity: Capacity = _left_out("on-demand", Capacity())
    """How they are paid for."""
    efa: Annotated[int, Field(ge=0, le=64), WHOLE] = 0
    """Elastic Fabric Adapters on each machine, one for each network card to be used (p5.48xlarge has 32, p5en.48xlarge
    16, p4d.24xlarge 4)."""
    placement: Literal["none", "cluster", "spread"] = "none"
    """`cluster` packs the machines closely, which EFA wants; `spread` keeps them on separate hardware, at most 7 in a
    group."""
    root_disk: Disk = _left_out("100 GiB, 125 MiB/s, 3000 IOPS", Disk())
    """The disk that the machine boots from."""
    storage: Literal["root", "data", "instance-store"] = "root"
    """Where `host.root` lives: on the `root` disk; on a `data` disk of its own; or on the machine's own NVMe disks
    (`instance-store`), the fastest, which are empty again after each stop: site.yml then fills them."""
    data_disk: Disk | None = None
    """The data disk, with `storage: data`. Changing it replaces machines."""
    tags: dict[str, str] = {}
    """Further tags for these machines."""


class Network(Section):
    """A network of its own, or one that exists."""

    cidr: Annotated[str, _form("", "10.20.0.0/16"), Field(max_length=40)] | None = None
    """The new network's addresses, /16 to /22."""
    zones: list[Zone] = []
    """The new network's availability zones, at most 6. Append only: a zone's place decides its subnets' addresses."""
    egress: Literal["nat-single", "nat-per-az", "endpoints", "none"] | None = _left_out(
        "`nat-single`; an existing network's own way"
    )
    """How private machines reach the outside. `nat-single`: one NAT gateway; `nat-per-az`: one in each zone;
    `endpoints`: none, but AWS's SSM reachable inside (packages then come from a mirror in S3 or inside); `none`:
    nothing at all."""
    vpc_id: Annotated[str, _form("vpc-[0-9a-f]{8,17}", "vpc-0123abcd")] | None = None
    """An existing network to use instead; it keeps its own routes."""
    private_subnets: dict[str, Subnet] = {}
    """Of an existing network: zone to subnet, for machines without public addresses."""
    public_subnets: dict[str, Subnet] = {}
    """Of an existing network: zone to subnet, for groups with `public: true`."""
    route_tables: list[Annotated[str, _form("rtb-[0-9a-f]{8,17}", "rtb-0123abcd")]] = []
    """Of an existing network: route tables that an S3 gateway endpoint is added to. Leave out if they have one."""


class Access(Section):
    """Who reaches the machines, and what they reach."""

    ssm: Flag = True
    """Whether AWS Systems Manager may open sessions, which needs no open port."""
    connection: Literal["ssm", "private", "public"] | None = _left_out("`ssm`, or `private` where ssm is off")
    """How Ansible connects: `ssm` (ssh through a session), `private` or `public` (ssh to that address)."""
    ssh_from: list[Annotated[str, _form("", "10.8.0.0/16"), Field(max_length=40)]] = []
    """IPv4 networks that may reach port 22. The world is refused, and so is anything wider than /8."""
    ssh_keys: list[PublicKey] = []
    """Public keys that may log in as `host.user`, as in authorized_keys, without options."""
    ssh_key_files: list[str] = []
    """Files with such keys, one a line, read where Pulumi runs; relative to the checkout."""
    egress_ports: list[Annotated[int, Field(ge=1, le=65535), WHOLE]] = [80, 443]
    """TCP ports that machines may reach anywhere, where the network has a way out."""
    read_buckets: list[Annotated[str, _form("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "mirror", "a bucket's name")]] = []
    """S3 buckets that machines may read (a mirror of packages, data)."""
    policies: list[Policy] = []
    """Further IAM policies for the machines' role."""
    permissions_boundary: Policy | None = None
    """The IAM policy that bounds the role, where your account demands one."""


class Host(Section):
    """What every machine is given at its first boot, by the one step that needs root."""

    user: Annotated[str, _form("[a-z_][a-z0-9_-]{0,30}", "ml", "a Linux user's name")] = "ml"
    """The ordinary user that owns the environments and that Ansible connects as."""
    uid: Annotated[int, Field(ge=1000, le=59999), WHOLE] | None = _left_out("the system's choice")
    """Its number; the same on all hosts matters where homes are shared."""
    root: Folder = "/opt/lockstep"
    """The fleet's folder (Ansible's `lockstep_root`)."""


class Cluster(Section):
    """A whole stack."""

    tier: Name
    """The tier whose locks the hosts hold: dev, test or prod."""
    groups: dict[str, NodeGroup]
    """The machines: a name for each kind, and what it is."""
    network: Network = _left_out("none", Network())
    """Where they are: `network.cidr` with `network.zones`, or `network.vpc_id`."""
    access: Access = _left_out("SSM, and nothing else", Access())
    """Who reaches them."""
    host: Host = _left_out("user ml, /opt/lockstep", Host())
    """What they are given at first boot."""
    host_prefix: Prefix | None = _left_out("the stack's name and a dash")
    """What hosts' names begin with; names are unique in all stacks that are read together."""
    protect: Flag | None = _left_out("true where `tier` is prod")
    """Whether machines and network refuse to be deleted or replaced."""
    kms_key: KmsKey | None = _left_out("the account's key for EBS")
    """The KMS key that disks are encrypted with."""
    tags: dict[str, str] = {}
    """Tags for everything."""
