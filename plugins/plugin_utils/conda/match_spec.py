"""Parse conda's match specs (CEP 29), as far as that is needed without a solver."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass

with contextlib.suppress(ImportError):  # ansible_support.require() says what to install
    from rattler import MatchSpec

from ..core.errors import ControllerError

_FUZZY = re.compile(r"(?<![=!<>~])=(?!=)\s*(?P<version>[^\s=,|\[\]*]+)\s*(\[|\Z)")
_NAME = re.compile(r"[a-z0-9_][a-z0-9._-]*\Z")


class SpecError(ControllerError):
    """Text that is not a match spec."""


@dataclass(frozen=True)
class Match:
    """One entry of `dependencies`, parsed."""

    text: str
    name: str
    channel: str | None  # as written, without a subdir
    version: str | None
    build: str | None
    is_url: bool
    fuzzy: str | None  # the 1.8 of `pkg=1.8`, which means 1.8.*

    def for_channel(self, base_url: str | None) -> str:
        """Return the match spec with its channel replaced by a url (None: removed), to solve from a mirror."""
        if self.channel is None:
            return self.text
        rest = self.text.split("::", 1)[1] if "::" in self.text else re.sub(r"channel\s*=\s*[^,\]]+,?", "", self.text)
        return f"{base_url}::{rest}" if base_url else rest


def parse(text: str) -> Match:
    """Parse one dependency; raises SpecError with the reason."""
    if re.search(r"[^\x20-\x7e]", text):
        raise SpecError("characters outside printable ASCII")
    if text.strip().endswith((".conda", ".tar.bz2")) or text.lstrip().startswith((".", "/", "~")):
        return Match(text, "", None, None, None, True, None)
    if ";" in text:
        raise SpecError("conditions after `;` exist only in pip requirements")
    if "://" not in text and re.search("(?<!:):(?!:)", text):  # the parser reads the text before it as a namespace
        raise SpecError("`:` has no meaning", "", "write `::` after a channel")
    try:
        spec = MatchSpec(text, strict=False)
    except Exception as error:  # the exception's class is not part of py-rattler's interface
        raise SpecError(str(error).splitlines()[0]) from None
    matcher = re.search(r'PackageNameMatcher\("([^"]*)"', str(spec.name))
    name = (matcher[1] if matcher else "").lower()
    if not _NAME.match(name):  # the parser reads `--option value` as a package
        raise SpecError(f"{name[:60]!r} is not a package name")
    if re.search("[a-z]", spec.version or "", re.IGNORECASE) and not re.search("[0-9]", spec.version):
        raise SpecError(
            f"{spec.version.lstrip('=')[:60]!r} is not a version", "", "write each package on a line of its own"
        )
    if re.search(r"\A[^^].*[<>=!~]|\A[<>=!~]", spec.build or ""):  # ^...$ is a regular expression
        raise SpecError(f"{spec.build[:60]!r} is not a build", "", "write a comma between two conditions")
    channel = None
    if "::" in text:
        channel = re.sub(r"/(noarch|linux-\w+|osx-\w+|win-\w+)\Z", "", text.split("::", 1)[0].strip())
    elif spec.channel is not None:
        channel = spec.channel.base_url.rstrip("/")
    fuzzy = _FUZZY.search(text.split("::", 1)[-1])
    pin = fuzzy["version"] if fuzzy and f"{fuzzy['version']}.*" in str(spec.version) else None
    return Match(text, name, channel, spec.version, spec.build, 'url="' in str(spec), pin)
