"""Hide credentials in text that people read. Needs nothing but Python 3.9."""

from __future__ import annotations

import re

SECRET = re.compile(r"(?i)([?&][^=&\s]*(?:token|key|secret|sig|signature|password)[^=&\s]*=)[^&\s\"']+")


def redact(text: str) -> str:
    """Return a url, a part of one, or a text with urls, without credentials, channel tokens and secret parameters."""
    text = re.sub(r"//[^/@\s\"']*@", "//<credentials>@", text)
    text = re.sub(r"(?<![^\s/@'\"])(:*)[^\s/@:'\"]+:[^\s/@'\"]+@", r"\1<credentials>@", text)
    text = re.sub(r"/t/[^/\s\"']+", "/t/<token>", text)
    return SECRET.sub(r"\1<secret>", text)
