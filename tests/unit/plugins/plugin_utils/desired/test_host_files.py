"""What hosts hold of the project itself, and that it is all they need."""

from __future__ import annotations

import ast
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.build import rattler_runtime
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.module_utils.prefix.hashing import sha256_file
from ansible_collections.lockstep.fleet.plugins.module_utils.store.store import Store
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import host_files
from ansible_collections.lockstep.fleet.plugins.plugin_utils.net import wheel_cache

from tests.support.tiny_channel import MODULE_UTILS, zip_of


def imports_of(name: str) -> set[str]:
    """The modules beside it that a module imports, directly or not."""
    found = {name}
    todo = [name]
    while todo:
        module = todo.pop()
        for node in ast.walk(ast.parse((MODULE_UTILS / f"{module}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                folder = Path(module).parents[node.level - 1] / (node.module or "").replace(".", "/")
                inside = [(folder / alias.name).as_posix() for alias in node.names]
                names = [name for name in [folder.as_posix(), *inside] if (MODULE_UTILS / f"{name}.py").exists()]
                todo += [n for n in names if n not in found]
                found.update(names)
    return found


def test_host_files_are_the_import_closure_of_the_commands() -> None:
    wanted = imports_of("gc/cli") | imports_of("build/install_child")
    assert {Path(name).parts[0] for name in wanted} == set(host_files.PACKAGES)
    assert {f"lockstep_host/{name}.py" for name in wanted} <= set(host_files.tools())


def test_digest_of_host_files_covers_names_and_contents() -> None:
    files = host_files.tools()
    assert host_files.folder() == f"tools-{host_files.digest(files)[:12]}"
    changed = {**files, "lockstep_host/prefix/tree.py": host_files.HostFile("other", 0o644)}
    assert host_files.digest(changed) != host_files.digest(files)
    assert host_files.digest(dict(reversed(files.items()))) == host_files.digest(files)
    assert host_files.folder() in host_files.host_files()["bin/lockstep-clean"].text


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.13"])
def test_host_code_compiles_for_other_python_versions(tmp_path: Path, version: str) -> None:
    candidates = [
        *Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python"),
        Path(f"/usr/bin/python{version}"),
    ]
    python = next((path for path in candidates if path.exists()), None)
    if python is None:
        pytest.skip(f"no python {version} on this machine")
    package = tmp_path / "lockstep_host"
    package.mkdir()
    names = imports_of("gc/cli") | imports_of("build/build") | imports_of("build/rattler_runtime")
    for name in names:
        (package / name).parent.mkdir(exist_ok=True)
        (package / f"{name}.py").write_text((MODULE_UTILS / f"{name}.py").read_text())
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + "".join(
        f"import lockstep_host.{n.replace('/', '.')}\n" for n in sorted(names)
    )
    subprocess.run([python, "-I", "-S", "-c", code], check=True, capture_output=True)


class TestRattlerRuntime:
    @pytest.fixture
    def wheel(self, tmp_path: Path) -> Path:
        path = tmp_path / "py_rattler-1.0-cp310-abi3-manylinux2014_x86_64.whl"
        path.write_bytes(
            zip_of(
                {
                    "rattler/__init__.py": b"",
                    "rattler/rattler.abi3.so": b"ELF",
                    "x.dist-info/RECORD": b"rattler/__init__.py,sha256=x,0\nrattler/rattler.abi3.so,sha256=x,3\n"
                    b"x.dist-info/RECORD,,\n",
                }
            )
        )
        return path

    @pytest.fixture
    def wanted(self, tmp_path: Path, wheel: Path) -> rattler_runtime.Wanted:
        files = {path: (file.sha256, file.mode) for path, file in host_files.host_files().items()}
        return rattler_runtime.Wanted(str(tmp_path / "root"), "1.0", sha256_file(str(wheel)), files)

    @pytest.fixture
    def texts(self) -> dict[str, str]:
        return {path: file.text for path, file in host_files.host_files().items()}

    def test_installs_all_and_then_changes_nothing(
        self, wanted: rattler_runtime.Wanted, wheel: Path, texts: dict[str, str]
    ) -> None:
        missing = rattler_runtime.inspect(wanted)
        assert missing["rattler"] and sorted(missing["files"]) == sorted(texts)
        assert not Path(wanted.root).exists()  # looking makes nothing
        rattler_runtime.apply(wanted, str(wheel), texts)
        assert rattler_runtime.inspect(wanted) == {"rattler": False, "files": [], "superseded": []}
        root = Path(wanted.root)
        assert (root / "rattler/1.0/.complete").read_text() == wanted.sha256 + "\n"
        assert (root / "bin/lockstep-run").stat().st_mode & 0o777 == 0o755

    def test_repairs_altered_files_and_removes_old_ones(
        self, wanted: rattler_runtime.Wanted, wheel: Path, texts: dict[str, str]
    ) -> None:
        rattler_runtime.apply(wanted, str(wheel), texts)
        root = Path(wanted.root)
        victim = root / "rattler" / wanted.tools / "lockstep_host/gc/collect.py"
        victim.write_text("")
        (root / "bin/lockstep-run").chmod(0o700)
        for old in ("0.9", "tools-000000000000", ".1.0.new"):
            (root / "rattler" / old / "sub").mkdir(parents=True)
        found = rattler_runtime.inspect(wanted)
        assert sorted(found["files"]) == ["bin/lockstep-run", f"rattler/{wanted.tools}/lockstep_host/gc/collect.py"]
        assert len(found["superseded"]) == 3
        rattler_runtime.apply(wanted, "", texts)
        assert rattler_runtime.inspect(wanted) == {"rattler": False, "files": [], "superseded": []}
        assert {p.name for p in (root / "rattler").iterdir()} == {wanted.rattler, wanted.tools}

    @pytest.mark.parametrize("harm", [lambda f: f.write_bytes(b"E"), lambda f: f.rename(f.with_name("other.so"))])
    def test_reinstalls_an_incomplete_rattler_runtime(
        self, wanted: rattler_runtime.Wanted, wheel: Path, texts: dict[str, str], harm: Callable[[Path], object]
    ) -> None:
        rattler_runtime.apply(wanted, str(wheel), texts)
        harm(Path(wanted.root, "rattler/1.0/rattler/rattler.abi3.so"))
        assert rattler_runtime.inspect(wanted)["rattler"]
        rattler_runtime.apply(wanted, str(wheel), {})
        assert not rattler_runtime.inspect(wanted)["rattler"]

    def test_keeps_an_old_rattler_runtime_during_a_build(
        self, wanted: rattler_runtime.Wanted, wheel: Path, texts: dict[str, str]
    ) -> None:
        rattler_runtime.apply(wanted, str(wheel), texts)
        old = Path(wanted.root, "rattler/0.9")
        old.mkdir()
        with Store(wanted.root).locked("train"):
            rattler_runtime.apply(wanted, "", {})
        assert old.exists()
        rattler_runtime.apply(wanted, "", {})
        assert not old.exists()

    def test_refuses_a_wheel_with_another_checksum(
        self, wanted: rattler_runtime.Wanted, wheel: Path, texts: dict[str, str]
    ) -> None:
        wheel.write_bytes(wheel.read_bytes() + b"x")
        with pytest.raises(Problem, match="not the declared one"):
            rattler_runtime.apply(wanted, str(wheel), texts)
        assert not list(Path(wanted.root, "rattler").glob("*rattler*"))


class TestWheels:
    FILE = "py_rattler-1.0-cp310-abi3-manylinux2014_x86_64.whl"

    def test_wheel_is_copied_once_from_a_folder(self, tmp_path: Path) -> None:
        source = tmp_path / "source"
        source.mkdir()
        (source / self.FILE).write_bytes(b"wheel")
        sha256 = sha256_file(str(source / self.FILE))
        path = wheel_cache.wheel(self.FILE, sha256, str(source), tmp_path / "cache")
        (source / self.FILE).unlink()
        assert path == wheel_cache.wheel(self.FILE, sha256, str(source), tmp_path / "cache")
        path.write_bytes(b"broken")
        with pytest.raises(Problem, match="is not at"):
            wheel_cache.wheel(self.FILE, sha256, str(source), tmp_path / "cache")

    def test_wheel_with_another_checksum_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / self.FILE).write_bytes(b"wheel")
        with pytest.raises(Problem, match="not the declared one"):
            wheel_cache.wheel(self.FILE, "0" * 64, f"file://{tmp_path}", tmp_path / "cache")

    @pytest.mark.parametrize("said", [
        b"", b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", b"HTTP/1.1 404 No\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz",
    ])  # fmt: skip
    def test_server_that_breaks_off_or_sends_no_http_is_reported(self, tmp_path: Path, said: bytes) -> None:
        def answer(server: socket.socket) -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(said)

        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=answer, args=(server,), daemon=True).start()
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            with pytest.raises(Problem, match=rf"cannot be fetched from {url}/{self.FILE}. Cause: .+"):
                wheel_cache.wheel(self.FILE, "0" * 64, url, tmp_path / "cache")

    def test_pip_is_called_with_checksum_and_platform(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []

        def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
            calls.append(command)
            return subprocess.CompletedProcess(command, 1, "", "ERROR: could not reach http://user:secret@index/simple")

        monkeypatch.setattr(subprocess, "run", run)
        with pytest.raises(Problem, match="pip printed") as caught:
            wheel_cache.wheel(self.FILE, "0" * 64, "", tmp_path / "cache")
        assert "secret" not in str(caught.value)
        assert calls[0][:4] == [sys.executable, "-m", "pip", "download"]
        assert {"--require-hashes", "manylinux2014_x86_64", "--only-binary=:all:"} <= set(calls[0])
        assert not [word for word in calls[0] if "index-url" in word]
