"""The reference page and the schema for editors are what the models say."""

from __future__ import annotations

import json
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from infra.config import model, reference, schema
from tests.support import infra_samples
from tests.support.paths import CHECKOUT

PAGE = CHECKOUT / "docs" / "reference" / "stack-configuration.md"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    found = spec_from_file_location("generate", CHECKOUT / "docs" / "generate.py")
    assert found and found.loader
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_page_and_the_schema_are_current(generate: ModuleType) -> None:
    for path in (PAGE, schema.STACK_FILE):
        assert path.read_text(encoding="utf-8") == generate.generated()[path], "run python docs/generate.py"


def test_a_page_without_its_markers_is_told(generate: ModuleType) -> None:
    with pytest.raises(ValueError, match="put back the lines"):
        generate.filled("nothing", reference.tables())


def test_every_key_is_there_with_a_sentence() -> None:
    text = reference.tables()
    for kind in (model.Cluster, model.NodeGroup, model.Network, model.Access, model.Host, model.Capacity, model.Disk):
        part = text.partition(f"### {kind.__name__}\n")[2].partition("### ")[0]
        assert part, kind
        for name in kind.model_fields:
            assert re.search(rf"^\| `{name}` \| .+ \| .+ \| .+[.] \|$", part, re.MULTILINE), name


def editor() -> Draft7Validator:
    found = json.loads(schema.STACK_FILE.read_text(encoding="utf-8"))
    Draft7Validator.check_schema(found)
    return Draft7Validator(found)


@pytest.mark.parametrize("file", infra_samples.STACK_FILES, ids=str)
def test_editors_find_nothing_wrong_in_the_stacks_of_the_checkout(file: Path) -> None:
    editor().validate(yaml.safe_load((CHECKOUT / file).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"teir": "dev"}, "lockstep:teir"),
        ({"tier": None}, "'lockstep:tier' is a required property"),
        ({"protect": "perhaps"}, "'perhaps' is not one of"),
        ({"groups__train__cuont": 3}, "'cuont' was unexpected"),
        ({"groups__train__count": "3"}, "is not of type 'integer'"),
        ({"access__ssh_from": "10.0.0.0/8"}, "is not of type 'array'"),
    ],
)
def test_editors_find_what_the_program_refuses(changes: dict[str, Any], words: str) -> None:
    keys = {f"lockstep:{name}": value for name, value in infra_samples.config(**changes).items()}
    stack = {"config": {"aws:region": "us-east-1", "other:key": 1, **keys}}
    told = [f"{error.json_path}: {error.message}" for error in editor().iter_errors(stack)]
    assert len(told) == 1 and words in told[0]


def test_links_lead_to_a_heading() -> None:
    text = reference.tables()
    headings = {heading.lower() for heading in re.findall(r"^### (\w+)$", text, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", text)) == headings - {"cluster"}


def test_links_to_files_of_the_checkout_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).exists(), target


def test_paths_in_the_page_name_what_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for path in set(re.findall(r"(?:playbooks|infra|inventory|docs)/[a-z_./-]*[a-z]", text)):
        assert (CHECKOUT / path).exists(), path


def test_the_local_stack_names_the_schema_for_editors() -> None:
    first = (CHECKOUT / "Pulumi.local.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={schema.STACK_FILE.relative_to(CHECKOUT)}"
    assert f"`{first}`" in PAGE.read_text(encoding="utf-8")
