"""Conda's match specs (CEP 29), as far as they have to be looked at without a solver."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

with contextlib.suppress(ImportError):  # ansible_support.require() says what to install
    from rattler import MatchSpec

_FUZZY = re.compile(r"(?<![=!<>~])=(?!=)\s*(?P<version>[^\s=,|\[\]*]+)\s*(\[|\Z)")


_NAME = re.compile(r"[a-z0-9_][a-z0-9._-]*\Z")


class SpecError(ValueError):
    """Text that is no match spec."""


@dataclass(frozen=True)
class Match:
    """What one entry of `dependencies` asks for."""

    text: str
    name: str
    channel: str | None  # as written, without a subdir
    version: str | None
    build: str | None
    is_url: bool
    fuzzy: str | None  # the 1.8 of `pkg=1.8`, which means 1.8.*

    def for_channel(self, base_url: str | None) -> str:
        """Return the text with its channel replaced (None: removed), for solving from a mirror."""
        if self.channel is None:
            return self.text
        rest = self.text.split("::", 1)[1] if "::" in self.text else re.sub(r"channel\s*=\s*[^,\]]+,?", "", self.text)
        return f"{base_url}::{rest}" if base_url else rest


def parse(text: str) -> Match:
    """Read one dependency; raises SpecError with the parser's reason."""
    if re.search(r"[^\x20-\x7e]", text):
        raise SpecError("characters outside printable ASCII")
    if text.strip().endswith((".conda", ".tar.bz2")) or text.lstrip().startswith((".", "/", "~")):
        return Match(text, "", None, None, None, True, None)
    if ";" in text:
        raise SpecError("a condition behind `;` is pip's, and conda has none")
    if "://" not in text and re.search("(?<!:):(?!:)", text):  # the parser takes what is before it for a namespace
        raise SpecError("`:` separates nothing; a channel is followed by `::`")
    try:
        spec = MatchSpec(text, strict=False)
    except Exception as error:  # the exception's class is not part of py-rattler's interface
        raise SpecError(str(error).splitlines()[0]) from None
    found = re.search(r'PackageNameMatcher\("([^"]*)"', str(spec.name))
    name = (found[1] if found else "").lower()
    if not _NAME.match(name):  # the parser takes `--option value` for a package
        raise SpecError(f"{name[:60]!r} is not a package's name")
    if re.search("[a-z]", spec.version or "", re.IGNORECASE) and not re.search("[0-9]", spec.version):
        raise SpecError(f"{spec.version.lstrip('=')[:60]!r} is not a version; each package has a line of its own")
    if re.search(r"\A[^^].*[<>=!~]|\A[<>=!~]", spec.build or ""):  # ^...$ is a regular expression
        raise SpecError(f"{spec.build[:60]!r} stands where a build does; two conditions have a comma between them")
    channel = None
    if "::" in text:
        channel = re.sub(r"/(noarch|linux-\w+|osx-\w+|win-\w+)\Z", "", text.split("::", 1)[0].strip())
    elif spec.channel is not None:
        channel = spec.channel.base_url.rstrip("/")
    fuzzy = _FUZZY.search(text.split("::", 1)[-1])
    pin = fuzzy["version"] if fuzzy and f"{fuzzy['version']}.*" in str(spec.version) else None
    return Match(text, name, channel, spec.version, spec.build, 'url="' in str(spec), pin)
