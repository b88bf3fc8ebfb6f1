"""The pure parts of the local fleet: what an inventory means, what is written, what is refused."""

import ipaddress
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from local import suite, up
from local.fakes.channel import condapkg, interpreter, own, verify, wheels
from local.fakes.installer import build as installer
from local.fleet import fault, image, lifecycle, model, paths, podman
from local.fleet.errors import FleetError

GPU = {"name": "X", "memory_mib": 1, "driver": "570.1", "cuda": "12.8", "count": 1}


def listing(**hosts: dict[str, Any]) -> dict[str, Any]:
    common = {"fleet_name": "demo", "fleet_subnet": "10.9.0.0/24"}
    return {"_meta": {"hostvars": {name.replace("_", "-"): {**common, **v} for name, v in hosts.items()}}}


def test_an_inventory_becomes_a_fleet() -> None:
    fleet = model.parse(
        listing(a={"ansible_host": "10.9.0.10"}, b={"ansible_host": "10.9.0.11", "fleet_gpu": GPU}), "i"
    )
    assert [h.name for h in fleet.hosts] == ["a", "b"]
    assert fleet.channel_address == "10.9.0.2"
    assert fleet.network == "lockstep-demo"
    assert fleet.container("a") == "lockstep-demo-a"
    assert fleet.host("a").mac == "02:00:0a:09:00:0a"
    assert fleet.host("a").linger and fleet.host("a").gpu == {} and fleet.host("b").gpu == GPU


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "ansible_host"),
        ({"ansible_host": "10.9.0.2"}, "taken"),
        ({"ansible_host": "10.9.0.255"}, "must be in"),
        ({"ansible_host": "10.8.0.9"}, "must be in"),
        ({"ansible_host": "10.9.0.9", "fleet_suite": "sid"}, "fleet_suite"),
        ({"ansible_host": "10.9.0.9", "fleet_linger": "yes"}, "fleet_linger"),
        ({"ansible_host": "10.9.0.9", "fleet_gpu": {"name": "X"}}, "fleet_gpu"),
        ({"ansible_host": "10.9.0.9", "fleet_gpu": {**GPU, "colour": "red"}}, "fleet_gpu"),
        ({"ansible_host": "10.9.0.9", "fleet_subnet": "nonsense"}, "fleet_subnet"),
        ({"ansible_host": "10.9.0.9", "fleet_name": "No Name"}, "fleet_name"),
    ],
)
def test_a_wrong_inventory_is_refused_by_host_and_variable(variables: dict[str, Any], said: str) -> None:
    with pytest.raises(FleetError, match=said) as caught:
        model.parse(listing(a=variables), "inv.yml")
    assert str(caught.value).startswith("inv.yml")


def test_one_address_for_two_hosts_and_no_hosts_are_refused() -> None:
    with pytest.raises(FleetError, match="given twice"):
        model.parse(listing(a={"ansible_host": "10.9.0.9"}, b={"ansible_host": "10.9.0.9"}), "i")
    with pytest.raises(FleetError, match="no hosts"):
        model.parse({"_meta": {"hostvars": {}}}, "i")


def test_an_unknown_host_names_those_there_are() -> None:
    fleet = model.parse(listing(a={"ansible_host": "10.9.0.9"}), "i")
    with pytest.raises(FleetError, match="there are: a"):
        fleet.host("z")


def test_the_committed_inventory_is_five_hosts_of_three_tiers() -> None:
    fleet = model.load(paths.CHECKOUT / "inventory" / "local")
    assert [h.name for h in fleet.hosts] == ["dev-01", "prod-01", "prod-02", "prod-03", "test-01"]
    assert {h.suite for h in fleet.hosts} == {"bookworm", "trixie"}
    assert [h.name for h in fleet.hosts if not h.linger] == ["test-01"]


def test_a_taken_subnet_is_seen_and_a_default_route_is_not_one() -> None:
    subnet = ipaddress.IPv4Network("10.77.0.0/24")
    assert lifecycle.overlapping(subnet, [{"dst": "default", "dev": "e"}, {"dst": "10.78.0.0/24", "dev": "f"}]) is None
    assert lifecycle.overlapping(subnet, [{"dst": "10.0.0.0/8", "dev": "vpn0"}]) == "10.0.0.0/8 on vpn0"
    assert lifecycle.overlapping(subnet, [{"dst": "10.77.0.9", "dev": "g"}]) == "10.77.0.9 on g"


def test_a_spec_changes_with_anything_in_it() -> None:
    assert lifecycle.spec_of(["a"], True) == lifecycle.spec_of(["a"], True)
    assert len({lifecycle.spec_of(*p) for p in ([["a"], True], [["a"], False], [["a", "b"], True])}) == 3


def test_podmans_configuration_keeps_to_our_folders(tmp_path: Path) -> None:
    text = podman.containers_conf(tmp_path, Path("/run/x"), 10, 20) + podman.storage_conf(tmp_path, Path("/run/x"))
    folders = [line.split('"')[1] for line in text.splitlines() if '= "/' in line]
    assert len(folders) == 7
    assert all(f.startswith((str(tmp_path), "/run/x")) for f in folders)
    assert "nofile=10:10" in text and 'lock_type = "file"' in text


def test_writing_what_is_there_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "f"
    assert podman.write_if_changed(file, "a", 0o600)
    before = file.stat()
    assert not podman.write_if_changed(file, "a")
    assert file.stat().st_mtime_ns == before.st_mtime_ns and before.st_mode & 0o777 == 0o600
    assert podman.write_if_changed(file, "b") and file.read_text() == "b"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_a_digest_follows_names_contents_modes_and_words(tmp_path: Path) -> None:
    file = tmp_path / "d" / "f"
    file.parent.mkdir()
    file.write_text("1")
    seen = [paths.digest_of([tmp_path / "d"])]
    assert paths.digest_of([tmp_path / "d"]) == seen[0]
    file.write_text("2")
    seen.append(paths.digest_of([tmp_path / "d"]))
    file.chmod(0o755)
    seen.append(paths.digest_of([tmp_path / "d"]))
    seen.append(paths.digest_of([tmp_path / "d"], "word"))
    file.rename(tmp_path / "d" / "g")
    seen.append(paths.digest_of([tmp_path / "d"], "word"))
    assert len(set(seen)) == 5


def test_an_image_of_another_suite_or_package_list_has_another_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    tag = image.host_tag("bookworm")
    assert tag.startswith("localhost/lockstep-host:bookworm-") and tag != image.host_tag("trixie")
    monkeypatch.setattr(image, "PACKAGES", (*image.PACKAGES, "nano"))
    assert image.host_tag("bookworm") != tag


class Listing:
    """A podman that lists one container of each given checkout, and does nothing else."""

    def __init__(self, *checkouts: Path) -> None:
        self.checkouts = checkouts

    def listed(self, fleet: str) -> list[dict[str, Any]]:
        return [
            {"Names": [f"lockstep-{fleet}-{n}"], "Labels": {"lockstep.fleet": fleet, "lockstep.checkout": str(folder)}}
            for n, folder in enumerate(self.checkouts)
        ]


def test_a_fleet_of_another_checkout_is_not_taken_over_unless_that_is_gone(tmp_path: Path) -> None:
    mine: Any = Listing(paths.CHECKOUT, tmp_path / "gone")
    assert set(lifecycle.ours(mine, "demo")) == {"lockstep-demo-0", "lockstep-demo-1"}
    theirs: Any = Listing(paths.CHECKOUT, tmp_path)
    with pytest.raises(FleetError, match=f"a fleet demo was made from {tmp_path} .*\n.*make down"):
        lifecycle.ours(theirs, "demo")


class Images:
    """A podman with images; one of them is in use."""

    def __init__(self, base: Path, tags: list[str], used: str) -> None:
        self.base, self.tags, self.used, self.removed = base, tags, used, list[str]()

    def run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        if argv[0] == "images":
            return subprocess.CompletedProcess(argv, 0, "\n".join(self.tags))
        if argv[1] == self.used:
            return subprocess.CompletedProcess(argv, 2, "")
        self.tags.remove(argv[1])
        self.removed.append(argv[1])
        return subprocess.CompletedProcess(argv, 0, "")


def test_images_that_no_checkout_wanted_for_days_go_children_first(tmp_path: Path) -> None:
    names = ["base:a-1", "host:a-1", "ec2:a-1", "base:a-2", "host:a-3"]
    mine: Any = Images(
        tmp_path, [f"localhost/lockstep-{n}" for n in names] + ["localhost/other:1"], "localhost/lockstep-host:a-3"
    )
    image.sweep(mine)
    assert not mine.removed  # seen for the first time
    days = time.time() + 3 * 86400
    image.sweep(mine, days)
    assert not mine.removed
    image.use(mine, "localhost/lockstep-base:a-2")
    os.utime(tmp_path / "used" / "lockstep-base:a-2", (days, days))
    image.sweep(mine, days + 5 * 86400)
    assert mine.removed == [f"localhost/lockstep-{n}" for n in ("ec2:a-1", "host:a-1", "base:a-1")]
    assert sorted(p.name for p in (tmp_path / "used").iterdir()) == ["lockstep-base:a-2", "lockstep-host:a-3"]


@pytest.mark.parametrize(
    ("before", "after"),
    [({}, "10.77.0.2"), ({"NO_PROXY": "a.example"}, "a.example,10.77.0.2"), ({"no_proxy": "10.77.0.2"}, "10.77.0.2")],
)
def test_no_proxy_is_asked_for_the_channel(before: dict[str, str], after: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, before.get(name, ""))
    up.ask_no_proxy("10.77.0.2")
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == after


def test_keys_of_a_host_that_became_ready_later_are_read_again(tmp_path: Path) -> None:
    fleet = model.parse(listing(a={"ansible_host": "10.9.0.10"}), "i")
    known, mark = tmp_path / "known_hosts", tmp_path / "mark"
    assert not lifecycle.trusted(known, fleet, [mark])
    known.write_text("10.9.0.10 ssh-ed25519 AAAA\n")
    assert lifecycle.trusted(known, fleet, [mark])
    at = known.stat().st_mtime_ns
    mark.touch()
    os.utime(mark, ns=(at, at))
    assert lifecycle.trusted(known, fleet, [mark])
    os.utime(mark, ns=(at, at + 1))
    assert not lifecycle.trusted(known, fleet, [mark])
    os.utime(mark, ns=(at, at))
    known.write_text("10.9.0.11 ssh-ed25519 AAAA\n")
    assert not lifecycle.trusted(known, fleet, [mark])


def test_faults_are_refused_before_anything_is_touched() -> None:
    fleet = model.parse(listing(a={"ansible_host": "10.9.0.9"}), "i")
    with pytest.raises(FleetError, match="there are: pause"):
        fault.apply(podman.Podman(), fleet, "explode", "a", [])
    with pytest.raises(FleetError, match="PATH SIZE"):
        fault.apply(podman.Podman(), fleet, "fill", "a", ["/x"])


# ---- the channel


def package(out: Path, tmp: Path, **changes: Any) -> Path:
    root = tmp / "root"
    condapkg.place(root, "bin/run", "#!@PREFIX@/bin/python\n", executable=True)
    condapkg.place(root, "lib/x.so", b"\x7fELF\0" + condapkg.PLACEHOLDER.encode() + b"\0tail")
    condapkg.place(root, "share/a b.txt", "plain\n")
    (root / "share" / "link").unlink(missing_ok=True)
    (root / "share" / "link").symlink_to("a b.txt")
    return condapkg.write(out, root, condapkg.Package("demo", "1.0", "{hash}_0", **changes))


def test_a_package_is_the_same_bytes_each_time_and_its_build_follows_its_contents(tmp_path: Path) -> None:
    one, two = package(tmp_path / "one", tmp_path), package(tmp_path / "two", tmp_path)
    assert one.name == two.name and one.read_bytes() == two.read_bytes()
    assert package(tmp_path / "three", tmp_path, depends=["x"]).name != one.name


def test_placeholders_are_found_in_text_and_binaries_only(tmp_path: Path) -> None:
    package(tmp_path / "out", tmp_path)
    entries = {e["_path"]: e for e in condapkg.paths_of(tmp_path / "root")}
    assert entries["bin/run"]["file_mode"] == "text" and entries["lib/x.so"]["file_mode"] == "binary"
    assert "file_mode" not in entries["share/a b.txt"]
    assert entries["share/link"]["path_type"] == "softlink"


def test_a_dangling_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lost").symlink_to("nowhere")
    with pytest.raises(ValueError, match="lost"):
        condapkg.paths_of(tmp_path)


def test_the_best_python_is_3_12_then_the_newest_that_everything_runs_on(tmp_path: Path) -> None:
    for minor in (9, 11, 12, 13):
        prefix = tmp_path / str(minor)
        for file in (f"bin/python3.{minor}", f"lib/python3.{minor}/os.py"):
            (prefix / file).parent.mkdir(parents=True)
            (prefix / file).touch()
    every = [tmp_path / str(m) for m in (9, 11, 13, 12)]
    assert interpreter.choose(every) == (tmp_path / "12", "3.12")
    assert interpreter.choose(every[:3]) == (tmp_path / "13", "3.13")
    (tmp_path / "11/lib/python3.11/os.py").unlink()
    with pytest.raises(FleetError, match="LOCKSTEP_PYTHON"):
        interpreter.choose(every[:2])


def test_glibc_is_the_newest_symbol_version() -> None:
    assert interpreter.glibc_of(b"\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.9\0") == (2, 34)
    assert interpreter.glibc_of(b"nothing") == (0, 0)


def test_requirements_become_match_specs_for_the_python_at_hand() -> None:
    lines = [
        "tzdata>=2022",
        'six; python_version < "3"',
        "Jinja2 (>=3,<4)",
        'colorama; sys_platform == "win32"',
        'x; extra == "all"',
    ]
    assert wheels.depends(lines, "3.12") == ["jinja2 <4,>=3", "python-tzdata >=2022"]


def test_an_entry_point_becomes_a_script() -> None:
    name, text = wheels.script_of("tool = a.b:main.run")
    assert name == "tool" and "from a.b import main\n" in text and "sys.exit(main.run())" in text


def test_pip_downloads_nothing_without_a_hash() -> None:
    command = wheels.pip_command(Path("r.txt"), "3.12", Path("d"))
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(command)


def test_the_pinned_wheels_name_no_host_and_hash_every_version() -> None:
    for file in (paths.FAKES / "channel" / "wheels").glob("*.txt"):
        lines = [line.strip() for line in file.read_text().splitlines() if line.strip()]
        for line, after in zip(lines, [*lines[1:], ""], strict=True):
            assert line.startswith("--hash=sha256:") or ("==" in line and after.startswith("--hash=sha256:")), line


def test_the_offset_counts_its_own_digits() -> None:
    for length in (1, 85, 86, 87, 88, 985, 986, 987):
        done = installer.with_offset("#" * length + "@OFFSET@")
        assert int(done[length:]) == len(done) + 1


def test_the_fake_never_passes_for_conda() -> None:
    assert own.fake_version().endswith("+fake")


def test_a_channel_with_a_lost_or_altered_archive_or_an_unmet_need_is_found(tmp_path: Path) -> None:
    file = package(tmp_path, tmp_path / "t", depends=["absent >=1", "__glibc >=2"])
    (tmp_path / "noarch").mkdir()
    (tmp_path / "noarch/repodata.json").write_text("{}")
    record = {"name": "demo", "sha256": "0" * 64, "depends": ["absent >=1", "__glibc >=2"]}
    records = {file.name: record, "lost-1-0.conda": {**record, "depends": []}}
    (tmp_path / "linux-64/repodata.json").write_text(json.dumps({"packages.conda": records}))
    found = "\n".join(verify.channel(tmp_path))
    assert "sha256 differs" in found and "there is no such file" in found and "needs absent" in found
    assert "__glibc" not in found


# ---- the suites and what is shown


def test_a_junit_report_is_counted_and_a_lost_one_is_a_failure(tmp_path: Path) -> None:
    report = tmp_path / "r.xml"
    report.write_text('<testsuites><testsuite tests="9" failures="2" errors="1" skipped="3"/></testsuites>')
    assert str(suite.counted(report)) == "3 passed, 3 failed, 3 skipped"
    assert suite.counted(tmp_path / "none.xml").failed == 1


def test_suites_end_in_one_plain_line_and_fail_when_one_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(suite, "LOGS", tmp_path)
    monkeypatch.setattr(
        suite, "SUITES", {"a": lambda: suite.Count(2), "b": lambda: suite.Count(1, 1), "c": suite.Count}
    )
    assert suite.main(["a"]) == 0
    assert suite.main(["a", "b"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "3 passed, 1 failed"
    assert suite.main(["c"]) == 1, "nothing that ran is no success"
    assert suite.main(["nope"]) == 2


def test_only_what_a_playbook_says_is_shown() -> None:
    lines = [
        "PLAY [x] ***",
        "",
        "TASK [y] ***",
        "ok: [h]",
        "",
        "",
        "host  verdict",
        "h     parity",
        "",
        "h : ok=1 changed=0",
    ]
    assert up.said(lines) == ["host  verdict", "h     parity", ""]
