"""Modules piped to a Python as one program: imported as from files, and nothing of them on the disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit import observer_bundle

OLD = Path.home() / ".pyenv/versions/3.9.18/bin/python3.9"
MODULES = {
    "shared.py": "from __future__ import annotations\n\nWORD = 'shared'\n",
    "tool/__init__.py": '"""A package."""\n',
    "tool/first.py": "from .. import shared\nfrom .second import twice\n\n\ndef main(text):\n"
    "    print(twice(shared.WORD), ascii(text))\n",
    "tool/second.py": "def twice(word):\n    return word * 2\n",
    "tool/late.py": "def main(text):\n    x = 1\n    return x / int(text)\n",
    "tool/broken.py": "from . import second\n\nWORD = second.nothing\n",
}


@pytest.fixture(
    params=[
        pytest.param(sys.executable, id="this-python"),
        pytest.param(str(OLD), id="python3.9", marks=pytest.mark.skipif(not OLD.exists(), reason="no Python 3.9 here")),
    ]
)
def python(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in MODULES.items():
        path = tmp_path / "sources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "sources"


def run(python: str, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Pipe a program that has the modules and then does something, in a folder where others of their names lie."""
    here = folder.parent / "here"
    (here / "lockstep_host").mkdir(parents=True)
    (here / "lockstep_host/__init__.py").write_text("raise SystemExit('this is another one')\n")
    before = sorted(folder.parent.rglob("*"))
    source = observer_bundle.importer(("shared", "tool"), folder) + code
    done = subprocess.run(
        [python, "-I", "-S", "-B", "-"], input=source, capture_output=True, text=True, timeout=60, cwd=here
    )
    assert sorted(folder.parent.rglob("*")) == before, "something was written"
    return done


def test_bundle_resolves_relative_imports(python: str, folder: Path) -> None:
    done = run(python, folder, "from lockstep_host.tool.first import main\nmain('x')\n")
    assert (done.stdout, done.stderr) == ("sharedshared 'x'\n", "")


@pytest.mark.parametrize(
    ("code", "file", "line", "error"),
    [
        ("import lockstep_host.tool.late as m\nm.main('0')\n", "tool/late.py", 3, "ZeroDivisionError"),
        (
            "import lockstep_host.tool.broken\n",
            "tool/broken.py",
            3,
            "AttributeError: module 'lockstep_host.tool.second'",
        ),
        ("import lockstep_host.tool.absent\n", "<stdin>", 0, "No module named 'lockstep_host.tool.absent'"),
    ],
    ids=["in-a-function", "at-import", "no-such-module"],
)
def test_bundle_error_names_module_and_line(
    python: str, folder: Path, code: str, file: str, line: int, error: str
) -> None:
    done = run(python, folder, code)
    assert done.returncode == 1
    where = f'File "lockstep_host/{file}", line {line}' if line else f'File "{file}"'
    assert where in done.stderr
    assert error in done.stderr


def test_bundle_of_a_missing_module_is_refused(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere[.]py"):
        observer_bundle.importer(("shared", "nowhere"), folder)


def test_bundle_keeps_any_module_text(python: str, folder: Path) -> None:
    word = '\'"\\ \\n {} """ \u00e4 \U0001f600'
    (folder / "shared.py").write_text(f"WORD = {word!r}\n", encoding="utf-8")
    done = run(python, folder, "from lockstep_host.shared import WORD\nprint(ascii(WORD))\n")
    assert done.stdout == ascii(word) + "\n"


def test_bundle_keeps_any_request(monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path) -> None:
    for shared in set(observer_bundle.OBSERVER) - {"observe"}:
        (folder / shared).parent.mkdir(exist_ok=True)
        (folder / shared).parent.joinpath("__init__.py").write_text("")
        (folder / f"{shared}.py").write_text("")
    (folder / "observe").mkdir()
    (folder / "observe/__init__.py").write_text("")
    (folder / "observe/main.py").write_text("def main(text):\n    print(ascii(text))\n")
    whole = observer_bundle.importer
    monkeypatch.setattr(observer_bundle, "importer", lambda names: whole(names, folder))
    request = '{"root": "/o\'pt/\\u00e4", "x": "\\n"}\n\u00e4'
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-"],
        input=observer_bundle.observer(request).encode("ascii"),
        capture_output=True,
        timeout=60,
    )
    assert done.stdout.decode() == ascii(request) + "\n"
