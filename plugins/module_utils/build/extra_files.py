"""Write what a generation holds besides its packages: history, freezing, variables, hooks. Python 3.9, stdlib."""

from __future__ import annotations

import json
import os
import shlex

from ..host import fs
from ..host import install_plan as plans
from ..host.install_plan import InstallPlan
from ..host.redaction import redact
from ..prefix.marker import FOLDER

EXTERNALLY_MANAGED = """[externally-managed]
Error=This environment is shared by all users of this host and never changed in place.
 For one more package, put an environment of your own on top of it:
     python -m venv --system-site-packages ~/venvs/mine
     ~/venvs/mine/bin/pip install PACKAGE
 To change it for everybody, change its spec and its lock.
"""
FROZEN = {
    "message": "This environment is shared and never changed in place. Change its spec and its lock, "
    "or make an environment of your own."
}


def library(plan: InstallPlan) -> str:
    """Return the folder of an environment's standard library ("lib/python3.12"), or "" without a python."""
    for package in plan.packages:
        if package.name == "python":
            site_packages = package.python_site_packages_path
            short = ".".join(package.version.split(".")[:2])
            return str(os.path.dirname(site_packages)) if site_packages else f"lib/python{short}"
    return ""


def pip_command(plan: InstallPlan, place: str, miniconda: str) -> list[str]:
    """Return the command that runs pip for an environment: its own, else Miniconda's.

    :param place: where the environment is
    :param miniconda: interpreter whose pip is used where the environment has none of its own
    """
    python = os.path.join(place, "bin", "python")
    if any(package.name == "pip" for package in plan.packages):
        return [python, "-I", "-B", "-m", "pip"]
    return [miniconda, "-I", "-B", "-m", "pip", "--python", python]


def package_variables(new: str) -> dict[str, str]:
    """Return the variables that packages bring in `etc/conda/env_vars.d`, as `conda activate` takes them.

    A file that does not map names to values is left out, and so is a variable that would replace PATH.

    :raises OSError: if a file cannot be read
    """
    folder = os.path.join(new, "etc", "conda", "env_vars.d")
    found: dict[str, str] = {}
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        try:
            items = json.loads(fs.read_file(os.path.join(folder, name))).items()
        except (ValueError, AttributeError):
            continue
        found.update({str(key).upper(): str(value) for key, value in items})
    return {
        key: value
        for key, value in found.items()
        if plans.VARIABLE.match(key) and key != "PATH" and value != "***unset***"
    }


def files_of(plan: InstallPlan, hooks: str, packaged: dict[str, str]) -> dict[str, str]:
    """Return the files that are written into a generation, path to text.

    :param hooks: folder with `activate.d` and `deactivate.d`
    :param packaged: `package_variables`; those of the plan win
    :raises OSError: if a hook cannot be read
    """
    channel = redact(plan.channel).rstrip("/").rsplit("/", 1)[-1]
    history = "".join(f"+{channel}/{p.subdir}::{p.stem}\n" for p in plan.packages)
    variables = sorted({**packaged, **plan.variables}.items())
    files = {
        # without a history, conda takes every package for unwanted
        "conda-meta/history": f"==> lockstep {plan.name} {plan.digest} <==\n{history}",
        "conda-meta/frozen": json.dumps(FROZEN) + "\n",  # CEP 22
        f"{FOLDER}/variables.sh": "".join(f"export {key}={shlex.quote(value)}\n" for key, value in variables),
    }
    if plan.variables:
        files["conda-meta/state"] = json.dumps({"env_vars": plan.variables, "version": 1}, sort_keys=True) + "\n"
    if library(plan):
        files[f"{library(plan)}/EXTERNALLY-MANAGED"] = EXTERNALLY_MANAGED  # PEP 668
    for folder in ("activate.d", "deactivate.d"):
        for name in sorted(os.listdir(os.path.join(hooks, folder))):
            files[f"etc/conda/{folder}/{name}"] = fs.read_file(os.path.join(hooks, folder, name))
    return files


def write_ours(new: str, plan: InstallPlan, hooks: str) -> list[str]:
    """Write those files into a fresh tree; return their paths.

    :raises OSError: if one cannot be written
    """
    files = files_of(plan, hooks, package_variables(new))
    for path, text in files.items():
        full = os.path.join(new, path)
        os.makedirs(os.path.dirname(full), 0o755, exist_ok=True)
        fs.remove(full)  # never into an inode that is shared
        fs.write_file(full, text)
    return list(files)
