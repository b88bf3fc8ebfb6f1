"""The plan is the only thing a host acts on: what it accepts, what it refuses, and what its digest depends on."""

import copy

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host import install_plan as plans


def make_plan() -> dict:
    packages = []
    for name in ("python", "zlib"):
        file_name = f"{name}-1.0-h1_0.conda"
        packages.append(
            {
                "name": name,
                "version": "1.0",
                "build": "h1_0",
                "build_number": 0,
                "subdir": "linux-64",
                "file_name": file_name,
                "url": f"https://conda.anaconda.org/conda-forge/linux-64/{file_name}",
                "md5": "0" * 32,
                "sha256": "ab" * 32,
                "depends": ["zlib >=1"],
                "noarch": None,
                "python_site_packages_path": None,
            }
        )
    plan = {
        "layout": plans.LAYOUT,
        "name": "train",
        "platform": "linux-64",
        "digest": "",
        "packages": packages,
        "channel": "https://conda.anaconda.org/conda-forge",
        "pip": [],
        "variables": {"A": "1"},
        "smoke": "",
        "download_bytes": 0,
    }
    plan["digest"] = digest(plan)
    return plan


def digest(plan: dict) -> str:
    """The digest of what a plan holds, whatever digest it names."""
    packages = [plans.PlannedPackage(**package) for package in plan["packages"]]
    wheels = [plans.PlannedWheel(**wheel) for wheel in plan["pip"]]
    return plans.InstallPlan(**{**plan, "packages": packages, "pip": wheels}).identified().digest


def test_a_good_plan_has_no_problems():
    assert plans.check(make_plan()) == []


def test_the_digest_ignores_where_packages_come_from_and_their_order():
    plan = make_plan()
    other = copy.deepcopy(plan)
    other["packages"].reverse()
    other["packages"][0]["url"] = "http://10.0.0.1/mirror/linux-64/" + other["packages"][0]["file_name"]
    other["smoke"] = "import this"
    assert digest(other) == plan["digest"]
    assert len(plan["digest"]) == 64 and plans.short(plan["digest"]) == plan["digest"][:12]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("variables", {"A": "2"}),
        ("platform", "linux-aarch64"),
        ("layout", 2),
        ("pip", [{"name": "x", "version": "1", "sha256": "a" * 64, "file_name": "", "url": ""}]),
    ],
)
def test_the_digest_covers(key, value):
    plan = make_plan()
    plan[key] = value
    assert digest(plan) != digest(make_plan())


@pytest.mark.parametrize("key", ["name", "version", "build", "subdir", "sha256"])
def test_the_digest_covers_of_each_package(key):
    plan = make_plan()
    plan["packages"][0][key] = "other"
    assert digest(plan) != digest(make_plan())


PACKAGE_FAULTS = [
    ("sha256", "", "no sha256"),
    ("sha256", "AB" * 32, "no sha256"),
    ("sha256", None, "sha256 is NoneType"),
    ("name", "../x", "name '../x'"),
    ("name", "__cuda", "virtual"),
    ("name", "Python", "name 'Python'"),
    ("file_name", "../../python-1.0-h1_0.conda", "file name"),
    ("file_name", "evil.conda", "file name"),
    ("subdir", "osx-arm64", "neither linux-64 nor noarch"),
    ("subdir", "../noarch", "neither"),
    ("url", "ftp://example.org/linux-64/python-1.0-h1_0.conda", "url"),
    ("url", "https://example.org/a/../linux-64/python-1.0-h1_0.conda", "url"),
    ("url", "https://me:secret@example.org/linux-64/python-1.0-h1_0.conda", "credentials"),
    ("url", "https://example.org/linux-64/other-1.0-h1_0.conda", "does not end"),
    ("build_number", True, "build_number is bool"),
    ("build_number", -1, "negative"),
    ("depends", ["a\nb"], "depends"),
    ("depends", [1], "depends"),
    ("noarch", "evil", "noarch"),
    ("python_site_packages_path", "../../etc", "site_packages"),
    ("version", "1/0", "version"),
    ("build", "a-b", "build"),
    ("md5", "xyz", "md5"),
]


@pytest.mark.parametrize(("key", "value", "message"), PACKAGE_FAULTS)
def test_a_package_is_refused_for(key, value, message):
    plan = make_plan()
    plan["packages"][0][key] = value
    problems = plans.check(plan)
    assert any(message in problem for problem in problems), problems
    assert "secret" not in " ".join(problems)


WHEEL = {"name": "x", "version": "1", "sha256": "a" * 64, "file_name": "x-1-py3-none-any.whl",
         "url": "https://h.example/x-1-py3-none-any.whl"}  # fmt: skip

TOP_FAULTS = [
    ("name", "../x", "cannot be called"),
    ("name", "a..b", "cannot be called"),
    ("name", ".hidden", "cannot be called"),
    ("layout", 2, "layout"),
    ("platform", "win-64", "unknown platform"),
    ("packages", [], "no packages"),
    ("packages", ["x"], "not a mapping"),
    ("variables", {"A B": "x"}, "variable's name"),
    ("variables", {"A": 1}, "one line"),
    ("variables", {"A": "x\ny"}, "one line"),
    ("digest", "0" * 64, "digest"),
    ("smoke", "a\x00b", "NUL"),
    ("smoke", "\ud800", "UTF-8"),
    ("download_bytes", -1, "negative"),
    ("pip", [WHEEL | {"sha256": ""}], "no sha256"),
    ("pip", [WHEEL | {"name": "X_y"}], "name 'X_y'"),
    ("pip", [WHEEL, WHEEL], "listed twice"),
    ("pip", [{key: value for key, value in WHEEL.items() if key != "url"}], "url is missing"),
    ("pip", [WHEEL | {"url": "file:///etc/x-1-py3-none-any.whl"}], "not a wheel's"),
    ("pip", [WHEEL | {"url": "https://user:word@h.example/x-1-py3-none-any.whl"}], "not a wheel's"),
    ("pip", [WHEEL | {"url": "https://h.example/../x-1-py3-none-any.whl"}], "not a wheel's"),
    ("pip", [WHEEL | {"url": "https://h.example/y-1-py3-none-any.whl"}], "not a wheel's"),
    ("pip", [WHEEL | {"file_name": "y-1-py3-none-any.whl"}], "not that of its wheel"),
    ("pip", [3], "wheel 1"),
    ("pip", [WHEEL | {"file_name": "../x-1-py3-none-any.whl"}], "not that of its wheel"),
]


@pytest.mark.parametrize(("key", "value", "message"), TOP_FAULTS)
def test_a_plan_is_refused_for(key, value, message):
    plan = make_plan()
    plan[key] = value
    assert any(message in problem for problem in plans.check(plan)), plans.check(plan)


@pytest.mark.parametrize("key", sorted(make_plan()))
def test_a_missing_key_is_named(key):
    plan = make_plan()
    del plan[key]
    assert plans.check(plan) == [f"plan: {key} is missing"]


def test_duplicates_and_nonsense():
    plan = make_plan()
    plan["packages"].append(plan["packages"][0])
    assert any("listed twice" in problem for problem in plans.check(plan))
    assert plans.check(None) == ["the plan is not a mapping"]


def test_a_plan_survives_its_json():
    plan = plans.InstallPlan.from_json(make_plan())
    assert plan.to_json() == make_plan() and plans.InstallPlan.from_json(plan.to_json()) == plan
    assert plan.packages[0].stem == "python-1.0-h1_0" and plan.generation == plan.digest[:12]


def test_a_plan_that_is_refused_names_every_reason():
    with pytest.raises(plans.PlanError, match=r"plan: layout 2 is not 1.*; plan: no packages") as raised:
        plans.InstallPlan.from_json({**make_plan(), "layout": 2, "packages": []})
    assert len(raised.value.problems) == 2
    with pytest.raises(plans.PlanError, match="the plan is not a mapping"):
        plans.InstallPlan.from_json([*plans.InstallPlan.from_json(make_plan())])
