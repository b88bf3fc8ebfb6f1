"""Wheels of pip sections in locks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.lockstep.fleet.plugins.plugin_utils.conda.lockfile import Lock, plan
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.outcome import Outcome
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.run import run
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import Settings

from tests.support.package_index import Index
from tests.support.small_channel import usual


def lock(tmp_path: Path, index: Index, text: str, **other: Any) -> Outcome:
    envs = tmp_path / "envs"
    envs.mkdir(exist_ok=True)
    (envs / "train.yml").write_text(text)
    usual(tmp_path / "channel").add("needs-six", depends=["python", "six"])
    settings = Settings(envs, envs / "locks", "dev", repodata_alias=str(tmp_path / "channel"),
                        pip_index=index.url, **other)  # fmt: skip
    return run(settings, write=True)[0]


SPEC = "dependencies:\n  - python 3.12.*\n  - numpy\n  - pip:\n    - tqdm\n    - native\n"


def test_lock_has_wheels_for_each_platform(tmp_path: Path, index: Index) -> None:
    outcome = lock(tmp_path, index, SPEC, platforms=("linux-64", "osx-arm64"))
    assert not outcome.findings and outcome.new_text
    made = Lock.loads(outcome.new_text, "made")
    wheels = {(p.platform, p.name): p for p in made.packages if p.manager == "pip"}
    assert sorted(wheels) == [(p, n) for p in ("linux-64", "osx-arm64") for n in ("native", "tqdm")]
    given = plan(made, "train", "osx-arm64")
    assert [wheel.name for wheel in given.pip] == ["native", "tqdm"]
    again = lock(tmp_path, index, SPEC, platforms=("linux-64", "osx-arm64"))
    assert again.new_text == outcome.new_text and not again.changed


def test_digest_depends_on_checksums_of_wheels_and_not_on_urls(tmp_path: Path, index: Index) -> None:
    made = Lock.loads(lock(tmp_path, index, SPEC).new_text or "", "made")
    digest = plan(made, "train", "linux-64").digest
    moved = [replace(p, url=p.url.replace("index.example", "m.example")) if p.manager == "pip" else p
             for p in made.packages]  # fmt: skip
    assert plan(replace(made, packages=tuple(moved)), "train", "linux-64").digest == digest
    altered = [replace(p, sha256="0" * 64) if p.name == "tqdm" else p for p in made.packages]
    assert plan(replace(made, packages=tuple(altered)), "train", "linux-64").digest != digest


def test_update_moves_only_the_named_wheel(tmp_path: Path, index: Index) -> None:
    lock(tmp_path, index, SPEC.replace("tqdm", "tqdm<4.2"))
    kept = lock(tmp_path, index, SPEC)
    assert not kept.changed
    assert lock(tmp_path, index, SPEC, update=("tqdm",)).difference == [
        "linux-64: 1 changed, 0 added, 0 removed", "  ~ tqdm 4.1 -> 4.2",
    ]  # fmt: skip


def test_pip_findings_name_their_lines(tmp_path: Path, index: Index) -> None:
    text = SPEC.replace("- tqdm\n", "- tqdm>=5\n").replace("- native\n", "- native\n    - numpy<2\n")
    texts = [f.text() for f in lock(tmp_path, index, text.replace("  - numpy\n", "  - torch-like\n")).findings]
    assert len(texts) == 1 and ":5:7: error pip-unsolvable" in texts[0], texts
    outcome = lock(tmp_path, index, SPEC.replace("  - numpy\n", "  - needs-six\n") + "    - six\n")
    assert [(f.code, f.line, f.severity) for f in outcome.findings] == [("pip-from-channel", 7, "warning")]
    both = lock(tmp_path, index, SPEC.replace("- tqdm", "- tqdm>=5"), platforms=("linux-64", "osx-arm64")).findings
    assert len(both) == 1, "platforms with the same trouble are told of together"
    assert both[0].message.startswith("for linux-64, osx-arm64: no solution")
    outcome = lock(tmp_path, index, "dependencies:\n  - arrow-like\n  - pip:\n    - tqdm\n")
    assert [(f.code, f.line) for f in outcome.findings] == [("pip-unsolvable", 4)]
