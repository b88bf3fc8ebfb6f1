"""The one step that needs root: the script, with the system's commands replaced, and the user data that carries it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.config.model import Host
from infra.userdata import INSTALLED, LIMIT, MARKER, SCRIPT, arguments, user_data

KEY = "ssh-ed25519 AAAAC3Nz somebody@example.org"
EBS, NVME = "Amazon Elastic Block Store", "Amazon EC2 NVMe Instance Storage"


class Machine:
    """A folder that stands for a machine: each command that would change the real one writes itself down instead."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin, self.root = folder, folder / "bin", folder / "opt" / "lockstep"
        self.home = folder / "home"
        for made in (
            self.bin,
            folder / "opt",
            folder / "etc" / "profile.d",
            folder / "etc" / "systemd" / "system",
            self.home,
        ):
            made.mkdir(parents=True)
        self.done = folder / "done"
        self.stub(
            "id",
            'case "$*" in "-u") echo 0;; "-u ml") [ -e {f}/user ] && cat {f}/user || exit 1;; "-gn ml") echo ml;; esac',
        )
        self.stub("useradd", "echo 1001 > {f}/user", note=True)
        self.stub("getent", "echo ml:x:1001:1001::{f}/home:/bin/bash")
        self.stub("loginctl", "", note=True)
        self.stub("su", "", note=True)
        self.stub("chown", "", note=True)
        self.stub("mountpoint", 'grep -qxF "$2" {f}/mounted 2>/dev/null')
        self.stub("mount", 'for last; do :; done; echo "$last" >> {f}/mounted', note=True)
        self.stub(
            "lsblk",
            'case "$1" in -dnpo) cat {f}/disks 2>/dev/null || true;; '
            "-nro) cat {f}/parts/$(basename $3) 2>/dev/null || echo x;; esac",
        )
        self.stub(
            "blkid",
            'for last; do :; done; case "$1" in -L) cat {f}/labelled 2>/dev/null || exit 2;; '
            '*) cat {f}/holds/$(basename "$last") 2>/dev/null || exit 2;; esac',
        )
        self.stub("mkfs.ext4", 'for last; do :; done; echo "$last" > {f}/labelled', note=True)
        self.stub("mdadm", "", note=True)
        self.stub(
            "systemctl",
            '[ "$1" != cat ] || [ -e {f}/dlami ] || exit 1; [ "$1" != start ] || echo /opt/dlami/nvme >> {f}/mounted',
            note=True,
        )
        self.stub("sleep", "")
        # the real one, without owners, and never outside this folder
        self.stub(
            "install",
            'out=""; while [ $# -gt 0 ]; do case $1 in -o|-g) shift 2;; /usr/*) exit 0;; *) out="$out $1"; shift;; '
            "esac; done; /usr/bin/install $out",
        )

    def stub(self, name: str, body: str, note: bool = False) -> None:
        text = (
            "#!/bin/sh\n"
            + (f'echo "{name} $*" >> {self.done}\n' if note else "")
            + body.replace("{f}", str(self.folder))
            + "\n"
        )
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def disks(self, *disks: tuple[str, str]) -> None:
        (self.folder / "disks").write_text("".join(f"{name} disk {model}\n" for name, model in disks))

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        settings = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "LOCKSTEP_PROVISION_STATE": str(self.folder / "state"),
            "LOCKSTEP_PROVISION_LOG": str(self.folder / "log"),
            "LOCKSTEP_PROVISION_ETC": str(self.folder / "etc"),
        }
        command = ["bash", str(SCRIPT), *more]
        return subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60, check=False)

    def provision(self, storage: str = "root", *more: str) -> subprocess.CompletedProcess[str]:
        return self.run(*arguments(Host(root=str(self.root)), storage, (KEY,)), *more)

    def said(self) -> str:
        return (self.folder / "log").read_text()

    def changes(self) -> list[str]:
        return self.done.read_text().splitlines() if self.done.exists() else []

    def failure(self) -> str:
        assert not (self.folder / "state" / "ready").exists()
        return (self.folder / "state" / "failed").read_text()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_plain_machine(machine: Machine) -> None:
    assert machine.provision().returncode == 0, machine.said()
    assert machine.changes()[0] == "useradd --create-home --user-group --shell /bin/bash ml"
    assert "loginctl enable-linger ml" in machine.changes()
    assert (machine.home / ".ssh" / "authorized_keys").read_text() == KEY + "\n"
    assert machine.root.is_dir()
    hook = (machine.folder / "etc" / "profile.d" / "lockstep.sh").read_text()
    assert f"{machine.root}/miniconda/etc/profile.d/conda.sh" in hook and f"{machine.root}/bin" in hook
    ready = json.loads((machine.folder / "state" / "ready").read_text())
    assert (ready["schema"], ready["user"], ready["root"], ready["storage"]) == (1, "ml", str(machine.root), "root")
    assert machine.said().endswith("lockstep: ready\n")


def test_a_second_run_changes_nothing(machine: Machine) -> None:
    for shell in ("fish", "zsh"):
        (machine.folder / "etc" / shell).mkdir()
    (machine.folder / "etc" / "zsh" / "zshrc").write_text("# mine\n")
    machine.provision()
    before = {path: path.read_bytes() for path in (machine.folder / "etc").rglob("*") if path.is_file()}
    assert len(before) == 3
    machine.done.unlink()
    assert machine.provision().returncode == 0
    assert not [line for line in machine.changes() if not line.startswith(("su ", "loginctl "))]
    assert {path: path.read_bytes() for path in (machine.folder / "etc").rglob("*") if path.is_file()} == before
    assert (machine.home / ".ssh" / "authorized_keys").read_text() == KEY + "\n"


def test_the_login_hook_is_fit_for_strict_shells(machine: Machine) -> None:
    machine.provision()
    hook = machine.folder / "etc" / "profile.d" / "lockstep.sh"
    for shell in ("bash", "dash"):
        if not shutil.which(shell):
            continue
        told = subprocess.run(
            [shell, "-euc", f". {hook}; . {hook}; echo $PATH"], capture_output=True, text=True, check=True
        )
        assert told.stdout.count(f"{machine.root}/bin") == 1


def test_a_data_disk_is_found_formatted_once_and_mounted(machine: Machine) -> None:
    machine.disks(("/dev/nvme0n1", EBS), ("/dev/nvme1n1", EBS), ("/dev/nvme2n1", NVME))
    (machine.folder / "parts").mkdir()
    (machine.folder / "parts" / "nvme0n1").write_text("nvme0n1\nnvme0n1p1\n")
    assert machine.provision("data").returncode == 0, machine.said()
    assert [line for line in machine.changes() if line.startswith("mkfs")] == [
        "mkfs.ext4 -q -L lockstep -i 8192 -m 0 /dev/nvme1n1"
    ]
    fstab = (machine.folder / "etc" / "fstab").read_text()
    assert fstab.startswith(f"LABEL=lockstep {machine.root} ext4 ") and "nofail" in fstab
    assert f"mount {machine.root}" in machine.changes()
    assert f"chown root:root {machine.root}" in machine.changes()
    (machine.folder / "mounted").unlink()  # a boot without it, and another run
    assert machine.provision("data").returncode == 0
    assert len([line for line in machine.changes() if line.startswith("mkfs")]) == 1
    assert (machine.folder / "etc" / "fstab").read_text() == fstab


def test_a_disk_that_holds_something_is_never_formatted(machine: Machine) -> None:
    machine.disks(("/dev/nvme1n1", EBS))
    (machine.folder / "holds").mkdir()
    (machine.folder / "holds" / "nvme1n1").write_text("LVM2_member\n")
    assert machine.provision("data").returncode != 0
    assert "no empty disk is attached" in machine.failure()
    assert not [line for line in machine.changes() if line.startswith("mkfs")]


def test_of_two_empty_disks_none_is_guessed(machine: Machine) -> None:
    machine.disks(("/dev/nvme1n1", EBS), ("/dev/nvme2n1", EBS))
    assert machine.provision("data").returncode != 0
    assert "several empty disks are attached (/dev/nvme1n1 /dev/nvme2n1 )" in machine.failure()


def test_a_folder_with_files_is_not_hidden_by_a_disk(machine: Machine) -> None:
    machine.disks(("/dev/nvme1n1", EBS))
    machine.root.mkdir()
    (machine.root / "precious").touch()
    assert machine.provision("data").returncode != 0
    assert "holds files, but a disk is to be mounted there" in machine.failure()
    assert not [line for line in machine.changes() if line.startswith(("mkfs", "mount"))]


def test_own_disks_are_joined_and_remade_at_each_boot(machine: Machine) -> None:
    machine.disks(("/dev/nvme1n1", NVME), ("/dev/nvme2n1", NVME))
    assert machine.provision("instance-store").returncode == 0, machine.said()
    made = next(line for line in machine.changes() if line.startswith("mdadm"))
    assert "--level=0 --raid-devices=2 --run /dev/nvme1n1 /dev/nvme2n1" in made
    unit = (machine.folder / "etc" / "systemd" / "system" / "lockstep-provision-host.service").read_text()
    assert f"ExecStart={INSTALLED} --user ml --root {machine.root} --storage instance-store" in unit
    assert "systemctl enable --quiet lockstep-provision-host.service" in machine.changes()
    assert not (machine.folder / "etc" / "fstab").exists()


def test_disks_that_the_image_joined_are_shared(machine: Machine) -> None:
    (machine.folder / "dlami").touch()
    machine.stub("mkdir", 'case "$*" in *dlami*) exit 0;; esac; exec /usr/bin/mkdir "$@"')
    assert machine.provision("instance-store").returncode == 0, machine.said()
    assert f"mount --bind /opt/dlami/nvme/lockstep {machine.root}" in machine.changes()
    assert not [line for line in machine.changes() if line.startswith(("mkfs", "mdadm"))]


def test_no_own_disk_is_told(machine: Machine) -> None:
    assert machine.provision("instance-store").returncode != 0
    assert "no empty NVMe disk of its own" in machine.failure()


def test_a_command_that_fails_leaves_its_name_and_no_marker(machine: Machine) -> None:
    machine.provision()
    machine.stub("getent", "exit 7")
    assert machine.provision().returncode != 0
    assert "ended with" in machine.failure()


def test_waiting(machine: Machine) -> None:
    none = machine.run("wait", "0")
    assert none.returncode == 1 and "not ready after 0 s" in none.stderr and "(no log:" in none.stderr
    machine.provision()
    assert json.loads(machine.run("wait", "5").stdout)["user"] == "ml"
    machine.stub("loginctl", "exit 1")
    machine.provision()
    failed = machine.run("wait", "5")
    assert failed.returncode == 1
    assert "failed: loginctl enable-linger ml failed" in failed.stderr
    assert "provisioning for ml" in failed.stderr  # the log's end


def test_own_disks_of_an_earlier_boot_are_not_ready(machine: Machine) -> None:
    machine.disks(("/dev/nvme1n1", NVME))
    machine.provision("instance-store")
    assert machine.run("wait", "1").returncode == 0
    marker = machine.folder / "state" / "ready"
    marker.write_text(marker.read_text().replace('"boot": "', '"boot": "0'))
    assert machine.run("wait", "0").returncode == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--user", "root"], "an ordinary user"),
        (["--root", "opt"], "absolute path"),
        (["--colour"], "unknown argument --colour"),
        (["--storage", "tape"], "root, data or instance-store, not tape"),
        (["--uid", "4242"], "has uid 1001, not 4242"),
    ],
)
def test_wrong_arguments(machine: Machine, wrong: list[str], told: str) -> None:
    done = machine.provision("root", *wrong)
    assert done.returncode != 0
    assert told in done.stdout + done.stderr


def test_help_is_the_head_of_the_script(machine: Machine) -> None:
    told = machine.run("--help").stdout
    assert told.startswith("All that a Lockstep host needs root for") and "--authorized-key KEY" in told


def test_user_data_carries_the_very_script() -> None:
    text = user_data(Host(uid=2000), "data", (KEY, "ssh-rsa AAAA b"))
    assert text.startswith("#cloud-config\n")
    config = yaml.safe_load(text)
    assert config["write_files"] == [{"path": INSTALLED, "permissions": "0755", "content": SCRIPT.read_text()}]
    assert config["runcmd"][0] == "set -eu"
    (command,) = config["runcmd"][1:]
    assert command[0] == INSTALLED and "2000" in command and command.count("--authorized-key") == 2
    assert len(text.encode()) < LIMIT * 0.9


def test_paths_agree() -> None:
    script = SCRIPT.read_text()
    assert f"self={INSTALLED}\n" in script
    assert f"-{Path(MARKER).parent}}}" in script and MARKER.endswith("/ready")


@pytest.mark.skipif(
    not shutil.which("cloud-init"), reason="cloud-init is not installed here: its own check did not run"
)
def test_cloud_init_takes_it(tmp_path: Path) -> None:
    for storage in ("root", "data", "instance-store"):
        file = tmp_path / f"{storage}.yml"
        file.write_text(user_data(Host(), storage, (KEY,)))
        subprocess.run(["cloud-init", "schema", "--config-file", str(file)], check=True, timeout=60)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed here")
def test_shellcheck() -> None:
    subprocess.run(["shellcheck", str(SCRIPT)], check=True, timeout=60)
