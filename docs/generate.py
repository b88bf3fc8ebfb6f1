"""Write the generated parts of the documentation: ``python docs/generate.py`` (with ``--check``: only compare).

A generated part stands between two comments, so that a page can hold more than a table. The picture of the packages
is a file of its own.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "collections"), str(Path(__file__).resolve().parent)]

import packages  # noqa: E402
from ansible_collections.lockstep.fleet.plugins.plugin_utils.audit.compare import kinds  # noqa: E402

from infra.config import reference, schema  # noqa: E402

BEGIN, END = "<!-- generated: begin (python docs/generate.py) -->", "<!-- generated: end -->"
ROLES = ("miniconda", "condarc", "conda_envs", "conda_clean")


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Render a Markdown table."""
    head = list(head)
    lines = [head, *rows]
    text = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    return "\n".join([text[0], "|---" * len(head) + "|", *text[1:]])


def markdown(text: str | list[str]) -> str:
    """Turn Ansible's markup into Markdown."""
    text = text if isinstance(text, str) else " ".join(text)
    text = re.sub(r"\bL\(([^,)]*), *([^)]*)\)", r"[\1](\2)", text)
    return re.sub(r"\b[COVEMIB]\(((?:[^()\\]|\\.|\([^()]*\))*)\)", r"`\1`", text)


def default(option: Mapping[str, Any]) -> str:
    """Render the default of an option; a template that falls back on a variable is said in words."""
    if option.get("required"):
        return "**required**"
    value = option.get("default")
    if value is None:
        return ""
    if isinstance(value, str):
        fallback = re.fullmatch(r"\{\{ (\w+) \| default\(([^()]*)\) \}\}", value)
        if fallback:
            other = fallback[2].strip("'\"")
            return f"`{fallback[1]}`, else " + (f"`{other}`" if other else "empty")
        return f"`{value}`" if value else "empty"
    return f"`{json.dumps(value)}`"


def takes(option: Mapping[str, Any]) -> str:
    """Render the type of an option and its choices."""
    kind = str(option.get("type", "str"))
    kind = f"list of {option['elements']}" if kind == "list" and "elements" in option else kind
    choices = option.get("choices")
    return kind + (": " + ", ".join(f"`{choice}`" for choice in choices) if choices else "")


def options(found: Mapping[str, Any], prefix: str = "") -> list[list[str]]:
    """Return a row for each option, and below it one for each of its suboptions."""
    rows = []
    for name, option in found.items():
        rows.append([f"`{prefix}{name}`", takes(option), default(option), markdown(option["description"])])
        rows += options(option.get("suboptions") or option.get("options") or {}, f"{prefix}{name}.")
    return rows


def returned(found: Mapping[str, Any], prefix: str = "") -> list[list[str]]:
    """Return a row for each value that a module returns."""
    rows = []
    for name, value in found.items():
        rows.append([f"`{prefix}{name}`", takes(value), markdown(value["description"])])
        rows += returned(value.get("contains") or {}, f"{prefix}{name}.")
    return rows


OPTIONS = ("option", "type", "default", "meaning")


def ansible_doc(kind: str, names: list[str]) -> dict[str, Any]:
    """Ask ansible-doc for plugins of one type, doc fragments filled in.

    :raises subprocess.CalledProcessError: when a plugin's documentation is invalid
    """
    command = [str(Path(sys.executable).parent / "ansible-doc"), "--json", "--type", kind, *names]
    places = {"ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "collections"), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=CHECKOUT, env={**os.environ, **places}, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    if missing := set(names) - set(found):
        raise ValueError(f"ansible-doc documents no {kind} {', '.join(sorted(missing))}: see its warnings above")
    return found


def plugins() -> str:
    """Document each module and the inventory plugin."""
    parts = []
    for kind, folder in (("module", "modules"), ("inventory", "inventory")):
        files = sorted((CHECKOUT / "plugins" / folder).glob("[!_]*.py"))
        for name, one in ansible_doc(kind, [f"lockstep.fleet.{file.stem}" for file in files]).items():
            doc = one["doc"]
            title = f"## {name.split('.')[-1]}" + ("" if kind == "module" else f" ({kind})")
            parts += [title, markdown(doc["short_description"]).rstrip(".") + ".", markdown(doc["description"])]
            if doc.get("options"):
                parts.append(table(OPTIONS, options(doc["options"])))
            if one.get("return"):
                parts.append(table(("returns", "type", "meaning"), returned(one["return"])))
            if one.get("examples"):
                parts.append(f"```yaml\n{one['examples'].strip()}\n```")
    return "\n\n".join(parts)


def specs(role: str) -> dict[str, Any]:
    """Read the argument specs of a role."""
    text = (CHECKOUT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["argument_specs"]
    return found


def variables(role: str) -> str:
    """Render the variables of a role."""
    return table(("variable", "type", "default", "meaning"), options(specs(role)["main"]["options"]))


def roles() -> str:
    """Document each role: its entry points and its variables."""
    parts = []
    for role in ROLES:
        entries = specs(role)
        parts += [f"## {role}", markdown(entries["main"]["description"])]
        others = [
            [f"`tasks_from: {name}`", markdown(entry["short_description"]).rstrip(".") + "."]
            for name, entry in entries.items()
            if name != "main"
        ]
        parts += [table(("entry point", "what it does"), others)] if others else []
        parts.append(variables(role))
    return "\n\n".join(parts)


def drift_kinds() -> str:
    """Document each kind of drift, from the code that reports it."""
    rows = []
    for kind in kinds.Kind:
        about = kinds.ABOUT[kind]
        role = f"[{about.role}](roles.md#{about.role})" if about.role else "a person"
        rows.append([f"`{kind.value}`", about.sentence, role, about.remedy])
    return table(("kind", "meaning", "repaired by", "remedy"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "docs/reference/modules.md": plugins,
    "docs/reference/roles.md": roles,
    "docs/reference/drift-kinds.md": drift_kinds,
    "docs/reference/stack-configuration.md": reference.tables,
    **{f"roles/{role}/README.md": lambda role=role: variables(role) for role in ROLES},
}


def filled(page: str, part: str) -> str:
    """Put a generated part into a page.

    :raises ValueError: when the page lacks the two comments
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no place for the generated part: put back the lines {BEGIN} and {END}")
    return f"{head}{BEGIN}\n\n{part}\n\n{END}{tail}"


def generated() -> dict[Path, str]:
    """Return the text of each page that has a generated part, as it should be."""
    pages = {}
    for name, make in PARTS.items():
        page = CHECKOUT / name
        try:
            pages[page] = filled(page.read_text(encoding="utf-8"), make())
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    pages[schema.STACK_FILE] = schema.stack_file()
    pages[packages.PICTURE] = packages.picture()
    return pages


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check tell which are out of date; returns the exit code."""
    stale = {page: text for page, text in generated().items() if not page.exists() or page.read_text("utf-8") != text}
    for page, text in stale.items():
        name = page.relative_to(CHECKOUT)
        if "--check" in arguments:
            print(f"{name} is out of date: run `make docs` and commit what it writes", file=sys.stderr)
        else:
            page.write_text(text, encoding="utf-8")
            print(f"docs: wrote {name}")
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
