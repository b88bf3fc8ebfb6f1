"""Say in the words of the allowed channels what an environment from elsewhere asks for.

Names that only other channels have, CUDA as its vendor's channels spell it, variables that hold secrets or one
machine's folders, pip's lines: each gets the line that means the same here, or a reason why there is none.
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
from .discovered import CHANGED, DECIDE, KEPT, LEFT_OUT, PART_OF_A_PLATFORM, SAME, Found, PipLine, Wish

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
    "cpuonly": "the pytorch channel's word for a CPU build",
    "tensorflow-gpu": "conda-forge's tensorflow has builds for CUDA",
    "faiss-gpu": "conda-forge's faiss has builds for CUDA",
}
_CUDA_BUILDS = {"tensorflow-gpu": "cuda*", "faiss-gpu": "*cuda*"}
_CUDA_WORDS = ("pytorch-cuda", "cudatoolkit")
_A_MACHINE_S = re.compile(r"(/home/|/Users/|/root/|/tmp/|~|[A-Za-z]:\\)")


def channels(found: Found, allowed: Sequence[str]) -> list[str]:
    """Return the channels of the spec, and note those that cannot be."""
    permitted = {chan.published(channel) for channel in allowed}
    kept = []
    for text, place in found.channels:
        try:
            published = chan.published(text)
        except chan.ChannelError:
            published = ""
        if published in permitted:
            kept.append(chan.short_name(text))
        elif text == "defaults":
            found.note(
                LEFT_OUT,
                f"channel defaults: {chan.RESERVED[text]}; its packages are solved anew from {', '.join(allowed)}, "
                "where versions and sometimes names differ",
                place,
            )
        else:
            instead = lint_rules.instead_of_channel(text, allowed)
            found.note(LEFT_OUT, f"channel {text[:80]} is not allowed (lockstep_channels): {instead}", place)
    order = [chan.short_name(channel) for channel in allowed]
    return [channel for channel in order if channel in kept] or order


def wishes(found: Found) -> list[Wish]:
    """Return what is asked for by names that conda-forge has, and note what changes."""
    names = {one.name for one in found.wishes}
    made: dict[str, Wish] = {}
    for one in found.wishes:
        for new in _translated(found, one, names):
            if new.name not in made:
                made[new.name] = new
    return list(made.values())


def _translated(found: Found, one: Wish, names: set[str]) -> list[Wish]:
    if PART_OF_A_PLATFORM.match(one.name):
        found.note(
            LEFT_OUT, f"{one.name}: part of a platform's toolchain, comes by itself where it is needed", one.place
        )
        return []
    if one.name == "pytorch" and "cpuonly" in names:
        found.note(CHANGED, f"`{one.text}`: see cpuonly", one.place)
        return []
    if one.name == "pytorch-cuda" or (one.name == "cudatoolkit" and names & lint_rules.GPU_FRAMEWORKS):
        major = re.match(r"(==|>=)?(\d+)", one.version)
        number = max(12, int(major[2])) if major else 12
        why = "what needs CUDA brings its own libraries"
        return [one.but(why, name="cuda-version", version=f"{number}.*", build="")]
    if one.name == "pytorch" and (names & set(_CUDA_WORDS) or _cuda_build(found, "pytorch")):
        return [one.but("it was for CUDA, and is to stay so", name="pytorch-gpu", build="")]
    if one.name in _RENAMED:
        pytorch = next((other.version for other in found.wishes if other.name == "pytorch"), "")
        version = pytorch if one.name == "cpuonly" else one.version
        build = _CUDA_BUILDS.get(one.name, one.build)
        why = _WHY.get(one.name, "its name on conda-forge")
        return [one.but(why, name=_RENAMED[one.name], version=version, build=build)]
    if re.search(r"=[^=<>!~|,]+=[^=*]+\Z", one.text) and not one.build:
        return [one.but("which build is the lock's affair")]
    if one.text.replace(" ", "") != one.spec().replace(" ", ""):
        return [one.but(SAME)]
    return [one]


def _cuda_build(found: Found, name: str) -> bool:
    known = found.packages.get(name)
    return known is not None and bool(re.search(r"cuda|_cu\d", known.build))


def never(found: Found, names: Sequence[str]) -> set[str]:
    """Return those of a list of all packages that no spec may ask for; what needs one of them brings it."""
    frameworks = {"pytorch"} if any(line.text.startswith("torch") for line in found.pip) else set()
    wrong = lint_rules.check(dict.fromkeys({*names, *frameworks}))
    return {name for _unused, severity, name, _unused, _unused in wrong if severity == ERROR}


def variants(found: Found) -> list[Wish]:
    """Return wishes that keep a framework on the kind of build, CUDA or CPU, that the environment has."""
    made = []
    for name, known in sorted(found.packages.items()):
        if name not in lint_rules.GPU_FRAMEWORKS or name.endswith("-gpu"):
            continue
        if kind := re.match(r"cuda|cpu", known.build):
            made.append(Wish(name, "", f"{kind[0]}*"))
        elif re.search(r"cuda|_cu\d", known.build):
            made.append(Wish("pytorch-gpu" if name == "pytorch" else name, "", "" if name == "pytorch" else "cuda*"))
        elif "cpu" in known.build and name == "pytorch":
            made.append(Wish("pytorch-cpu"))
    return made


def pip(found: Found, available: set[str], asked: Sequence[Wish]) -> tuple[list[Wish], list[str]]:
    """Return pip's lines as wishes for the channel where it has them, and the lines that stay pip's."""
    conda = {known for one in asked for known in pypi_mapping.pypi_names(one.name)}
    installed = {known for name in found.packages for known in pypi_mapping.pypi_names(name)}
    moved: list[Wish] = []
    kept: dict[str, str] = {}
    for line in found.pip:
        requirement, problem = pip_section.parse(line.text)
        if problem or requirement is None:
            cause, remedy = problem or ("is not a requirement", "write `name==1.2.3`")
            found.note(DECIDE, f"pip line `{line.text[:80]}` {cause}: {remedy}", line.place)
            continue
        name = requirement.name
        if name in installed:
            found.note(DECIDE, f"pip had put {requirement.text} over conda's {name}: conda's is taken", line.place)
            continue
        if name in conda or name in kept or any(name in pypi_mapping.pypi_names(one.name) for one in moved):
            found.note(LEFT_OUT, f"{name} from pip: it is asked for already", line.place)
            continue
        if not line.requested:
            if not pypi_mapping.conda_name(name, available):
                found.brought[name] = requirement.text.rpartition("==")[2]
            found.note(LEFT_OUT, f"{requirement.text} from pip: what needs it brings it", line.place)
            continue
        new = _from_channel(line, name, requirement.text, available)
        if new is None:
            kept[name] = requirement.text
            found.note(KEPT, f"{requirement.text}, from pip: a wheel with its sha256", line.place)
        else:
            moved.append(new)
    return moved, [kept[name] for name in sorted(kept)]


def _from_channel(line: PipLine, name: str, text: str, available: set[str]) -> Wish | None:
    """Return the conda package for a requirement, if the channel has one that can stand for it."""
    version = re.fullmatch(r"[A-Za-z0-9._-]+\s*((==|!=|<=|>=|<|>|~=)\s*[\w.*!,<>=~ ]+)?", text)
    if name == "sklearn":  # an empty package, whose name is that of the import
        return (
            Wish("scikit-learn", "", "", line.place, text, ("what was meant",)) if "scikit-learn" in available else None
        )
    conda = pypi_mapping.conda_name(name, available)
    if conda is None or not version:  # extras and markers mean more than a name
        return None
    return Wish(conda, (version[1] or "").replace(" ", ""), "", line.place, text, ("from the channel, not from pip",))


def variables(found: Found, prefix: str) -> dict[str, str]:
    """Return the variables that may be in a lock, and note the others."""
    kept = {}
    for name, (value, place) in found.variables.items():
        if (prefix and prefix in value) or _A_MACHINE_S.match(value):
            found.note(DECIDE, f"variable {name} names a folder of one machine", place)
            continue
        text = spec_text("x", [], [], {name: value}, ["python"], [])
        wrong = errors(environment_spec.read(text, "", "x", ["conda-forge"])[1])
        if wrong:
            found.note(DECIDE if wrong[0].code == "secret-variable" else LEFT_OUT,
                       f"variable {name}: {wrong[0].message}; {wrong[0].remedy}", place)  # fmt: skip
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
    """Return YAML for a text: plain where that is read as the same text."""
    try:
        if yaml.safe_load(f"- {text}") == [text]:
            return text
    except yaml.YAMLError:
        pass
    return json.dumps(text)
