"""netrc files, certificate authorities and proxies of everything that downloads."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.lockstep.fleet.plugins.module_utils.host.errors import Problem
from ansible_collections.lockstep.fleet.plugins.plugin_utils.net.credentials import split_credentials

from tests.support.mirror_samples import BIG_FILE, Site, Source, source
from tests.support.small_channel import usual


def test_netrc_credentials_go_to_their_host_only(site: Site, served: Source, monkeypatch: Any, tmp_path: Path) -> None:
    with source(site.upstream) as elsewhere:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login me password pw\ndefault login no password never\n")
        monkeypatch.setenv("NETRC", str(netrc))
        away = elsewhere.url.replace("127.0.0.1", "localhost")
        served.faults[BIG_FILE] = [f"to:{away}/forge/linux-64/{BIG_FILE}"]
        site.mirror(served.url)
        assert {sent for _, _, sent in served.log} == {"Basic bWU6cHc="}
        assert [sent for _, _, sent in elsewhere.log] == [""]
    netrc.write_text("machine 127.0.0.1 login me password pw oops-a-secret\n")
    with pytest.raises(Problem, match=r"netrc cannot be used \(line \d\).*not a netrc file") as caught:
        site.mirror(served.url)
    assert "oops" not in str(caught.value)


def test_private_certificate_authority_from_the_environment_is_trusted(
    site: Site, tmp_path: Path, monkeypatch: Any
) -> None:
    import ssl

    from tests.support.certificates import make

    ca, leaf = make(tmp_path)
    with source(site.upstream) as one:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(leaf)
        one.server.socket = context.wrap_socket(one.server.socket, server_side=True)
        url = one.url.replace("http:", "https:")
        with pytest.raises(Problem, match=r"certificate of 127.0.0.1 is not trusted.*SSL_CERT_FILE"):
            site.mirror(url)
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(variable, str(ca))
            site.mirror(url, f"m-{variable}")
            monkeypatch.setenv(variable, str(tmp_path / "absent.pem"))
            with pytest.raises(Problem, match=f"{variable} names .*absent.pem, which holds no certificates"):
                site.mirror(url, f"m-{variable}")
            monkeypatch.delenv(variable)


def test_proxy_is_used_except_for_hosts_in_no_proxy(site: Site, served: Source, monkeypatch: Any) -> None:
    with source(site.upstream) as proxy:  # a proxy is asked with whole addresses
        answer = proxy.answer

        def strip(request: Any) -> None:
            request.path = request.path.replace("http://conda.example.com", "")
            answer(request)

        proxy.answer = strip  # type: ignore[method-assign]
        monkeypatch.setenv("http_proxy", proxy.url)
        site.mirror("http://conda.example.com")
        assert len(proxy.downloads()) == 7
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        site.mirror(served.url, "m2")
        assert len(proxy.downloads()) == 7 and len(served.downloads()) == 7


def test_proxy_refusal_is_reported_without_its_password(site: Site, served: Source, monkeypatch: Any) -> None:
    """Also where it is only asked for a tunnel; its password is not shown."""
    with source(site.upstream) as proxy:
        handler = proxy.server.RequestHandlerClass
        monkeypatch.setattr(handler, "do_CONNECT", lambda self: proxy.status(self, 407), raising=False)
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//me:pass-word@"))
        with pytest.raises(Problem, match=r"the proxy refuses access \(HTTP 407\).*HTTPS_PROXY") as caught:
            site.mirror("https://conda.example.com")
        assert "pass-word" not in str(caught.value)


def test_every_downloader_reads_the_netrc_file(tmp_path: Path, monkeypatch: Any) -> None:
    """All that downloads reads the netrc file: rattler runtime (py-rattler's default client does not), installer,
    wheels.
    """
    from ansible_collections.lockstep.fleet.plugins.module_utils.build import build as generation
    from ansible_collections.lockstep.fleet.plugins.module_utils.miniconda import install
    from ansible_collections.lockstep.fleet.plugins.plugin_utils.net import wheel_cache
    from ansible_collections.lockstep.fleet.plugins.plugin_utils.solve.conda_solver import Question, Solver

    from tests.support.tiny_channel import fetched_from, make_channel, make_store

    channel = make_channel(tmp_path / "channel")
    plan = channel.plan("train", "python", "gamma")
    with source(tmp_path) as one:
        answer = one.answer
        one.answer = lambda request: (  # type: ignore[method-assign,assignment]
            answer(request) if request.headers.get("Authorization") == "Basic bWU6cHc=" else one.status(request, 401)
        )
        plan = fetched_from(plan, tmp_path.as_uri(), one.url)
        with pytest.raises(Problem, match=r"the channel refuses access.*netrc"):
            generation.build(make_store(tmp_path / "root"), plan, generation.Options(pip_check=False))
        file, sha256 = "x-1-py3-none-any.whl", hashlib.sha256(b"x").hexdigest()
        (tmp_path / file).write_bytes(b"x")
        with pytest.raises(Problem, match=r"401.*~/.netrc"):
            install.fetch(f"{one.url}/{file}", sha256, str(tmp_path / "installer"))
        with pytest.raises(Problem, match="401"):
            wheel_cache.wheel(file, sha256, one.url, tmp_path / "cache")
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pw\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        install.fetch(f"{one.url}/{file}", sha256, str(tmp_path / "installer"))
        usual(tmp_path / "solvable")
        asked = Question("linux-64", ("python",), ("conda-forge",), ())
        names = asyncio.run(Solver(f"{one.url}/solvable", tmp_path / "cache").names(asked))
        assert "numpy" in names["conda-forge"]
        assert wheel_cache.wheel(file, sha256, one.url, tmp_path / "cache").read_bytes() == b"x"
        built = generation.build(make_store(tmp_path / "root2"), plan, generation.Options(pip_check=False))
        assert built["downloaded"] == ["gamma", "python"]


def test_credentials_are_split_from_a_url() -> None:
    assert split_credentials("https://u%40x:p%3A@h:1/t") == ("https://h:1/t", {"h": ("u@x", "p:")})
