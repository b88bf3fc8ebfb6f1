"""Modules of hosts as Ansible calls them: errors are reported as text."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.lockstep.fleet.plugins.modules import env_info, managed_files, miniconda, rattler


@pytest.fixture(autouse=True)
def ordinary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be an ordinary user, as far as the modules can tell."""
    for module in (rattler, miniconda, managed_files):
        monkeypatch.setattr(module, "refuse_root", lambda: None)


def call(module: Any, capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


@pytest.mark.parametrize("mode", ["u=rw", "0o9", "-1", "77777", ""])
def test_managed_files_refuses_an_invalid_mode(mode: str, tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    files = [{"path": str(tmp_path / "x"), "content": "x", "mode": mode}]
    answer = call(managed_files, capsys, files=files)
    assert answer["failed"] and f"mode {mode!r} is none" in answer["msg"] and not (tmp_path / "x").exists()


def test_managed_files_creates_no_folder_with_make_folder_false(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of Miniconda's with nothing but a .condarc could not be installed to any more."""
    path = tmp_path / "miniconda/.condarc"
    files = [{"path": str(path), "content": "x", "make_folder": False}]
    assert call(managed_files, capsys, files=files, _ansible_check_mode=True)["changed"]
    answer = call(managed_files, capsys, files=files)
    assert answer["failed"] and f"{path.parent} is not there" in answer["msg"] and not path.parent.exists()
    path.parent.mkdir()
    assert call(managed_files, capsys, files=files)["changed"] and path.read_text() == "x"
    assert not call(managed_files, capsys, files=files)["changed"]


def test_env_info_refuses_an_unsupported_machine_type(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*names[:4], "riscv64")))
    answer = call(env_info, capsys, name="train", root=str(tmp_path))
    assert answer["failed"] and "no rattler runtime for machine type riscv64" in answer["msg"]


def test_miniconda_diff_names_missing_freeze_markers(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    version, prefix = "py312_26.5.3-1", tmp_path / "miniconda"
    for folder in ("bin", "conda-meta", "lib/python3.12"):
        (prefix / folder).mkdir(parents=True)
    for name in ("conda", "python"):
        (prefix / "bin" / name).touch(0o755)
    (prefix / ".lockstep-base.json").write_text(json.dumps({"version": version}))
    name = f"Miniconda3-{version}-Linux-{os.uname().machine}.sh"
    arguments = {"root": str(tmp_path), "prefix": str(prefix), "version": version, "base_url": "http://127.0.0.1:9",
                 "installers": {name: "0" * 64}}  # fmt: skip
    diff = call(miniconda, capsys, **arguments, _ansible_check_mode=True)["diff"]
    thawed = "not frozen: conda-meta/frozen\nnot frozen: lib/python3.12/EXTERNALLY-MANAGED\n"
    assert (diff["before"], diff["after"]) == (f"ours {version}\n{thawed}", f"ours {version}\n")
    assert call(miniconda, capsys, **arguments)["action"] == "freeze"
    answer = call(miniconda, capsys, **arguments)
    assert not answer["changed"] and answer["diff"] == {}


def test_miniconda_check_mode_without_a_root(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "not/there"
    name = f"Miniconda3-py312_26.5.3-1-Linux-{os.uname().machine}.sh"
    answer = call(
        miniconda, capsys, root=str(root), prefix=f"{root}/miniconda", version="py312_26.5.3-1",
        base_url="http://127.0.0.1:9", installers={name: "0" * 64}, _ansible_check_mode=True,
    )  # fmt: skip
    assert answer["changed"] and answer["action"] == "install" and not root.parent.exists()
    assert answer["diff"]["before"] == "absent\n" and answer["diff"]["after"] == "ours py312_26.5.3-1\n"


def test_rattler_refuses_a_wheel_of_another_version(tmp_path: Any, capsys: Any) -> None:
    wheel = {"file": "py_rattler-0.28.0-cp310-abi3-x.whl", "sha256": "0" * 64}
    wheels = {"linux-64": wheel, "linux-aarch64": wheel}
    arguments = {"root": str(tmp_path), "wheels": wheels, "_ansible_check_mode": True}
    assert "is not of version 0.29.0" in call(rattler, capsys, **arguments, version="0.29.0")["msg"]
    assert call(rattler, capsys, **arguments, version="0.28.0")["changed"]
