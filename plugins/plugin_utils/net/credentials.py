"""Set up downloads: proxies, certificate authorities and credentials. Standard library only.

Proxies come from the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), certificate authorities from the system or from
SSL_CERT_FILE, SSL_CERT_DIR or REQUESTS_CA_BUNDLE, credentials from the netrc file ($NETRC or ~/.netrc).
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
    """Return an opener that uses this site's proxies, authorities and credentials.

    :param credentials: (user, password) by host; they take precedence over the netrc file
    :raises Problem: if the netrc file or a file of certificates cannot be used
    """
    return urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=tls_context()), _Credentials(credentials or {})
    )


def tls_context() -> ssl.SSLContext:
    """Return the TLS context: the system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR (OpenSSL reads
    both), plus those of REQUESTS_CA_BUNDLE (conda and pip read it).

    :raises Problem: if a variable names a file without certificates
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
    """Split `user:password@` off a url; return the bare url, and (user, password) by host ({} if there was none)."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url, {}
    user, _unused, password = parts.netloc.rpartition("@")[0].partition(":")
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return urlunsplit(bare), {parts.hostname or "": (unquote(user), unquote(password))}


class _Credentials(urllib.request.BaseHandler):
    """Add the credentials of the netrc file (or of the source's own url) to requests for their host only.

    A redirect makes a new request: it gets the credentials of its own host or none, never those of the first host.
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
            found = self.file.hosts.get(host)  # not its `default`, which would go to every host of a redirect
            entry = (found[0], found[2] or "") if found else None
        if entry and not request.has_header("Authorization"):
            text = base64.b64encode(f"{entry[0]}:{entry[1]}".encode()).decode()
            request.add_unredirected_header("Authorization", f"Basic {text}")
        return request

    https_request = http_request


def _bad_netrc(error: Exception) -> Problem:
    """Make the error for a netrc file, without the parser's message: that quotes the file, which holds passwords."""
    where = getattr(error, "filename", None) or os.environ.get("NETRC") or "~/.netrc"
    line = getattr(error, "lineno", None)
    why, remedy = "it is not a netrc file", "repair it, or name another one in the environment variable NETRC"
    if isinstance(error, OSError):
        why = error.strerror or str(error)
    elif "permissive" in str(error) or "owner" in str(error):
        why, remedy = "others can read it, or it belongs to another user", f"chmod 600 {where}"
    return Problem(f"{where} cannot be used" + (f" (line {line})" if line else ""), why, remedy)
