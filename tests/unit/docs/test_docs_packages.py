"""plugins/README.md has a line for each package, and no other."""

from __future__ import annotations

import re

from tests.support.paths import CHECKOUT

PLUGINS = CHECKOUT / "plugins"
UTILS = ("plugin_utils", "module_utils")


def test_readme_has_a_line_for_each_package() -> None:
    folders = [*PLUGINS.iterdir(), *(PLUGINS / "plugin_utils").iterdir(), *(PLUGINS / "module_utils").iterdir()]
    names = {str(folder.relative_to(PLUGINS)) for folder in folders if folder.is_dir() and "__" not in folder.name}
    lines = re.findall(r"^\| `([\w/]+)/` \|", (PLUGINS / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(lines) == sorted(names - set(UTILS))
