"""A package index (PEP 503) of small wheels in a folder, for tests of everything that uv or pip do."""

import base64
import hashlib
import re
import zipfile
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.solve import pip_solver


class Index:
    """A package index in a folder; `url` is its file:// address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    @property
    def url(self) -> str:
        """The address of its top page's folder."""
        return self.folder.as_uri()

    def add(
        self, name: str, version: str, *requires: str, tag: str = "py3-none-any", files: dict[str, bytes] | None = None,
        scripts: str = "",
    ) -> dict[str, str]:  # fmt: skip
        """Write a wheel and the page of its project; return it as a plan has it."""
        project = re.sub(r"[-_.]+", "-", name).lower()
        here = self.folder / project
        here.mkdir(exist_ok=True)
        stem = f"{name.replace('-', '_')}-{version}"
        info = f"{stem}.dist-info"
        lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {r}" for r in requires)]
        content = {f"{name.replace('-', '_')}.py": f"tag = {tag!r}\n".encode()} | (files or {})
        content |= {
            f"{info}/METADATA": ("\n".join(lines) + "\n").encode(),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        } | ({f"{info}/entry_points.txt": f"[console_scripts]\n{scripts}\n".encode()} if scripts else {})
        record = [f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in content.items()]
        content[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"]).encode()
        file = here / f"{stem}-{tag}.whl"
        with zipfile.ZipFile(file, "w") as wheel:
            for path, data in content.items():
                wheel.writestr(zipfile.ZipInfo(path), data)
        self.write(project)
        return {
            "name": project, "version": version, "file_name": file.name, "sha256": _sha256(file),
            "url": f"https://index.example/{project}/{file.name}",
        }  # fmt: skip

    def write(self, project: str) -> None:
        """Write the page of a project from its files."""
        files = sorted((self.folder / project).glob("*.whl"))
        page = "".join(f'<a href="{file.name}#sha256={_sha256(file)}">{file.name}</a>\n' for file in files)
        (self.folder / project / "index.html").write_text(page)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


@pytest.fixture
def published_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock wants urls of servers: the folder's urls are written as if one served it."""
    clean = pip_solver._clean
    monkeypatch.setattr(pip_solver, "_clean", lambda url: clean(url).replace("file:///", "https://index.example/"))


@pytest.fixture
def index(tmp_path: Path, published_urls: None) -> Index:
    """An index of wheels that depend on each other, and one with wheels for several platforms."""
    made = Index(tmp_path / "simple")
    made.add("accelerate", "1.0", "torch>=2", "tqdm")
    made.add("accelerate", "2.0", "torch>=3", "tqdm")
    made.add("torch", "9.9", "nvidia-everything")
    made.add("tqdm", "4.1")
    made.add("tqdm", "4.2")
    for tag in ("py3-none-any", "cp312-cp312-manylinux_2_17_x86_64", "cp39-abi3-manylinux_2_17_x86_64",
                "cp312-cp312-manylinux_2_39_x86_64", "cp312-cp312-manylinux_2_28_aarch64",
                "cp312-cp312-macosx_11_0_arm64"):  # fmt: skip
        made.add("native", "1.0", tag=tag)
    return made
