"""Whom to trust, and with which credentials, when something is downloaded. Standard library only.

Proxies are those of the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), certificate authorities the system's or those
of SSL_CERT_FILE, SSL_CERT_DIR or REQUESTS_CA_BUNDLE, credentials those of the netrc file ($NETRC or ~/.netrc).
"""

from __future__ import annotations

import base64
import netrc
import os
import ssl
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from ...module_utils.host.errors import Problem


def opener(credentials: Mapping[str, tuple[str, str]] | None = None) -> urllib.request.OpenerDirector:
    """Return what opens addresses with this site's proxies, authorities and credentials.

    :raises Problem: where the netrc file or one of certificates cannot be used
    """
    return urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=tls_context()), _Credentials(credentials or {})
    )


def tls_context() -> ssl.SSLContext:
    """Return whom to trust: the system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR (which OpenSSL reads
    itself), and those of REQUESTS_CA_BUNDLE besides, which conda and pip read.

    :raises Problem: where a variable names a file that holds none
    """
    context = ssl.create_default_context()
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        place = os.environ.get(variable)
        if place:
            try:
                folder = Path(place).is_dir()
                context.load_verify_locations(cafile=None if folder else place, capath=place if folder else None)
            except (OSError, ssl.SSLError) as error:
                raise Problem(
                    f"{variable} names {place}, which holds no certificates",
                    str(error),
                    "correct the variable, or unset it",
                ) from None
    return context


def split_credentials(url: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """Return an address without `user:password@`, and by host what was there."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url, {}
    user, _unused, password = parts.netloc.rpartition("@")[0].partition(":")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return urlunsplit(bare), {parts.hostname or "": (unquote(user), unquote(password))}


class _Credentials(urllib.request.BaseHandler):
    """Adds what the netrc file (or the source's own address) has for a host, to requests for that host alone.

    A redirect makes a new request: its host gets its own entry or nothing, never that of the first one.
    """

    handler_order = 400

    def __init__(self, given: Mapping[str, tuple[str, str]]) -> None:
        self.given = dict(given)
        try:
            self.file: netrc.netrc | None = netrc.netrc(os.environ.get("NETRC") or None)
        except FileNotFoundError:
            self.file = None
        except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as error:
            raise _bad_netrc(error) from None

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        host = urlsplit(request.full_url).hostname or ""
        entry = self.given.get(host)
        if entry is None and self.file:
            found = self.file.hosts.get(host)  # not its `default`, which would go to whoever is redirected to
            entry = (found[0], found[2] or "") if found else None
        if entry and not request.has_header("Authorization"):
            text = base64.b64encode(f"{entry[0]}:{entry[1]}".encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {text}")
        return request

    https_request = http_request


def _bad_netrc(error: Exception) -> Problem:
    """Return what is wrong with a netrc file, without the parser's words: it quotes what it stumbled over."""
    where = getattr(error, "filename", None) or os.environ.get("NETRC") or "~/.netrc"
    line = getattr(error, "lineno", None)
    why, remedy = "it is not a netrc file", "repair it, or name another one in the environment variable NETRC"
    if isinstance(error, OSError):
        why = error.strerror or str(error)
    elif "permissive" in str(error) or "owner" in str(error):
        why, remedy = "others can read it, or it belongs to somebody else", f"chmod 600 {where}"
    return Problem(f"{where} cannot be used" + (f" (line {line})" if line else ""), why, remedy)
