"""Wheels of a plan: fetched once by their hashes, then installed by pip beside conda's files, never over them.

pip downloads into `<root>/wheels/<sha256>/<file>` and installs from there without an index, so that a repair needs no
network. What pip wrote is verified: each file against the wheel's own RECORD, and no file of a conda package may
have changed. Python 3.9, standard library.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
import os
import re
import subprocess
from typing import NamedTuple
from urllib.parse import urlsplit

from ..host import fs
from ..host.child_env import clean_environment
from ..host.errors import Problem
from ..host.install_plan import InstallPlan, PlannedWheel
from ..host.redaction import redact
from ..prefix.hashing import entries_of, files_of, sha256_file
from ..prefix.manifest import Entry
from ..prefix.marker import FOLDER
from ..store.store import Store
from .extra_files import pip_command

SECONDS = 7200  # limit of one pip command: wheels of gigabytes come over slow lines
RESERVED = ("conda-meta/", "etc/conda/", FOLDER + "/")  # these decide what activation does
INSTALLED = "lockstep"  # what INSTALLER says, unlike the files of a user's `pip install`

# what pip says -> (what it means, what to do); the first that matches counts
KINDS = (
    (r"No space left on device|Disk quota exceeded",
     "the disk is full", "make room: bin/lockstep-clean removes retired generations and unused packages"),
    (r"DO NOT MATCH THE HASHES|THESE PACKAGES DO NOT MATCH",
     "what the index delivers is not the file that was locked",
     "if the index rebuilt the file, lock again; if a mirror or proxy damages it, repair that"),
    (r"ConnectionError|NewConnectionError|Connection refused|timed out|Temporary failure|Connection broken|"
     r"IncompleteRead|Connection aborted|Connection reset",
     "the package index cannot be reached, or breaks off",
     "check the host's network and proxy, and lockstep_pip_index; run again"),
    (r"SSLError|CERTIFICATE_VERIFY_FAILED",
     "the package index's certificate is not trusted", "install the site's certificate authority on the host"),
    (r"40[13] ", "the package index refuses access", "give this host's user the index's credentials (~/.netrc)"),
    (r"No matching distribution found",
     "the package index does not have it",
     "if it was withdrawn, lock again; if this is a mirror, complete it with playbooks/mirror.yml"),
)  # fmt: skip


class Fetched(NamedTuple):
    """The folders that hold a plan's wheels, and what had to be downloaded for that."""

    folders: list[str]
    downloaded: list[str]
    size: int


class Runner(NamedTuple):
    """How pip is run: the store, the plan, the tree that is being built, where it will be, and the locks held."""

    store: Store
    plan: InstallPlan
    new: str
    final: str
    fds: tuple[int, ...]

    def pip(self, arguments: list[str], scratch: str, own_settings: bool) -> str:
        """Run pip for the tree's python; return what it said, or raise Problem.

        :param own_settings: whether pip follows the site's configuration (index, proxy, certificates)
        """
        env = clean_environment({"TMPDIR": scratch, "PIP_NO_CACHE_DIR": "1", "NO_COLOR": "1"})
        if own_settings:  # what an administrator set for this user steers where things come from, not what they are
            env.update({key: value for key, value in os.environ.items() if key.startswith("PIP_")})
            env["PIP_REQUIRE_VIRTUALENV"] = "0"  # people's pip is kept off by that, not this one
        else:
            env["PIP_CONFIG_FILE"] = os.devnull  # --isolated alone still heeds /etc/pip.conf
        command = [*pip_command(self.plan, self.new, self.store.python), *arguments]
        what = f"environment {self.plan.name}: its wheels cannot be {arguments[0]}ed"
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/", env=env,
                pass_fds=self.fds, timeout=SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Problem(what, f"pip did not end within {SECONDS} s", "check the network, and run again") from None
        said = redact(done.stdout.decode(errors="replace"))
        if done.returncode:
            raise self._explained(what, said)
        return said

    def _explained(self, what: str, said: str) -> Problem:
        if "No module named pip" in said:
            return Problem(what, "neither the environment nor Miniconda has pip", "add pip to the spec and lock again")
        lines = [line.strip() for line in said.splitlines() if line.strip() and "[notice]" not in line]
        first = next((number for number, line in enumerate(lines) if line.startswith("ERROR")), max(len(lines) - 4, 0))
        told = " | ".join(lines[first:])[:900]
        for pattern, meaning, remedy in KINDS:
            if re.search(pattern, said):
                return Problem(what, f"{meaning}: {told}", remedy)
        return Problem(what, f"pip said: {told}", "run again; if it stays, report it with this text")


def check_index(index: str) -> None:
    """Check that an index's url may be shown.

    :raises Problem: if it holds credentials
    """
    if "@" in urlsplit(index).netloc:
        raise Problem(
            f"lockstep_pip_index {redact(index)} holds credentials",
            "they would be seen in logs, and by everybody who lists processes while pip runs",
            "put them into the ~/.netrc of the controller and of the hosts' user",
        )


def path_of(store: Store, wheel: PlannedWheel) -> str:
    """Return where a wheel is kept."""
    return os.path.join(store.wheels, wheel.sha256, wheel.file_name)


def fetch(runner: Runner, index: str) -> Fetched:
    """Ensure that all wheels of the plan are in the cache, verified.

    :param index: url of the package index; "": the one that this host's pip is set up for
    :raises Problem: if one cannot be had
    :raises OSError: if one cannot be written
    """
    store, plan = runner.store, runner.plan
    missing = []
    for wheel in plan.pip:
        path = path_of(store, wheel)
        try:
            if sha256_file(path) == wheel.sha256:
                continue
            os.unlink(path)
        except FileNotFoundError:
            pass
        missing.append(wheel)
    size = 0
    if missing:
        scratch = os.path.join(store.wheels, f".{plan.name}.new")
        fs.remove(scratch)
        os.makedirs(os.path.join(scratch, "tmp"), 0o755)
        try:
            source = []
            if index:
                source = ["--index-url", index]
                if index.startswith("http://"):  # the files are verified by their hashes
                    source += ["--trusted-host", urlsplit(index).netloc.rpartition("@")[2]]
            runner.pip(
                ["download", "--dest", scratch, *source, *_exactly(missing, scratch)],
                os.path.join(scratch, "tmp"), own_settings=True,
            )  # fmt: skip
            size = _take(store, missing, scratch)
        finally:
            fs.remove(scratch)
    return Fetched(
        [os.path.dirname(path_of(store, wheel)) for wheel in plan.pip], [wheel.name for wheel in missing], size
    )


def _exactly(wheels: list[PlannedWheel], folder: str) -> list[str]:
    """Return pip's arguments for these wheels and nothing else, by a file of requirements in a folder."""
    path = os.path.join(folder, "requirements.txt")
    lines = [f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels]
    fs.write_file(path, "".join(lines))
    return ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--progress-bar", "off", "--requirement", path]


def _take(store: Store, missing: list[PlannedWheel], scratch: str) -> int:
    """Move what was downloaded to its place, by its content; return the bytes."""
    found = {}
    for name in os.listdir(scratch):
        if name.endswith(".whl"):
            path = os.path.join(scratch, name)
            found[sha256_file(path)] = path
    size = 0
    for wheel in missing:
        source = found.get(wheel.sha256)
        if source is None:
            raise Problem(
                f"{wheel.name} {wheel.version} did not arrive as it was locked",
                f"pip downloaded another file than {wheel.file_name}",
                "lock again",
            )
        size += os.path.getsize(source)
        path = path_of(store, wheel)
        os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
        os.chmod(source, 0o644)
        os.replace(source, path)
    return size


def install(runner: Runner, fetched: Fetched, found: dict[str, os.stat_result]) -> dict[str, Entry]:
    """Install the wheels into the new tree; return the manifest's entries of their files, adding them to `found`.

    :param found: lstat of every file of conda's
    :raises Problem: if pip fails, or a wheel would replace a file of conda's
    :raises OSError: if something cannot be read or written
    """
    for path in [path for path in found if path.startswith("conda-meta/")]:  # completed since it was read
        found[path] = os.lstat(os.path.join(runner.new, path))
    scratch = runner.new + ".pip.new"
    fs.remove(scratch)
    os.mkdir(scratch, 0o755)
    try:
        sources = [word for folder in fetched.folders for word in ("--find-links", folder)]
        runner.pip(
            ["install", "--isolated", "--no-index", *sources, "--no-compile", "--no-warn-script-location",
             "--ignore-installed", "--break-system-packages", *_exactly(runner.plan.pip, scratch)],
            scratch, own_settings=False,
        )  # fmt: skip
    finally:
        fs.remove(scratch)
    now = files_of(runner.new)
    made = sorted(set(now) - set(found))
    _refuse_meddling(runner.plan, found, now, made)
    _owner(runner.new, made)
    moved = _at_final_path(runner, made)
    _restate(runner.new, made, moved)
    for path in made:
        full = os.path.join(runner.new, path)
        status = os.lstat(full)
        if (status.st_mode & 0o170000) == 0o100000:
            os.chmod(full, 0o755 if status.st_mode & 0o100 else 0o644)
        found[path] = os.lstat(full)
    entries = entries_of(runner.new, [(path, found[path]) for path in made])
    wrong = _unlike_record(runner.new, made, entries)
    if wrong:
        raise Problem(
            f"environment {runner.plan.name}: what pip installed is not what the wheels' own lists say",
            "; ".join(wrong[:5]),
            "run again; if it stays, one of the wheels is broken: name another version of it",
        )
    return entries


def _refuse_meddling(
    plan: InstallPlan, before: dict[str, os.stat_result], now: dict[str, os.stat_result], made: list[str]
) -> None:
    """Refuse wheels that changed a file of conda's, or added one to conda's own folders or ours."""
    changed = [
        path
        for path, old in before.items()
        if path not in now or (now[path].st_ino, now[path].st_size, now[path].st_mtime_ns)
        != (old.st_ino, old.st_size, old.st_mtime_ns)
    ]  # fmt: skip
    names = "; the wheels are " + ", ".join(wheel.name for wheel in plan.pip)
    if changed:
        raise Problem(
            f"environment {plan.name}: wheels would replace {len(changed)} files of conda packages",
            (", ".join(sorted(changed)[:5]) + names)[:700],
            "take that package from one of the two, not from both, and lock again",
        )
    reserved = [path for path in made if path.startswith(RESERVED)]
    if reserved:
        raise Problem(
            f"environment {plan.name}: a wheel writes where only conda and Lockstep may",
            (", ".join(reserved[:5]) + names)[:700],
            "do without that package, or take it from the channel",
        )


def _owner(new: str, made: list[str]) -> None:
    """Write the installer's name into each dist-info."""
    for path in made:
        if path.endswith(".dist-info/INSTALLER"):
            fs.write_file(os.path.join(new, path), INSTALLED + "\n")


def _at_final_path(runner: Runner, made: list[str]) -> list[str]:
    """Let scripts name the python at its final path; return those that were changed."""
    changed = []
    old, right = os.fsencode(runner.new + "/"), os.fsencode(runner.final + "/")
    for path in made:
        if not path.startswith("bin/"):
            continue
        full = os.path.join(runner.new, path)
        with open(full, "rb") as file:
            data = file.read()
        head, rest = data[:4096], data[4096:]  # the line that names the interpreter, or pip's `exec` for long ones
        if head.startswith(b"#!") and old in head:
            with open(full, "wb") as file:
                file.write(head.replace(old, right) + rest)
            changed.append(path)
    return changed


def _restate(new: str, made: list[str], moved: list[str]) -> None:
    """Put the hashes of changed scripts and of INSTALLER right in the RECORDs that list them."""
    for record in (path for path in made if path.endswith(".dist-info/RECORD")):
        rows = _rows(new, record)
        changed = False
        for row in rows:
            path = _resolved(record, row[0])
            if path in moved or path == os.path.join(os.path.dirname(record), "INSTALLER"):
                with open(os.path.join(new, path), "rb") as file:
                    data = file.read()
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                row[1:] = [f"sha256={digest}", str(len(data))]
                changed = True
        if changed:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(rows)
            fs.write_file(os.path.join(new, record), text.getvalue())


def _rows(new: str, record: str) -> list[list[str]]:
    """Read a RECORD: path, hash and size of each file (packaging.python.org, "Recording installed projects")."""
    return [row for row in csv.reader(io.StringIO(fs.read_file(os.path.join(new, record)))) if len(row) == 3]


def _resolved(record: str, path: str) -> str:
    """Return a path of a RECORD as seen from the tree."""
    return os.path.normpath(os.path.join(os.path.dirname(os.path.dirname(record)), path))


def _unlike_record(new: str, made: list[str], entries: dict[str, Entry]) -> list[str]:
    """Compare what is there with what the wheels' lists say; return a few words for each difference."""
    listed: dict[str, str] = {}
    for record in (path for path in made if path.endswith(".dist-info/RECORD")):
        listed[record] = ""
        for path, digest, _unused in _rows(new, record):
            listed[_resolved(record, path)] = digest
    wrong = [f"missing {path}" for path in sorted(listed) if path not in entries]
    for path, entry in entries.items():
        if "\n" in path:
            wrong.append(f"unacceptable file name {path!r}")
        elif path not in listed:
            wrong.append(f"unlisted {path}")
        elif listed[path].startswith("sha256=") and entry.kind == "f":
            value = listed[path][7:]
            try:
                same = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex() == entry.sha256
            except (ValueError, binascii.Error):
                same = False
            if not same:
                wrong.append(f"altered {path}")
    return wrong


def content(entries: dict[str, Entry]) -> str:
    """Return one line for each file of the wheels, path and sha256: their part of a tree's content digest."""
    return "".join(f"{path}\0{entry.sha256}\0" for path, entry in sorted(entries.items()))


def unused(store: Store) -> list[str]:
    """Return the kept wheels (their sha256) that no kept plan names; the caller has the package cache to itself."""
    try:
        there = set(os.listdir(store.wheels))
    except FileNotFoundError:
        return []
    for env in store.environments():
        for name in store.names(env):
            plan = store.kept_plan(env, name)
            there -= {wheel.sha256 for wheel in plan.pip} if plan else set()
    return sorted(there)
