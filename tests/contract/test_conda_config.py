"""Where configuration is looked for, how it merges, and that our strict `.condarc` cannot be loosened."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.desired import condarc

from tests.contract.subjects import Conda, make_environment

Case = tuple[str, str, dict[str, str], dict[str, Any]]

# what the user's .condarc says, what the base's says, variables, and what conda makes of it
MERGING: dict[str, Case] = {
    "a flow list": ("channels: [a, b]", "", {}, {"channels": ["a", "b"]}),
    "a list that is not indented": ("channels:\n- a\n- b", "", {}, {"channels": ["a", "b"]}),
    "quoted items": ("channels:\n  - \"a\"\n  - 'b'", "", {}, {"channels": ["a", "b"]}),
    "lists merge, the later place first": ("channels: [user]", "channels: [base]", {}, {"channels": ["user", "base"]}),
    "variables come last": (
        "channels: [user]",
        "channels: [base]",
        {"CONDA_CHANNELS": "e1, e2"},
        {"channels": ["e1", "e2", "user", "base"]},
    ),
    "duplicates go": ("channels: [b, a]", "channels: [a, c]", {}, {"channels": ["b", "a", "c"]}),
    "plain values: the last place wins": (
        "channel_priority: strict",
        "channel_priority: disabled",
        {},
        {"channel_priority": "strict"},
    ),
    "final list": ("channels: [user]", "channels: #!final\n  - base", {"CONDA_CHANNELS": "e"}, {"channels": ["base"]}),
    "final flow list": ("channels: [user]", "channels: [base] #!final", {}, {"channels": ["base"]}),
    "final empty list": ("default_channels: [user]", "default_channels: [] #!final", {}, {"default_channels": []}),
    "final list, not indented": ("channels: [user]", "channels: #!final\n- base", {}, {"channels": ["base"]}),
    "final, then a blank line": ("channels: [user]", "channels: #!final\n\n  - base", {}, {"channels": ["base"]}),
    "a comment line below takes final away": (
        "channels: [user]",
        "channels: #!final\n  # why\n  - base",
        {},
        {"channels": ["user", "base"]},
    ),
    "no room between the marks": (
        "channels: [user]",
        "channels: # !final\n  - base",
        {},
        {"channels": ["user", "base"]},
    ),
    "final without the mark": ("channels: [user]", "channels: #final\n  - base", {}, {"channels": ["base"]}),
    "final at an item does nothing": (
        "channels: [user]",
        "channels:\n  - base #!final",
        {},
        {"channels": ["user", "base"]},
    ),
    "final value": (
        "channel_priority: flexible",
        "channel_priority: strict #!final",
        {"CONDA_CHANNEL_PRIORITY": "disabled"},
        {"channel_priority": "strict"},
    ),
    "final value, then a comment line": (
        "channel_priority: flexible",
        "channel_priority: strict #!final\n# more\nauto_activate: false",
        {},
        {"channel_priority": "flexible", "auto_activate": False},
    ),
    "final quoted value": (
        "channel_alias: http://user",
        'channel_alias: "http://base" #!final\nchannels: [x]',
        {},
        {"channels": ["x"]},
    ),
    "top and bottom": (
        "channels:\n  - u1\n  - u2 #!bottom",
        "channels:\n  - b1 #!top\n  - b2",
        {},
        {"channels": ["b1", "u1", "b2", "u2"]},
    ),
    "top of the earlier place first": (
        "channels:\n  - u1 #!top",
        "channels:\n  - b1 #!top\n  - b2 #!bottom",
        {"CONDA_CHANNELS": "e"},
        {"channels": ["b1", "u1", "e", "b2"]},
    ),
    "null is nothing": ("channels:\nallowlist_channels: ~", "channels: [base]", {}, {"channels": ["base"]}),
    "yes and off": ("auto_activate: no\nchangeps1: off", "", {}, {"auto_activate": False, "changeps1": False}),
    "priority true": ("channel_priority: true", "", {}, {"channel_priority": "flexible"}),
    "priority false": ("channel_priority: false", "", {}, {"channel_priority": "disabled"}),
    "a number in quotes": ("auto_stack: '2'", "", {}, {"auto_stack": 2}),
    "unknown keys": ("foo: bar\nchannels: [x]", "", {}, {"channels": ["x"]}),
    "old names": (
        "whitelist_channels: [x]\nauto_activate_base: false",
        "",
        {},
        {"allowlist_channels": ["x"], "auto_activate": False},
    ),
    "a hash inside a word": ("channels:\n  - a#b\n  - 'c #d'", "", {}, {"channels": ["a#b", "c #d"]}),
    "boolean variables": (
        "",
        "",
        {"CONDA_AUTO_ACTIVATE": "false", "CONDA_ALLOW_SOFTLINKS": "1", "CONDA_ALWAYS_YES": "true"},
        {"auto_activate": False, "allow_softlinks": True, "always_yes": True},
    ),
    "lists of folders": ("", "", {"CONDA_PKGS_DIRS": "/a,/b"}, {"pkgs_dirs": ["/a", "/b"]}),
    "variables are expanded": ("channels: [$FOO]", "", {"FOO": "bar"}, {"channels": ["bar"]}),
    "an empty file": ("", "# nothing", {}, {"channels": []}),
    "a document mark": ("---\nchannels: [a]", "", {}, {"channels": ["a"]}),
    "the defaults": (
        "",
        "",
        {},
        {
            "channel_priority": "flexible",
            "allow_softlinks": False,
            "auto_activate": True,
            "override_channels_enabled": True,
            "allowlist_channels": [],
            "protect_frozen_envs": True,
            "changeps1": True,
            "env_prompt": "({default_env}) ",
            "always_yes": None,
            "offline": False,
        },
    ),
}


@pytest.mark.parametrize("case", MERGING.values(), ids=MERGING.keys())
def test_merging(conda: Conda, case: Case) -> None:
    mine, base, variables, expected = case
    conda.rc.write_text(mine + "\n")
    if base:
        (conda.root / ".condarc").write_text(base + "\n")
    shown = conda.json("config", "--show", *expected, **variables)
    assert {key: shown[key] for key in expected} == expected


WRONG = {
    "a text for a list": ("channels: conda-forge", "InvalidTypeError"),
    "no boolean": ("auto_activate: maybe", "CustomValidationError"),
    "no number": ("auto_stack: many", "CustomValidationError"),
    "no such priority": ("channel_priority: foo", "CustomValidationError"),
    "an alias without scheme": ("channel_alias: nowhere", "CustomValidationError"),
    "not allowed": ("channels: [a]\nallowlist_channels: [b]", "ChannelNotAllowed"),
    "denied": ("channels: [a]\ndenylist_channels: [a]", "ChannelDenied"),
}


@pytest.mark.parametrize(("text", "error"), WRONG.values(), ids=WRONG.keys())
def test_wrong_configuration(conda: Conda, text: str, error: str) -> None:
    conda.rc.write_text(text + "\n")
    conda.fails(error, "config", "--show")


@pytest.mark.parametrize("text", ["channels: [a\n", "channels: [a]\nchannels: [b]\n", "- a\n"])
def test_unreadable_configuration(conda: Conda, text: str) -> None:
    conda.rc.write_text(text)
    assert conda("config", "--show", "channels").returncode != 0


def test_search_order(conda: Conda) -> None:
    """Each place in turn, the later ones in front."""
    prefix = make_environment(conda.home / "env")
    places = {
        "base": conda.root / ".condarc",
        "xdg": conda.home / "xdg" / "conda" / "condarc",
        "config": conda.home / ".config" / "conda" / ".condarc",
        "folder": conda.home / ".conda" / "condarc.d" / "some.yml",
        "home": conda.rc,
        "env": prefix / ".condarc",
        "named": conda.home / "named.yml",
    }
    for name, path in places.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"channels: [{name}]\n")
    variables = {"XDG_CONFIG_HOME": str(conda.home / "xdg"), "CONDARC": str(places["named"])}
    variables |= {"CONDA_PREFIX": str(prefix), "CONDA_CHANNELS": "variable"}
    expected = ["variable", "named", "env", "home", "folder", "config", "xdg", "base"]
    assert conda.json("config", "--show", "channels", **variables)["channels"] == expected
    sources = conda.json("config", "--show-sources", **variables)
    assert [path for path in sources if path in {str(p) for p in places.values()}] == sorted(map(str, places.values()))
    assert sources[str(conda.rc)] == {"channels": ["home"]} and sources["envvars"]["channels"] == ["variable"]
    text = conda.ok("config", "--show-sources", **variables)
    heads = [line[4:-4] for line in text.splitlines() if line.startswith("==> ")]
    assert heads[: len(places)] == [str(path) for path in places.values()] and heads[len(places)] == "envvars"


def test_show_for_people(conda: Conda) -> None:
    conda.rc.write_text("channels: [a, b]\n")
    assert conda.ok("config", "--show", "channels", "auto_activate", "allowlist_channels").splitlines() == [
        "allowlist_channels: []",
        "auto_activate: True",
        "channels:",
        "  - a",
        "  - b",
    ]


def test_channel_objects(conda: Conda) -> None:
    conda.rc.write_text("channel_alias: http://mirror.example:8000/x\ndefault_channels: [https://h.example/p/m]\n")
    shown = conda.json("config", "--show", "channel_alias", "default_channels")
    assert shown["channel_alias"]["location"] == "mirror.example:8000/x" and shown["channel_alias"]["scheme"] == "http"
    assert [(c["location"], c["name"]) for c in shown["default_channels"]] == [("h.example", "p/m")]
    assert "channel_alias: http://mirror.example:8000/x" in conda.ok("config", "--show", "channel_alias")


def test_folders(conda: Conda) -> None:
    conda.rc.write_text("pkgs_dirs: [/x, ~/p, $HOME/q]\nenvs_dirs: [~/e]\n")
    shown = conda.json("config", "--show", "pkgs_dirs", "envs_dirs")
    assert shown["pkgs_dirs"] == ["/x", f"{conda.home}/p", f"{conda.home}/q"]
    assert shown["envs_dirs"] == [f"{conda.home}/e", f"{conda.root}/envs", f"{conda.home}/.conda/envs"]
    assert conda.json("config", "--show", "envs_dirs", CONDA_ENVS_PATH="/a:/b")["envs_dirs"][:2] == ["/a", "/b"]


def test_get_reads_one_file(conda: Conda) -> None:
    conda.rc.write_text("channels: [a, b]\nauto_activate: false\n")
    (conda.root / ".condarc").write_text("channels: [base]\n")
    assert conda.json("config", "--get", "channels")["get"] == {"channels": ["a", "b"]}
    assert conda.json("config", "--system", "--get", "channels")["get"] == {"channels": ["base"]}
    lines = conda.ok("config", "--get", "channels", "auto_activate").splitlines()
    assert [line.split("#")[0].split() for line in lines] == [
        ["--add", "channels", "'b'"],
        ["--add", "channels", "'a'"],
        ["--set", "auto_activate", "False"],
    ]


# the .condarc that the product installs

LOOSENERS = (
    "channels: [defaults, evil]\nallowlist_channels: [evil]\nchannel_priority: flexible\n"
    "override_channels_enabled: true\nallow_softlinks: true\ndefault_channels: [https://evil.example/x]\n"
    "channel_alias: https://evil.example\nalways_softlink: true\n"
    "custom_channels:\n  conda-forge: https://evil.example\n"
    "custom_multichannels:\n  conda-forge: [https://evil.example/x]\n"
)
VARIABLES = {
    "CONDA_CHANNELS": "evil",
    "CONDA_ALLOWLIST_CHANNELS": "evil",
    "CONDA_CHANNEL_PRIORITY": "disabled",
    "CONDA_OVERRIDE_CHANNELS_ENABLED": "true",
    "CONDA_DEFAULT_CHANNELS": "https://evil.example/x",
    "CONDA_CHANNEL_ALIAS": "https://evil.example",
    "CONDA_ALLOW_SOFTLINKS": "true",
    "CONDA_ALWAYS_SOFTLINK": "true",
}


def test_the_strict_condarc_cannot_be_loosened(conda: Conda) -> None:
    rendered = condarc.render("/opt/lockstep", ["conda-forge"], "https://conda.anaconda.org")
    (conda.root / ".condarc").write_text(rendered)
    conda.rc.write_text(LOOSENERS)
    prefix = make_environment(conda.home / "env")
    (prefix / ".condarc").write_text(LOOSENERS)
    keys = ("channels", "allowlist_channels", "channel_priority", "override_channels_enabled", "allow_softlinks",
            "always_softlink")  # fmt: skip
    for variables in ({}, VARIABLES, {**VARIABLES, "CONDA_PREFIX": str(prefix), "CONDARC": str(conda.rc)}):
        shown = conda.json("config", "--show", *keys, "default_channels", "channel_alias", **variables)
        assert [shown[key] for key in keys] == [["conda-forge"], ["conda-forge"], "strict", False, False, False]
        urls = conda.json("info", **variables)["channels"]
        assert urls and all(url.startswith("https://conda.anaconda.org/conda-forge/") for url in urls), urls
        assert shown["default_channels"] == [] and shown["channel_alias"]["location"] == "conda.anaconda.org"
    for attempt in (["-c", "evil"], ["-c", "https://evil.example/x"], ["-c", "defaults"]):
        done = conda("create", "--dry-run", "--offline", "-p", conda.home / "x", *attempt, "alpha")
        assert done.returncode != 0, attempt
    done = conda("create", "--dry-run", "-p", conda.home / "x", "-c", "conda-forge", "--override-channels", "alpha")
    assert done.returncode != 0 and "Overriding channels has been disabled" in done.stderr
    assert conda.json("config", "--show", "pkgs_dirs")["pkgs_dirs"] == [
        "/opt/lockstep/pkgs",
        f"{conda.home}/.conda/pkgs",
    ]


def test_users_may_add_channels_where_the_site_says_so(conda: Conda) -> None:
    rendered = condarc.render("/opt/lockstep", ["conda-forge"], "https://conda.anaconda.org", True)
    (conda.root / ".condarc").write_text(rendered)
    conda.rc.write_text("channels: [more]\n")
    assert conda.json("config", "--show", "channels")["channels"] == ["more", "conda-forge"]
    assert json.loads(conda.ok("config", "--show", "channel_priority", "--json"))["channel_priority"] == "strict"
