"""Translating what an environment from elsewhere asks for to the allowed channels."""

from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock

from tests.support.import_site import dependencies, noted, versions


def test_recipe_of_an_article_is_translated_line_by_line(site):
    made = site.take(
        """\
name: base
channels:
  - pytorch
  - nvidia
  - defaults
dependencies:
  - python=3.12
  - pytorch=2.5.1=py3.12_cuda12.1_cudnn9_0
  - pytorch-cuda=12.1
  - numpy=1.26
  - sklearn
  - six=1.16.0
  - _libgcc_mutex=0.1=main
  - no-such-thing
  - pip
  - pip:
      - requests==2.32.3
      - tqdm @ https://files.example/tqdm.whl
      - -e .
prefix: /home/joe/miniconda3
variables:
  OMP_NUM_THREADS: 4
""",
        system_requirements={"cuda": "12.9"},
    )
    assert dependencies(made) == [
        "python 3.12.*", "cuda-version 12.*", "numpy 1.26.*", "pip", "pytorch-gpu ==2.5.1", "requests ==2.32.3",
        "scikit-learn", "six 1.*",
    ]  # fmt: skip
    for place, *parts in (
        (1, "left out", "'base'"),
        (3, "left out", "channel pytorch"),
        (5, "left out", "channel defaults", "solved again"),
        (7, "changed", "`python=3.12` -> `python 3.12.*`", "the same"),
        (8, "changed", "pytorch-gpu ==2.5.1", "a CUDA build"),
        (9, "changed", "`pytorch-cuda=12.1` -> `cuda-version 12.*`"),
        (11, "changed", "`sklearn` -> `scikit-learn`"),
        (12, "changed", "`six=1.16.0` -> `six 1.*`", "does not have"),
        (13, "left out", "_libgcc_mutex"),
        (14, "decide", "no-such-thing is not in conda-forge"),
        (15, "kept", "`pip`"),
        (17, "changed", "from the channel, not from pip"),
        (18, "decide", "is a url"),
        (19, "decide", "is editable"),
        (20, "left out", "prefix"),
    ):
        assert noted(made, f"environment.yml:{place}: ", *parts), (place, parts)
    assert 'OMP_NUM_THREADS: "4"' in made.spec and versions(made)["pytorch"] == "2.5.1"
    assert (site.folder / "envs/train.yml").read_text() == made.spec


def test_cpu_recipe_stays_a_cpu_recipe(site):
    made = site.take("dependencies: [python=3.12, pytorch=2.5.1, cpuonly]\n", system_requirements={"cuda": "12.9"})
    assert dependencies(made) == ["python 3.12.*", "pytorch-cpu 2.5.1.*"]
    assert noted(made, "`cpuonly` -> `pytorch-cpu 2.5.1.*`")
    assert any("cpu" in p.build for p in Lock.loads(made.lock).packages if p.name == "pytorch")
