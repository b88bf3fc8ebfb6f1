"""Build the engine from the Go module proxy, exactly as the committed go.mod and go.sum say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .places import HERE, WRAPPER, EngineError, built_version, say

SDK = "github.com/pulumi/pulumi/sdk/v3"
HOST = f"{SDK}/python/cmd/pulumi-language-python"
CLI = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
QUIET_LINES = 15.0  # seconds between two lines of progress where there is no terminal
OLDEST_GO = (1, 21)  # the first that fetches the toolchain a go.mod asks for


def go_version(program: str) -> tuple[int, ...]:
    """Ask Go for its version; (0,) where it does not say."""
    try:
        text = subprocess.run([program, "version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return (0,)
    found = re.search(r"go(\d+)\.(\d+)", text)
    return tuple(int(part) for part in found.groups()) if found else (0,)


def go() -> str:
    """Find a Go that can build the engine.

    :raises EngineError: if there is none
    """
    program = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if program is None:
        raise EngineError("there is no Go on PATH to build the engine with")
    if go_version(program) < OLDEST_GO:
        raise EngineError(f"{program} is older than Go {'.'.join(map(str, OLDEST_GO))}")
    return program


def environment() -> dict[str, str]:
    """The environment of every Go command: nothing may change the pins, no C compiler is needed."""
    return {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "CGO_ENABLED": "0", "GOWORK": "off"}


class Progress:
    """Count what a command reports and show it: in place on a terminal, now and then in a log."""

    def __init__(self, label: str, total: int = 0) -> None:
        self.label, self.total, self.count = label, total, 0
        self.began = self.last = time.monotonic()
        self.live = sys.stderr.isatty()

    def step(self) -> None:
        """One more is done."""
        self.count += 1
        now = time.monotonic()
        if now - self.last >= (0.2 if self.live else QUIET_LINES):
            self.last = now
            self.show("\r" if self.live else "")

    def show(self, start: str) -> None:
        """Write the line."""
        of = f" of {max(self.total, self.count)}" if self.total else ""
        text = f"{self.label} {self.count}{of}, {time.monotonic() - self.began:.0f} s"
        print(f"{start}engine: {text}", end="" if self.live else "\n", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the line on a terminal."""
        if self.live and self.count:
            self.show("\r")
            print(file=sys.stderr, flush=True)


def run(command: Sequence[str], where: Path, progress: Progress | None = None) -> str:
    """Run one Go command and give its standard output.

    A message that is a module's download or a compiled package's name counts as progress; others are for the error.

    :raises EngineError: if it fails, with the end of what it said
    """
    lowered = ["nice", "-n", "5", *command] if shutil.which("nice") else list(command)
    shown: list[str] = []
    with tempfile.TemporaryFile("w+") as answer:
        child = subprocess.Popen(
            lowered, cwd=where, env=environment(), text=True, stdout=answer, stderr=subprocess.PIPE, bufsize=1
        )
        assert child.stderr is not None
        try:
            for line in child.stderr:
                if progress and (line.startswith("go: downloading ") or " " not in line.strip()):
                    progress.step()
                else:
                    shown.append(line)
            child.wait()
        finally:
            if child.poll() is None:  # interrupted: a compiler left running would take the machine's cores for nothing
                child.terminate()
                child.wait()
        answer.seek(0)
        out = answer.read()
    if progress:
        progress.close()
    if child.returncode:
        tail = "".join(shown).strip()[-2000:]
        raise EngineError(f"`{' '.join(command)}` in {where} failed ({child.returncode}): {tail}")
    return out


def build_one(program: str, module: str, package: str, out: Path, tags: str = "") -> None:
    """Build one program with its version stamped in, which the CLI and the Automation API parse.

    :raises EngineError: if Go fails
    """
    where, flags = HERE / module, ["-tags", tags] if tags else []
    listed = run([program, "list", *flags, "-deps", package], where, Progress(f"{out.name}: modules fetched"))
    stamp = f"-s -w -X {SDK}/go/common/version.Version=v{built_version(module)}"
    command = [program, "build", "-v", "-trimpath", *flags, "-ldflags", stamp, "-o", str(out), package]
    run(command, where, Progress(f"{out.name}: packages compiled", len(listed.splitlines())))


def build(folder: Path) -> None:
    """Build the CLI and the Python language host into a folder.

    :raises EngineError: if there is no Go, or the module proxy cannot be reached, or a build fails
    """
    program = go()
    say(
        f"building Pulumi {built_version()} with {program}: 5 to 9 minutes on two cores the first time (1.7 GB of "
        "modules, 1.8 GB of Go's build cache), under a minute when Go's caches are warm"
    )
    (folder / "libexec").mkdir()
    build_one(program, "host", HOST, folder / "libexec" / "pulumi-language-python")
    shutil.copy(WRAPPER, folder / "pulumi-language-python")
    source = run([program, "list", "-m", "-f", "{{.Dir}}", SDK], HERE / "host").strip()
    helper = folder / "pulumi-language-python-exec"
    shutil.copyfile(Path(source) / "python" / "cmd" / helper.name, helper)
    helper.chmod(0o755)
    build_one(program, "cli", CLI, folder / "pulumi", tags="osusergo,grpcnotrace")
