"""What a cluster is: typed, frozen, and plain Python without any cloud in it.

Each key carries a `Rule`: what it means and what it accepts. The reader (`infra.reader`) and the reference in
docs/reference/stack-configuration.md are made from these, so neither can say anything else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
ZONE = r"[a-z]{2}(-[a-z]+)+-\d+(-[a-z]+-\d+)?[a-z]"
POLICY = r"arn:aws[a-z-]*:iam::(aws|\d{12}):policy/.+"
SSH_KEY = (
    r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|"
    r"sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]+=*( [A-Za-z0-9@._+=:,/\-]+)?"
)


@dataclass(frozen=True)
class Rule:
    """What a key means, and which values it takes (of a list or mapping: its items)."""

    doc: str
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    pattern: str = ""  # of the whole string
    form: str = ""  # the pattern in words
    show: str = ""  # a default that is worked out, in words


@dataclass(frozen=True)
class Disk:
    """An encrypted gp3 volume."""

    size_gb: Annotated[int, Rule("Size in GiB.", least=8, most=65536)] = 100
    throughput: Annotated[
        int, Rule("MiB/s. At most a quarter of `iops`; 125 costs nothing extra.", least=125, most=2000)
    ] = 125
    iops: Annotated[
        int,
        Rule("Operations a second. At most 500 for each GiB; 3000 cost nothing extra.", least=3000, most=80000),
    ] = 3000


@dataclass(frozen=True)
class Capacity:
    """How the machines of a group are paid for."""

    mode: Annotated[
        str,
        Rule(
            "`on-demand`; `spot`; `reservation`: an On-Demand Capacity Reservation that you have; `block`: a Capacity "
            "Block that you have bought. Lockstep never buys one.",
            choices=("on-demand", "spot", "reservation", "block"),
        ),
    ] = "on-demand"
    id: Annotated[
        str | None,
        Rule("The reservation's or block's id.", pattern=r"cr-[0-9a-f]{8,17}", form="like cr-0123456789abcdef0"),
    ] = None
    zone: Annotated[
        str | None,
        Rule(
            "The zone that the reservation or block is in; the group must be there too.",
            pattern=ZONE,
            form="like us-east-1a",
        ),
    ] = None
    max_price: Annotated[
        str | None,
        Rule(
            "The most to pay for an hour of spot, in dollars.",
            pattern=r"\d+(\.\d{1,5})?",
            form="dollars as a quoted number, like '12.5'",
            show="the on-demand price",
        ),
    ] = None


@dataclass(frozen=True)
class NodeGroup:
    """Machines of one kind. They are named by the group and an index, and keep their names when others come or go."""

    instance_type: Annotated[
        str,
        Rule("EC2's name of the machine type.", pattern=r"[a-z0-9-]+\.[a-z0-9-]+", form="like p5.48xlarge"),
    ]
    count: Annotated[
        int,
        Rule("How many. Lowering it removes the machines with the highest indexes.", least=0, most=1000),
    ] = 1
    tier: Annotated[
        str | None,
        Rule("The tier whose locks these hosts hold.", pattern=NAME, form="like prod", show="the stack's `tier`"),
    ] = None
    platform: Annotated[
        str | None,
        Rule("The conda platform.", choices=("linux-64", "linux-aarch64"), show="by the machine type"),
    ] = None
    zone: Annotated[
        str | None,
        Rule("The availability zone of all its machines.", pattern=ZONE, form="like us-east-1a", show="the first zone"),
    ] = None
    public: Annotated[bool, Rule("Whether the machines get public addresses, in public subnets.")] = False
    ami: Annotated[
        str | None,
        Rule(
            "An AMI's id, pinned: changing it replaces the machines. Or the name of a public SSM parameter, read when "
            "a machine is made: a newer AMI behind it never touches a machine that runs.",
            pattern=r"ami-[0-9a-f]{8,17}|/[A-Za-z0-9_.\-/]+",
            form="an ami-... id, or a parameter's name that begins with /",
            show="AWS's current Deep Learning Base AMI (Ubuntu 22.04) for the platform",
        ),
    ] = None
    capacity: Annotated[Capacity, Rule("How they are paid for.", show="on-demand")] = field(default_factory=Capacity)
    efa: Annotated[
        int,
        Rule(
            "Elastic Fabric Adapters on each machine, one for each network card to be used (p5.48xlarge has 32, "
            "p5en.48xlarge 16, p4d.24xlarge 4).",
            least=0,
            most=64,
        ),
    ] = 0
    placement: Annotated[
        str,
        Rule(
            "`cluster` packs the machines closely, which EFA wants; `spread` keeps them on separate hardware, at most "
            "7 in a group.",
            choices=("none", "cluster", "spread"),
        ),
    ] = "none"
    root_disk: Annotated[Disk, Rule("The disk that the machine boots from.", show="100 GiB, 125 MiB/s, 3000 IOPS")] = (
        field(default_factory=Disk)
    )
    storage: Annotated[
        str,
        Rule(
            "Where `host.root` lives: on the `root` disk; on a `data` disk of its own; or on the machine's own NVMe "
            "disks (`instance-store`), the fastest, which are empty again after each stop: site.yml then fills them.",
            choices=("root", "data", "instance-store"),
        ),
    ] = "root"
    data_disk: Annotated[Disk | None, Rule("The data disk, with `storage: data`. Changing it replaces machines.")] = (
        None
    )
    tags: Annotated[dict[str, str], Rule("Further tags for these machines.")] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """A network of its own, or one that exists."""

    cidr: Annotated[str | None, Rule("The new network's addresses, /16 to /22.", form="like 10.20.0.0/16")] = None
    zones: Annotated[
        list[str],
        Rule(
            "The new network's availability zones, at most 6. Append only: a zone's place decides its subnets' "
            "addresses.",
            pattern=ZONE,
            form="like us-east-1a",
        ),
    ] = field(default_factory=list)
    egress: Annotated[
        str | None,
        Rule(
            "How private machines reach the outside. `nat-single`: one NAT gateway; `nat-per-az`: one in each zone; "
            "`endpoints`: none, but AWS's SSM reachable inside (packages then come from a mirror in S3 or inside); "
            "`none`: nothing at all.",
            choices=("nat-single", "nat-per-az", "endpoints", "none"),
            show="`nat-single`; an existing network's own way",
        ),
    ] = None
    vpc_id: Annotated[
        str | None,
        Rule(
            "An existing network to use instead; it keeps its own routes.",
            pattern=r"vpc-[0-9a-f]{8,17}",
            form="like vpc-0123abcd",
        ),
    ] = None
    private_subnets: Annotated[
        dict[str, str],
        Rule(
            "Of an existing network: zone to subnet, for machines without public addresses.",
            pattern=r"subnet-[0-9a-f]{8,17}",
            form="like subnet-0123abcd",
        ),
    ] = field(default_factory=dict)
    public_subnets: Annotated[
        dict[str, str],
        Rule(
            "Of an existing network: zone to subnet, for groups with `public: true`.",
            pattern=r"subnet-[0-9a-f]{8,17}",
            form="like subnet-0123abcd",
        ),
    ] = field(default_factory=dict)
    route_tables: Annotated[
        list[str],
        Rule(
            "Of an existing network: route tables that an S3 gateway endpoint is added to. Leave out if they have one.",
            pattern=r"rtb-[0-9a-f]{8,17}",
            form="like rtb-0123abcd",
        ),
    ] = field(default_factory=list)


@dataclass(frozen=True)
class Access:
    """Who reaches the machines, and what they reach."""

    ssm: Annotated[bool, Rule("Whether AWS Systems Manager may open sessions, which needs no open port.")] = True
    connection: Annotated[
        str | None,
        Rule(
            "How Ansible connects: `ssm` (ssh through a session), `private` or `public` (ssh to that address).",
            choices=("ssm", "private", "public"),
            show="`ssm`, or `private` where ssm is off",
        ),
    ] = None
    ssh_from: Annotated[
        list[str],
        Rule(
            "IPv4 networks that may reach port 22. The world is refused, and so is anything wider than /8.",
            form="like 10.8.0.0/16",
        ),
    ] = field(default_factory=list)
    ssh_keys: Annotated[
        list[str],
        Rule(
            "Public keys that may log in as `host.user`, as in authorized_keys, without options.",
            pattern=SSH_KEY,
            form="one line like `ssh-ed25519 AAAA... name`",
        ),
    ] = field(default_factory=list)
    ssh_key_files: Annotated[
        list[str],
        Rule("Files with such keys, one a line, read where Pulumi runs; relative to the checkout."),
    ] = field(default_factory=list)
    egress_ports: Annotated[
        list[int],
        Rule("TCP ports that machines may reach anywhere, where the network has a way out.", least=1, most=65535),
    ] = field(default_factory=lambda: [80, 443])
    read_buckets: Annotated[
        list[str],
        Rule(
            "S3 buckets that machines may read (a mirror of packages, data).",
            pattern=r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
            form="a bucket's name",
        ),
    ] = field(default_factory=list)
    policies: Annotated[
        list[str],
        Rule("Further IAM policies for the machines' role.", pattern=POLICY, form="the ARN of a policy"),
    ] = field(default_factory=list)
    permissions_boundary: Annotated[
        str | None,
        Rule(
            "The IAM policy that bounds the role, where your account demands one.",
            pattern=POLICY,
            form="the ARN of a policy",
        ),
    ] = None


@dataclass(frozen=True)
class Host:
    """What every machine is given at its first boot, by the one step that needs root."""

    user: Annotated[
        str,
        Rule(
            "The ordinary user that owns the environments and that Ansible connects as.",
            pattern=r"[a-z_][a-z0-9_-]{0,30}",
            form="a Linux user's name",
        ),
    ] = "ml"
    uid: Annotated[
        int | None,
        Rule(
            "Its number; the same on all hosts matters where homes are shared.",
            least=1000,
            most=59999,
            show="the system's choice",
        ),
    ] = None
    root: Annotated[
        str,
        Rule(
            "The fleet's folder (Ansible's `lockstep_root`).",
            pattern=r"(?=.{2,79}$)(/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)+",
            form="an absolute path under 80 characters, without spaces",
        ),
    ] = "/opt/lockstep"


@dataclass(frozen=True)
class Cluster:
    """A whole stack."""

    tier: Annotated[
        str, Rule("The tier whose locks the hosts hold: dev, test or prod.", pattern=NAME, form="like prod")
    ]
    groups: Annotated[dict[str, NodeGroup], Rule("The machines: a name for each kind, and what it is.")]
    network: Annotated[
        Network, Rule("Where they are: `network.cidr` with `network.zones`, or `network.vpc_id`.", show="none")
    ] = field(default_factory=Network)
    access: Annotated[Access, Rule("Who reaches them.", show="SSM, and nothing else")] = field(default_factory=Access)
    host: Annotated[Host, Rule("What they are given at first boot.", show="user ml, /opt/lockstep")] = field(
        default_factory=Host
    )
    host_prefix: Annotated[
        str | None,
        Rule(
            "What hosts' names begin with; names are unique in all stacks that are read together.",
            pattern=r"([a-z][a-z0-9]*(-[a-z0-9]+)*-)?",
            form="letters, digits and a dash at the end, or empty",
            show="the stack's name and a dash",
        ),
    ] = None
    protect: Annotated[
        bool | None,
        Rule("Whether machines and network refuse to be deleted or replaced.", show="true where `tier` is prod"),
    ] = None
    kms_key: Annotated[
        str | None,
        Rule(
            "The KMS key that disks are encrypted with.",
            pattern=r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/.+",
            form="the ARN of a KMS key",
            show="the account's key for EBS",
        ),
    ] = None
    tags: Annotated[dict[str, str], Rule("Tags for everything.")] = field(default_factory=dict)
