"""Run by the environment's own Python, at its final path, before it is published."""

import click
import jinja2
import rich
import yaml

assert yaml.safe_load("a: [1, 2]") == {"a": [1, 2]}
assert jinja2.Template("{{ x }}!").render(x="ok") == "ok!"
print("click", click.__name__, "rich", rich.__name__, "yaml", yaml.__version__)
