"""Locks rendered for other tools."""

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.export import render as exporting
from ansible_collections.lockstep.fleet.plugins.plugin_utils.export.render import (
    ExportError,
    Settings,
    in_order,
    render,
    run,
)

from tests.support.lock_samples import BASE, lock, package
from tests.support.paths import CHECKOUT

WHEEL = {"manager": "pip", "build": "", "md5": "", "url": "https://files.example/tiny-1.0-py3-none-any.whl"}


def lines(text):
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_explicit_export_has_urls_checksums_and_order():
    texts = render(lock(), "train", "linux-64")
    assert texts["train.linux-64.requirements.txt"] is None
    assert lines(texts["train.linux-64.explicit.txt"]) == [
        "@EXPLICIT",
        f"{BASE}/linux-64/zlib-1.3-h1_0.conda#sha256:{'ab' * 32}",
        f"{BASE}/linux-64/python-3.12.1-h1_0_cp312.conda#sha256:{'ab' * 32}",
        f"{BASE}/noarch/six-1.17-pyhd_0.conda#sha256:{'ab' * 32}",
    ]
    assert len(lines(render(lock(), "train", "osx-arm64")["train.osx-arm64.explicit.txt"])) == 2


def test_explicit_export_has_packages_that_need_each_other():
    a, b = package("a", dependencies=(("b", ""),)), package("b", dependencies=(("a", ""), ("b", "")))
    assert [p.name for p in in_order([b, package("c", dependencies=(("b", ""),)), a])] == ["a", "b", "c"]


def test_export_header_names_what_the_list_cannot_hold():
    custom = {"variables": '{"A":"it\'s"}', "system_requirements": '{"cuda":"12.9","glibc":"2.31","linux":"5.4"}'}
    made = lock(*lock().packages, package("tiny", "1.0", **WHEEL), custom=custom)
    text = render(made, "train", "linux-64")["train.linux-64.explicit.txt"]
    assert "__linux 5.4, __glibc 2.31, __archspec x86_64, __cuda 12.9" in text
    assert """vars set --name train 'A=it'"'"'s'\n""" in text
    assert "cannot hold the 1 wheel of" in text and "tiny" not in "".join(lines(text))
    plain = render(lock(), "train", "linux-64")["train.linux-64.explicit.txt"]
    assert "vars set" not in plain and "wheel" not in plain and "does not describe" in plain


def test_export_header_has_the_digest_of_hosts():
    from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import plan

    digest = plan(lock(), "train", "linux-64")["digest"][:12]
    assert f"digest {digest}, 3 packages" in render(lock(), "train", "linux-64")["train.linux-64.explicit.txt"]


def test_export_uses_the_channel_alias():
    texts = render(
        lock(*lock().packages, package("tiny", "1.0", **WHEEL)),
        "train", "linux-64", "http://mirror.example:8000", "http://mirror.example:8000/simple/",
    )  # fmt: skip
    assert all(
        line.startswith("http://mirror.example:8000/conda-forge/")
        for line in lines(texts["train.linux-64.explicit.txt"])[1:]
    )
    assert "--index-url http://mirror.example:8000/simple/\n" in texts["train.linux-64.requirements.txt"]


def wheel(folder: Path, name="tiny", version="1.0") -> str:
    """Write a wheel of one module; returns its sha256."""
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": "value = 1\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: never-there\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        record = "".join(
            f"{file},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip('=')},"
            f"{len(text)}\n"
            for file, text in files.items()
        )
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_pip_installs_exported_requirements_and_refuses_other_contents(tmp_path):
    good = package("tiny", "1.0", **WHEEL, sha256=wheel(tmp_path))
    for wheel_package, code in ((good, 0), (replace(good, sha256="ab" * 32), 1)):
        text = render(lock(*lock().packages[:3], wheel_package), "train", "linux-64")["train.linux-64.requirements.txt"]
        (tmp_path / "r.txt").write_text(text)
        target = tmp_path / f"target{code}"
        done = subprocess.run(
            [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install", "--no-deps",
             "--no-index", "--find-links", str(tmp_path), "--target", str(target), "--requirement", "r.txt"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert (target / "tiny.py").exists() == (code == 0)
    assert "DO NOT MATCH THE HASHES" in done.stderr


def settings(tmp_path, **other) -> Settings:
    values = {"locks_dir": tmp_path / "locks", "dest": tmp_path / "out", "tiers": ("dev", "prod")} | other
    return Settings(**values)


@pytest.fixture
def site(tmp_path):
    """Two tiers that hold the same lock of one environment."""
    for tier in ("dev", "prod"):
        (tmp_path / "locks" / tier).mkdir(parents=True)
        (tmp_path / "locks" / tier / "train.conda-lock.yml").write_text(lock().dumps())
    return tmp_path


def test_second_export_changes_nothing(site):
    assert run(settings(site), write=False).changed and not (site / "out").exists()
    made = run(settings(site), write=True)
    assert made.changed and len(made.summary) == 4 and "3 packages  digest " in made.summary[0]
    written = {path.relative_to(site / "out"): path.read_bytes() for path in (site / "out").rglob("*.txt")}
    assert len(written) == 4
    assert written[Path("dev/train.linux-64.explicit.txt")] == written[Path("prod/train.linux-64.explicit.txt")]
    assert not run(settings(site), write=True).changed
    (site / "out/dev/train.linux-64.explicit.txt").write_text(exporting._HEADER + " once\n")
    assert [file.path.parent.name for file in run(settings(site), write=True).files if file.changed] == ["dev"]
    assert not run(settings(site), write=False).changed


def test_export_of_chosen_environments_and_platforms(site):
    made = run(settings(site, tiers=("prod",), envs=("train",), platforms=("osx-arm64",)), write=True)
    assert [str(file.path.relative_to(site)) for file in made.files if file.text] == [
        "out/prod/train.osx-arm64.explicit.txt"
    ]


def test_export_removes_requirements_that_the_lock_no_longer_has(site):
    path = site / "locks/dev/train.conda-lock.yml"
    path.write_text(lock(*lock().packages, package("tiny", "1.0", **WHEEL)).dumps())
    run(settings(site), write=True)
    file = site / "out/dev/train.linux-64.requirements.txt"
    assert "tiny==1.0 --hash=sha256:" + "ab" * 32 in file.read_text()
    path.write_text(lock().dumps())
    assert run(settings(site), write=False).changed and file.exists()
    assert run(settings(site), write=True).changed and not file.exists()
    file.write_text("numpy\n")
    assert not run(settings(site), write=True).changed and file.read_text() == "numpy\n", "a file of another tool"


def test_exports_of_a_removed_platform_are_reported(site):
    run(settings(site), write=True)
    (site / "locks/dev/train.conda-lock.yml").write_text(lock(*lock().packages[:3]).dumps())
    warnings = run(settings(site), write=True).warnings
    assert len(warnings) == 1 and "out/dev/train.osx-arm64.explicit.txt was exported from an older lock" in warnings[0]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"envs": ("trian",)}, "no lock of trian in "),
        ({"tiers": ("stage",)}, "no locks in "),
        ({"platforms": ("osx-64",)}, "no lock has packages for osx-64"),
        ({"channels": ("bioconda",)}, "channel conda-forge is not one of the allowed ones"),
        ({"channel_alias": "https://user:secret@mirror.example"}, "credentials"),
        ({"channel_alias": "https://mirror.example/t/secret"}, "credentials"),
        ({"channel_alias": "mirror"}, "not a url"),
        ({"pip_index": "https://u:secret@mirror.example/simple"}, "credentials"),
        ({"pip_index": "http://mirror.example/simple --extra-index-url http://x"}, "not a url"),
    ],
)
def test_invalid_export_settings_are_refused(site, other, message):
    with pytest.raises(ExportError, match=message) as raised:
        run(settings(site, **other), write=True)
    assert "secret" not in str(raised.value) and not (site / "out").exists()


def test_foreign_files_and_damaged_locks_prevent_all_writes(site):
    (site / "out/prod").mkdir(parents=True)
    (site / "out/prod/train.osx-arm64.explicit.txt").write_text("@EXPLICIT\n")
    with pytest.raises(ExportError, match="was not made by an export"):
        run(settings(site), write=True)
    assert [path.name for path in (site / "out").rglob("*.txt")] == ["train.osx-arm64.explicit.txt"]
    (site / "locks/dev/train.conda-lock.yml").write_text(lock().dumps().replace("zlib-1.3", "zlib-1.4"))
    with pytest.raises(ExportError, match="do not match the content hash"):
        run(settings(site), write=True)


def test_playbook_exports_and_checks(site):
    def play(*arguments):
        command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "playbooks/export.yml"]
        command += ["-e", f"lockstep_locks_dir={site}/locks", "-e", '{"lockstep_tiers": ["dev", "prod"]}', *arguments]
        environment = os.environ | {"ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout + done.stderr

    code, output = play()
    assert code == 2 and "-e dest=exported" in output
    there = f"dest={site}/out"
    code, output = play("-e", there, "--check", "--diff")
    assert code == 0 and "+@EXPLICIT" in output and not (site / "out").exists()
    code, output = play("-e", there, "-e", "tier=prod")
    assert code == 0 and "changed=1" in output and "prod/train" in output
    assert {path.parent.name for path in (site / "out").rglob("*.txt")} == {"prod"}
    assert "changed=0" in play("-e", there, "-e", "tier=prod", "--check")[1]
    code, output = play("-e", there, "-e", "env=trian")
    assert code == 2 and "no lock of trian" in output and "Traceback" not in output
