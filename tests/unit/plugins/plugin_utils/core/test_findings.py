"""The codes of findings."""

import re
from pathlib import Path

from ansible_collections.lockstep.fleet.plugins.plugin_utils.core import findings as found

from tests.support.paths import CHECKOUT


def test_docs_have_a_row_for_every_finding():
    text = (CHECKOUT / "docs" / "reference" / "lint-findings.md").read_text()
    assert set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)) == found.CODES
    files = [path for path in Path(found.__file__).parents[1].rglob("*.py") if path.name != "findings.py"]
    source = "".join(path.read_text() for path in files) + f'"{found.FUZZY_PIN}"'
    assert [code for code in sorted(found.CODES) if f'"{code}"' not in source] == [], "nothing finds it any more"
