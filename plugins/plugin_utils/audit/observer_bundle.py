"""Modules of `module_utils` as one program for a host's `python3 -I -S -B -`: nothing is written to the host's disk.

The program holds the modules' texts and imports them from memory: as Python imports them from files, so that they need
no order, relative imports work, and an error names its module and line.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / "module_utils"

OBSERVER = (
    "prefix", "observe", "build/runtime_inspection", "miniconda/inspection",
    "host/errors", "host/install_plan", "host/reading", "host/redaction",
)  # fmt: skip
"""The observer, and what it shares with the installer."""

IMPORTER = """\
import sys
from importlib.machinery import ModuleSpec

MODULES = {modules!a}


class InMemory:
    def find_spec(self, name, path=None, target=None):
        if name not in MODULES:
            return None
        file = MODULES[name][0]
        return ModuleSpec(name, self, origin=file, is_package=file.endswith("/__init__.py"))

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        file, text = MODULES[module.__name__]
        exec(compile(text, file, "exec"), module.__dict__)


sys.meta_path.insert(0, InMemory())
"""


@cache
def importer(names: tuple[str, ...], folder: Path = FOLDER) -> str:
    """Return Python 3.9 that makes modules importable, from a package `lockstep_host`.

    :param names: of packages (with all their modules) and modules, as paths below the folder
    :raises OSError: if one cannot be read
    """
    files: list[Path] = []
    for name in names:
        parents = [folder / parent / "__init__.py" for parent in Path(name).parents if parent.name]
        files += [file for file in parents if file not in files]
        files += sorted((folder / name).glob("*.py")) or [folder / f"{name}.py"]
    modules = {"lockstep_host": ("lockstep_host/__init__.py", "")}
    for file in files:
        path = "lockstep_host/" + file.relative_to(folder).as_posix()
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        modules[name] = (path, file.read_text(encoding="utf-8"))
    return IMPORTER.format(modules=modules)


def observer(request: str) -> str:
    """Return the program that answers a request (JSON) to the observer.

    :raises OSError: if the collection is not whole
    """
    return f"{importer(OBSERVER)}\nfrom lockstep_host.observe.main import main\n\nmain({request!a})\n"
