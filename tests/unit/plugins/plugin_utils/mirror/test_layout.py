"""The layout of a mirror."""

from __future__ import annotations

from ansible_collections.lockstep.fleet.plugins.plugin_utils.mirror.layout import (
    MINICONDA,
    RATTLER,
    SIMPLE,
    path_of,
    safe,
)

from tests.support.mirror_samples import ALIAS
from tests.support.paths import CHECKOUT


def test_layout_is_that_of_the_local_fleet() -> None:
    """Both define their folders; a site's variables and the local fleet's must be able to name either."""
    top = CHECKOUT
    variables = (top / "inventory/local/group_vars/all.yml").read_text()
    build = (top / "local/fakes/channel/build.py").read_text()
    assert f'lockstep_channel_alias }}}}/{MINICONDA}"' in variables and f'out / "{MINICONDA}"' in build
    assert f'lockstep_channel_alias }}}}/{RATTLER}"' in variables and f'out / "{RATTLER}"' in build
    assert f'lockstep_channel_alias }}}}/{SIMPLE}/"' in variables and f'out / "{SIMPLE}"' in build
    assert path_of(f"{ALIAS}/local-forge/noarch") == "local-forge/noarch"
    assert 'CHANNEL = "local-forge"' in build and "channel = out / CHANNEL" in build


def test_channel_urls_map_to_safe_paths() -> None:
    assert path_of(f"{ALIAS}/conda-forge/noarch/x.conda") == "conda-forge/noarch/x.conda"
    assert path_of("https://pkgs.example.com:8443/a/b") == "pkgs.example.com_8443/a/b"
    assert path_of("file:///srv/.hidden/c") == "local/srv/hidden/c"
    for path in ("", "/etc/x", "a//b", "../x", "a/../b", ".lockstep/seen", "a/.b", "a\nb", None):
        assert not safe(path)
