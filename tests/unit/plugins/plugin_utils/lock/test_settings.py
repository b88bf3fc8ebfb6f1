"""The settings of a site that decide about its locks."""

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.lock.settings import SettingsError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"system_requirements": {"cuda": 12.8}}, "put it in quotes"),
        ({"system_requirements": {"gpu": "1"}}, "unknown key gpu"),
        ({"system_requirements": [1]}, "not a mapping"),
        ({"system_requirements": {"glibc": "new"}}, "not a version"),
        ({"system_requirements": {"microarch": {"x": "y"}}}, "microarch x: y is not valid"),
        ({"exclude_newer": "soon"}, "is not a date"),
        ({"channels": ("defaults",)}, "defaults"),
        ({"envs": ("other",)}, "no spec for other"),
        ({"envs": ("trian",)}, r"no spec for trian in .*; did you mean train\?; existing specs: train"),
        ({"envs": ("old",)}, "rename old.yaml to old.yml; existing specs: train"),
        ({"envs": ("train", "")}, "it is empty, or has a comma too many"),
        ({"channels": ()}, "at least one"),
        ({"tier": "../prod"}, "'../prod' is not a valid tier name"),
        ({"channels": ("conda-forge", "https://conda.anaconda.org/conda-forge/")}, "conda-forge is listed twice"),
        ({"platforms": ("win-64",)}, "win-64"),
        ({"update": ("nump",)}, "nump"),
    ],
)
def test_invalid_settings_are_refused_with_the_reason(site, changes, message):
    site.spec("python")
    (site.settings.envs_dir / "old.yaml").touch()
    with pytest.raises(SettingsError, match=message):
        site.run(**changes)
