"""A valid spec, and short ways to read specs from text."""

from ansible_collections.lockstep.fleet.plugins.plugin_utils.spec import environment_spec as specs

GOOD = """\
name: train
channels:
  - conda-forge
platforms: [linux-64, linux-aarch64]
dependencies:
  - python 3.12.*
  - pytorch-gpu
  - conda-forge::numpy >=2,<3
variables:
  OMP_NUM_THREADS: 4
  NCCL_DEBUG: "WARN"
"""


def read(text: str, name: str = "train", allowed=("conda-forge",)):
    return specs.read(text, f"envs/{name}.yml", name, allowed)


def codes(text: str, **other) -> list[tuple[str, int, int]]:
    return [(f.code, f.line, f.column) for f in read(text, **other)[1]]


def with_dependencies(*lines: str) -> str:
    return "dependencies:\n" + "".join(f"  - {line}\n" for line in lines)
