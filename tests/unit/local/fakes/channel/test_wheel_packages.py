"""Wheels as conda packages."""

from __future__ import annotations

from pathlib import Path

from local.fakes.channel import wheel_packages
from local.fleet import paths


def test_requirements_become_match_specs_for_the_python_at_hand() -> None:
    lines = [
        "tzdata>=2022",
        'six; python_version < "3"',
        "Jinja2 (>=3,<4)",
        'colorama; sys_platform == "win32"',
        'x; extra == "all"',
    ]
    assert wheel_packages.depends(lines, "3.12") == ["jinja2 <4,>=3", "python-tzdata >=2022"]


def test_an_entry_point_becomes_a_script() -> None:
    name, text = wheel_packages.script_of("tool = a.b:main.run")
    assert name == "tool" and "from a.b import main\n" in text and "sys.exit(main.run())" in text


def test_pip_downloads_nothing_without_a_hash() -> None:
    command = wheel_packages.pip_command(Path("r.txt"), "3.12", Path("d"))
    assert {"--require-hashes", "--no-deps", "--only-binary=:all:"} <= set(command)


def test_the_pinned_wheels_name_no_host_and_hash_every_version() -> None:
    for file in (paths.FAKES / "channel" / "wheels").glob("*.txt"):
        lines = [line.strip() for line in file.read_text().splitlines() if line.strip()]
        for line, after in zip(lines, [*lines[1:], ""], strict=True):
            assert line.startswith("--hash=sha256:") or ("==" in line and after.startswith("--hash=sha256:")), line
