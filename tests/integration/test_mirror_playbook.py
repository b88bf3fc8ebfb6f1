"""playbooks/mirror.yml as people run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.mirror_samples import Site, source, tree_of, whole
from tests.support.paths import CHECKOUT

Play = Callable[..., tuple[int, str]]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site")
    made.usual()
    installer, wheel = next(iter(made.extras.installers.items())), made.extras.rattler_wheels[0]
    inventory = made.folder / "inventory"
    (inventory / "group_vars").mkdir(parents=True)
    # prod declares a Miniconda of its own, which is wanted too
    older = made.plain("miniconda/Miniconda3-py311_25.1.1-0-Linux-x86_64.sh", b"older\n")
    (inventory / "hosts.yml").write_text("prod: {hosts: {gpu-1: {}}}\n")
    (inventory / "group_vars" / "prod.yml").write_text(
        "miniconda_version: py311_25.1.1-0\n"
        f"miniconda_installers: {{Miniconda3-py311_25.1.1-0-Linux-x86_64.sh: {older}}}\n"
    )
    (inventory / "group_vars" / "all.yml").write_text(
        "lockstep_tiers: [dev, prod]\nlockstep_channels: [forge]\nlockstep_locks_dir: '{{ inventory_dir }}/../locks'\n"
        "lockstep_channel_alias: http://127.0.0.1:9\nminiconda_base_url: http://127.0.0.1:9/miniconda\n"
        f"miniconda_version: py312_26.5.3-1\nminiconda_installers: {{{installer[0]}: {installer[1]}}}\n"
        f"conda_envs_rattler_wheels: {dict(wheel)}\n"
    )
    return made


@pytest.fixture
def play(site: Site) -> Play:
    def run(*arguments: str, **environment: str) -> tuple[int, str]:
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(site.folder / "inventory"),
                   "playbooks/mirror.yml", *arguments]  # fmt: skip
        env = os.environ | {"LOCKSTEP_CACHE": str(site.folder / "cache"), "ANSIBLE_NOCOLOR": "1"} | environment
        done = subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=120, check=False)
        output = done.stdout + done.stderr
        assert "Traceback" not in output
        return done.returncode, output

    return run


def words(**variables: object) -> list[str]:
    """Extra variables, as on a command line."""
    return [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]


def places(base: str) -> dict[str, str]:
    """Where installers and wheels come from."""
    return {
        "lockstep_mirror_miniconda_source": f"{base}/miniconda",
        "lockstep_mirror_rattler_source": f"{base}/rattler",
    }


def test_mirror_is_checked_made_and_pruned(site: Site, play: Play) -> None:
    dest = site.folder / "m"
    with source(site.upstream) as served:
        sources = words(lockstep_mirror_source=served.url, dest=dest, **places(served.url))
        code, output = play(*sources, "--check", "--diff")
        assert code == 0 and "+ forge/noarch/alpha-2.0-pytiny_1.conda  41" in output and "changed=1" in output
        assert not dest.exists()
        code, output = play(*sources)
        assert code == 0 and "mirror: fetching 8 files" in output
        assert "5 packages, 2 installers, 1 rattler wheel, " in output
        assert whole(dest) and (dest / "miniconda/Miniconda3-py311_25.1.1-0-Linux-x86_64.sh").exists(), "prod's own"
        code, output = play(*sources, "-e", "verify=true")
        assert code == 0 and "changed=0" in output

        (site.locks / "prod/previous/train.conda-lock.yml").unlink()
        code, output = play(*sources, "-e", "prune=true", "--diff")
        assert code == 0 and "- forge/linux-64/gamma-1.0-htiny_0.conda" in output
        code, output = play(*sources, "-e", "tiers=dev", "-e", "env=train", "-e", "platforms=linux-64", "--check")
        assert code == 0 and "-e prune=true removes them" in output
    # no network any more: from the mirror to another place
    code, output = play("-e", f"source={dest}", "-e", f"dest={site.folder}/n")
    assert code == 0 and tree_of(dest) == tree_of(site.folder / "n")


def test_invalid_extra_variables_and_sources_are_refused(site: Site, play: Play) -> None:
    code, output = play()
    assert code == 2 and "Name the mirror's folder: -e dest=" in output
    code, output = play("-e", f"dest={site.folder}/m", "-e", "tiers=qa")
    assert code == 2 and "'qa' is no tier. Cause: the site's are dev, prod" in output
    code, output = play(*words(dest=site.folder / "m", source=site.folder, **places(str(site.folder))))
    assert code == 2 and "the source does not have 8 of 8 files" in output and "nothing was downloaded" in output


def test_output_contains_no_secret(site: Site, play: Play) -> None:
    with source(site.upstream) as served:
        token = served.url.replace("//", "//me:pass-word@") + "/t/secret-token"
        sources = words(dest=site.folder / "m", **places(served.url))
        (site.folder / "secret.yml").write_text(f"lockstep_mirror_source: {token}\n")
        code, output = play(*sources, "-e", f"@{site.folder}/secret.yml", "-vvv", "--diff")
        assert code == 0 and whole(site.folder / "m") and served.log[-1][2]
        (site.upstream / "forge/noarch/alpha-1.0-pytiny_0.conda").unlink()
        (site.folder / "m/forge/noarch/alpha-1.0-pytiny_0.conda").unlink()
        code, failed = play(*sources, "-e", f"@{site.folder}/secret.yml", "-vvv")
        assert code == 2 and "/t/<token>/forge/noarch/alpha-1.0" in failed
    for secret in ("secret-token", "pass-word"):
        assert secret not in output + failed
