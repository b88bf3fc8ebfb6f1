"""Run ``ansible-test sanity`` on the installed collection: ``python tests/sanity/run.py [-t TEST]... [REPORT.xml]``.

The collection is built from the files that git knows, installed into a temporary folder and tested there: the checkout
itself holds links and files that no user of the collection gets. The virtual environments of the tests are kept in
LOCKSTEP_CACHE, which makes a second run fast.
"""

from __future__ import annotations

import argparse
import ast
import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
# Hosts have 3.9 or later (config.yml), the controller 3.11 or later.
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
NOT_APPLICABLE = "No tests applicable."


class SanityError(Exception):
    """The tests could not be run. The text says what failed, why, and what to do."""


def run(*argv: str | Path, cwd: Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a command and return its output.

    :raises SanityError: with the command's output, where it fails
    """
    done = subprocess.run(
        [str(a) for a in argv], cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SanityError(f"{' '.join(map(str, argv))} failed:\n{done.stderr or done.stdout}")
    return done.stdout


def install(folder: Path) -> Path:
    """Build the collection from the files that git knows and install it below `folder`; return where it is.

    :raises SanityError: where the collection cannot be built or installed
    """
    source = folder / "source"
    for name in run("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT).split("\0"):
        file = ROOT / name
        if name and (file.is_file() or file.is_symlink()):
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target, follow_symlinks=False)
    run(BIN / "ansible-galaxy", "collection", "build", "--output-path", folder, source, cwd=folder)
    (tarball,) = folder.glob("*.tar.gz")
    run(
        BIN / "ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", folder, tarball, cwd=folder
    )  # fmt: skip
    (manifest,) = (folder / "ansible_collections").glob("*/*/MANIFEST.json")
    tests = manifest.parent / "tests"
    (tests / "sanity").mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "config.yml", tests / "config.yml")
    for ignored in HERE.glob("ignore-*.txt"):
        shutil.copy(ignored, tests / "sanity")
    return manifest.parent


def keep_pip_settings(home: Path) -> None:
    """Write pip's settings of this environment into `home`: ansible-test gives pip a home and hardly any variables."""
    lines = run(sys.executable, "-m", "pip", "config", "list", cwd=ROOT).splitlines()
    found = configparser.RawConfigParser()
    found.add_section("global")
    for line in sorted(
        lines, key=lambda text: text.startswith(":env:")
    ):  # the environment's settings come last and win
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        section = "global" if section == ":env:" else section
        if section not in found:
            found.add_section(section)
        found.set(section, key, str(ast.literal_eval(value)))
    settings = found["global"]
    environment = os.environ
    authorities = environment.get("REQUESTS_CA_BUNDLE") or environment.get("SSL_CERT_FILE")
    proxy = environment.get("HTTPS_PROXY") or environment.get("https_proxy")
    if authorities:
        settings.setdefault("cert", authorities)
    if proxy:
        settings.setdefault("proxy", proxy)
    file = home / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:  # may hold credentials
        found.write(out)


def bootstrap(home: Path) -> None:
    """Give ansible-test what it installs pip with, where it cannot download that itself.

    :raises SanityError: where this ansible-test gets pip in another way
    """
    package = Path(run(sys.executable, "-c", "import ansible_test; print(ansible_test.__path__[0])", cwd=ROOT).strip())
    setup = (package / "_util/target/setup/requirements.py").read_text()
    versions = (package / "_internal/python_requirements.py").read_text()
    url, name = re.search(r"url = '(.+)' % pip_version", setup), re.search(r"~/(.+)' % pip_version\.replace", setup)
    version = re.search(r"\bpip='([\d.]+)'", versions)
    if not (url and name and version):
        raise SanityError(f"{package} does not name its pip bootstrap script; see bootstrap() in {Path(__file__).name}")
    kept = home / (name[1] % version[1].replace(".", "_"))
    ours = (HERE / "bootstrap.py").read_text()
    first = ours.splitlines()[0]  # of each version of the file
    if kept.exists() and not kept.read_text().startswith(first):
        return
    address = url[1] % version[1]
    try:
        with urllib.request.urlopen(address, timeout=15):
            kept.unlink(missing_ok=True)
    except (urllib.error.URLError, OSError) as error:
        why = getattr(error, "reason", error)
        print(
            f"sanity: cannot reach {address} ({why}): tests/sanity/bootstrap.py installs pip {version[1]} instead",
            flush=True,
        )
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(ours)


def interpreter(version: str) -> Path | None:
    """Find a Python of this version ("3.9") that runs and can make virtual environments: on PATH, else pyenv's."""
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    folders = [BIN, *map(Path, os.get_exec_path()), *sorted(pyenv.glob(f"{version}.*/bin"), reverse=True)]
    for found in (folder / name for folder in folders if (folder / name).is_file()):
        check = "import sys, venv, ensurepip; print(*sys.version_info[:2], sep='.')"
        done = subprocess.run([found, "-I", "-c", check], capture_output=True, text=True, check=False)
        if done.stdout.strip() == version:
            return found
    return None


def interpreters() -> dict[str, Path]:
    """Find the Pythons that the collection is for, and name those that are missing."""
    found = {version: interpreter(version) for version in PYTHONS}
    missing = [version for version, python in found.items() if python is None]
    if missing:
        print(f"sanity: not run: compile and import on Python {', '.join(missing)}: not on this machine", flush=True)
    return {version: python for version, python in found.items() if python}


def collect(folder: Path, report: Path | None) -> int:
    """Put ansible-test's reports together, name what was not run, and return the number of tests that ran."""
    suites, ran = ElementTree.Element("testsuites"), 0
    for file in sorted(folder.glob("*.xml")):
        for suite in ElementTree.parse(file).getroot().iter("testsuite"):
            skipped = suite.find("testcase/skipped")
            reason = None if skipped is None else skipped.text or skipped.get("message", "")
            if reason == NOT_APPLICABLE:
                continue
            if reason is None:
                ran += 1
            else:
                print(f"sanity: not run: {reason}")
            suites.append(suite)
    if report:
        ElementTree.ElementTree(suites).write(report, encoding="utf-8", xml_declaration=True)
    return ran


def sanity(report: Path | None, tests: list[str]) -> int:
    """Install the collection, run the tests named (all where none are) and return ansible-test's exit code.

    :raises SanityError: where the tests could not be run
    """
    cache = Path(os.environ.get("LOCKSTEP_CACHE") or Path.home() / ".cache" / "lockstep")
    home = cache / "ansible-test"
    home.mkdir(parents=True, exist_ok=True)
    bootstrap(home)
    keep_pip_settings(home)
    with tempfile.TemporaryDirectory(prefix="lockstep-sanity-") as temporary:
        place = install(Path(temporary))
        pythons = interpreters()
        folders = dict.fromkeys([BIN, *(python.parent for python in pythons.values()), *os.get_exec_path()])
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")},
            "HOME": str(home),
            "PATH": os.pathsep.join(map(str, folders)),
            "LC_ALL": "C.UTF-8",
        }
        options = ["--controller", "origin:python=default"]
        options += [f"--target-python={version}@{python}" for version, python in pythons.items()]
        options += [f"--test={test}" for test in tests]
        code = subprocess.run(
            [BIN / "ansible-test", "sanity", "--junit", "--color", "no", *options],
            cwd=place, env=environment, stdin=subprocess.DEVNULL, check=False,
        ).returncode  # fmt: skip
        ran = collect(place / "tests" / "output" / "junit", report)
    if not ran:
        raise SanityError("ansible-test ran no test; what it printed above says why")
    return code


def main() -> int:
    """Read the command line, run, and return the exit code."""
    parser = argparse.ArgumentParser(description="Run ansible-test sanity on the built and installed collection.")
    parser.add_argument("report", nargs="?", type=Path, help="the JUnit report to write")
    parser.add_argument("-t", "--test", action="append", default=[], help="run this test only; may be repeated")
    options = parser.parse_args()
    try:
        return sanity(options.report, options.test)
    except SanityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
