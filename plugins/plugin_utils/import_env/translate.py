"""Translate an environment from elsewhere to packages of the allowed channels.

Names that only other channels have, CUDA as other channels name it, variables that hold secrets or folders of one
machine, pip lines: each is replaced by a line with the same meaning, or left out with a reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import yaml

from ..conda import channels as chan
from ..conda import pypi_mapping
from ..core.findings import ERROR, errors
from ..spec import environment_spec, lint_rules, pip_section
from .discovered import CHANGED, DECIDE, KEPT, LEFT_OUT, PART_OF_A_PLATFORM, SAME, Discovered, PipLine, Requested

_RENAMED = {
    "torch": "pytorch",
    "pytorch-nightly": "pytorch",
    "cpuonly": "pytorch-cpu",
    "sklearn": "scikit-learn",
    "opencv-python": "opencv",
    "py-opencv-headless": "py-opencv",
    "tensorflow-gpu": "tensorflow",
    "faiss-gpu": "faiss",
    "pyg": "pytorch_geometric",
    "msgpack-numpy-python": "msgpack-numpy",
}
_WHY = {
    "cpuonly": "the pytorch channel's name for a CPU build",
    "tensorflow-gpu": "conda-forge's tensorflow has builds for CUDA",
    "faiss-gpu": "conda-forge's faiss has builds for CUDA",
}
_CUDA_BUILDS = {"tensorflow-gpu": "cuda*", "faiss-gpu": "*cuda*"}
_CUDA_WORDS = ("pytorch-cuda", "cudatoolkit")
_A_MACHINE_S = re.compile(r"(/home/|/Users/|/root/|/tmp/|~|[A-Za-z]:\\)")


def channels(discovered: Discovered, allowed: Sequence[str]) -> list[str]:
    """Return the channels of the spec; note those that are not allowed."""
    permitted = {chan.published(channel) for channel in allowed}
    kept = []
    for text, place in discovered.channels:
        try:
            published = chan.published(text)
        except chan.ChannelError:
            published = ""
        if published in permitted:
            kept.append(chan.short_name(text))
        elif text == "defaults":
            discovered.note(
                LEFT_OUT,
                f"channel defaults: {chan.RESERVED[text]}; its packages are solved again from {', '.join(allowed)}, "
                "where versions and sometimes names differ",
                place,
            )
        else:
            instead = lint_rules.instead_of_channel(text, allowed)
            discovered.note(LEFT_OUT, f"channel {text[:80]} is not allowed (lockstep_channels): {instead}", place)
    order = [chan.short_name(channel) for channel in allowed]
    return [channel for channel in order if channel in kept] or order


def requested(discovered: Discovered) -> list[Requested]:
    """Return the requested packages by their names on conda-forge; note what changes."""
    names = {one.name for one in discovered.requested}
    made: dict[str, Requested] = {}
    for one in discovered.requested:
        for new in _translate(discovered, one, names):
            if new.name not in made:
                made[new.name] = new
    return list(made.values())


def _translate(discovered: Discovered, one: Requested, names: set[str]) -> list[Requested]:
    if PART_OF_A_PLATFORM.match(one.name):
        discovered.note(
            LEFT_OUT, f"{one.name}: part of a platform's toolchain, installed as a dependency if needed", one.place
        )
        return []
    if one.name == "pytorch" and "cpuonly" in names:
        discovered.note(CHANGED, f"`{one.text}`: see cpuonly", one.place)
        return []
    if one.name == "pytorch-cuda" or (one.name == "cudatoolkit" and names & lint_rules.GPU_FRAMEWORKS):
        major = re.match(r"(==|>=)?(\d+)", one.version)
        number = max(12, int(major[2])) if major else 12
        why = "packages that use CUDA depend on its libraries"
        return [one.change(why, name="cuda-version", version=f"{number}.*", build="")]
    if one.name == "pytorch" and (names & set(_CUDA_WORDS) or _cuda_build(discovered, "pytorch")):
        return [one.change("the environment has a CUDA build", name="pytorch-gpu", build="")]
    if one.name in _RENAMED:
        pytorch = next((other.version for other in discovered.requested if other.name == "pytorch"), "")
        version = pytorch if one.name == "cpuonly" else one.version
        build = _CUDA_BUILDS.get(one.name, one.build)
        why = _WHY.get(one.name, "its name on conda-forge")
        return [one.change(why, name=_RENAMED[one.name], version=version, build=build)]
    if re.search(r"=[^=<>!~|,]+=[^=*]+\Z", one.text) and not one.build:
        return [one.change("the lock chooses the build")]
    if one.text.replace(" ", "") != one.spec().replace(" ", ""):
        return [one.change(SAME)]
    return [one]


def _cuda_build(discovered: Discovered, name: str) -> bool:
    known = discovered.packages.get(name)
    return known is not None and bool(re.search(r"cuda|_cu\d", known.build))


def never(discovered: Discovered, names: Sequence[str]) -> set[str]:
    """Return the names that lint refuses in a spec; packages that need one of them depend on it."""
    frameworks = {"pytorch"} if any(line.text.startswith("torch") for line in discovered.pip) else set()
    wrong = lint_rules.check(dict.fromkeys({*names, *frameworks}))
    return {name for _unused, severity, name, _unused, _unused in wrong if severity == ERROR}


def variants(discovered: Discovered) -> list[Requested]:
    """Return requested packages that keep each framework on the kind of build, CUDA or CPU, of the environment."""
    made = []
    for name, known in sorted(discovered.packages.items()):
        if name not in lint_rules.GPU_FRAMEWORKS or name.endswith("-gpu"):
            continue
        if kind := re.match(r"cuda|cpu", known.build):
            made.append(Requested(name, "", f"{kind[0]}*"))
        elif re.search(r"cuda|_cu\d", known.build):
            made.append(
                Requested("pytorch-gpu" if name == "pytorch" else name, "", "" if name == "pytorch" else "cuda*")
            )
        elif "cpu" in known.build and name == "pytorch":
            made.append(Requested("pytorch-cpu"))
    return made


def pip(
    discovered: Discovered, available: set[str], requested: Sequence[Requested]
) -> tuple[list[Requested], list[str]]:
    """Translate pip lines: return those that the channel has as requested packages, and the lines that stay with pip.

    :param available: names of the channel's packages
    """
    conda = {known for one in requested for known in pypi_mapping.pypi_names(one.name)}
    installed = {known for name in discovered.packages for known in pypi_mapping.pypi_names(name)}
    moved: list[Requested] = []
    kept: dict[str, str] = {}
    for line in discovered.pip:
        requirement, problem = pip_section.parse(line.text)
        if problem or requirement is None:
            cause, remedy = problem or ("is not a requirement", "write `name==1.2.3`")
            discovered.note(DECIDE, f"pip line `{line.text[:80]}` {cause}: {remedy}", line.place)
            continue
        name = requirement.name
        if name in installed:
            text = f"pip had overwritten conda's {name} with {requirement.text}: the lock has conda's"
            discovered.note(DECIDE, text, line.place)
            continue
        if name in conda or name in kept or any(name in pypi_mapping.pypi_names(one.name) for one in moved):
            discovered.note(LEFT_OUT, f"{name} from pip: it is already requested", line.place)
            continue
        if not line.requested:
            if not pypi_mapping.conda_name(name, available):
                discovered.brought[name] = requirement.text.rpartition("==")[2]
            discovered.note(LEFT_OUT, f"{requirement.text} from pip: another package depends on it", line.place)
            continue
        new = _from_channel(line, name, requirement.text, available)
        if new is None:
            kept[name] = requirement.text
            discovered.note(KEPT, f"{requirement.text}, from pip: a wheel with its sha256", line.place)
        else:
            moved.append(new)
    return moved, [kept[name] for name in sorted(kept)]


def _from_channel(line: PipLine, name: str, text: str, available: set[str]) -> Requested | None:
    """Return the conda package that replaces a pip requirement; None if the channel has none."""
    version = re.fullmatch(r"[A-Za-z0-9._-]+\s*((==|!=|<=|>=|<|>|~=)\s*[\w.*!,<>=~ ]+)?", text)
    if name == "sklearn":  # on PyPI an empty package; scikit-learn is meant
        return (
            Requested("scikit-learn", "", "", line.place, text, ("its name on conda-forge",))
            if "scikit-learn" in available
            else None
        )
    conda = pypi_mapping.conda_name(name, available)
    if conda is None or not version:  # a conda package cannot express extras and markers
        return None
    return Requested(
        conda, (version[1] or "").replace(" ", ""), "", line.place, text, ("from the channel, not from pip",)
    )


def variables(discovered: Discovered, prefix: str) -> dict[str, str]:
    """Return the variables that a lock may hold; note the others.

    :param prefix: the environment's path; values that contain it are left out
    """
    kept = {}
    for name, (value, place) in discovered.variables.items():
        if (prefix and prefix in value) or _A_MACHINE_S.match(value):
            discovered.note(DECIDE, f"variable {name} names a folder of one machine", place)
            continue
        text = spec_text("x", [], [], {name: value}, ["python"], [])
        wrong = errors(environment_spec.read(text, "", "x", ["conda-forge"])[1])
        if wrong:
            kind = DECIDE if wrong[0].code == "secret-variable" else LEFT_OUT
            discovered.note(kind, f"variable {name}: {wrong[0].message}; {wrong[0].remedy}", place)
        else:
            kept[name] = value
    return kept


def spec_text(
    name: str,
    channel_names: Sequence[str],
    platforms: Sequence[str],
    variable_values: dict[str, str],
    dependencies: Sequence[str],
    pip_lines: Sequence[str],
    head: Sequence[str] = (),
) -> str:
    """Return a spec (environment.yml, CEP 24); the same arguments give the same text."""
    lines = [f"# {line}".rstrip() for line in head]
    lines.append(f"name: {_scalar(name)}")
    if channel_names:
        lines += ["channels:", *(f"  - {_scalar(channel)}" for channel in channel_names)]
    if platforms:
        lines += ["platforms:", *(f"  - {platform}" for platform in platforms)]
    lines += ["dependencies:", *(f"  - {_scalar(line)}" for line in dependencies)]
    if pip_lines:
        lines += ["  - pip:", *(f"      - {_scalar(line)}" for line in pip_lines)]
    if variable_values:
        lines += ["variables:", *(f"  {_scalar(k)}: {json.dumps(v)}" for k, v in sorted(variable_values.items()))]
    return "".join(f"{line}\n" for line in lines)


def _scalar(text: str) -> str:
    """Return YAML for a text: a plain scalar if YAML reads it as the same text, else a quoted one."""
    try:
        if yaml.safe_load(f"- {text}") == [text]:
            return text
    except yaml.YAMLError:
        pass
    return json.dumps(text)
