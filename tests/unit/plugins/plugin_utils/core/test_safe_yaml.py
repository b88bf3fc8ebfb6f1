"""Reading YAML with places and limits."""

import pytest
from ansible_collections.lockstep.fleet.plugins.plugin_utils.core import safe_yaml


def test_yaml_error_names_line_and_column():
    with pytest.raises(safe_yaml.YamlError) as caught:
        safe_yaml.load("a: 1\nb: [1\nc: 2\n")
    assert caught.value.at("f.yml").startswith("f.yml:") and caught.value.line >= 2
    with pytest.raises(safe_yaml.YamlError) as caught:
        safe_yaml.load("a: 1\nb: 2\na: 3\n")
    assert (caught.value.line, caught.value.column) == (3, 1)
