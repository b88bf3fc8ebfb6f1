"""Calls to the emulated cloud: clients, tags, and which errors mean that something is not there."""

from __future__ import annotations

import os
import threading
from typing import Any

import boto3  # type: ignore[import-untyped]
import botocore.session  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from local.fakes.aws_provider.wire import Values

ERRORS = (BotoCoreError, ClientError)
"""What a call may raise: no answer, or the cloud's refusal."""

ABSENT = ("NotFound", "NoSuchEntity", "InvalidLaunchTemplateId", "InvalidPlacementGroup.Unknown")


class Cloud:
    """Clients for one region of the cloud at ``AWS_ENDPOINT_URL``; made once each, safe to share between threads."""

    def __init__(self, region: str, endpoint: str | None = None) -> None:
        self.region = region
        self.endpoint = endpoint or os.environ.get("AWS_ENDPOINT_URL", "")
        self._lock = threading.Lock()
        self._session = _session()
        self._clients: dict[str, Any] = {}
        self._account = ""

    def client(self, service: str) -> Any:
        """The client of a service; the credentials are no secret, the emulated cloud asks for some."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._session.client(
                    service,
                    region_name=self.region,
                    endpoint_url=self.endpoint,
                    aws_access_key_id="emulated",
                    aws_secret_access_key="emulated",
                    config=Config(
                        proxies={}, retries={"max_attempts": 2}, max_pool_connections=32, parameter_validation=True
                    ),
                )
            return self._clients[service]

    @property
    def ec2(self) -> Any:
        """The EC2 client."""
        return self.client("ec2")

    @property
    def iam(self) -> Any:
        """The IAM client."""
        return self.client("iam")

    @property
    def account(self) -> str:
        """The account's number."""
        if not self._account:
            self._account = self.client("sts").get_caller_identity()["Account"]
        return self._account

    def arn(self, service: str, rest: str, region: bool = True) -> str:
        """An ARN of this account."""
        return f"arn:aws:{service}:{self.region if region else ''}:{self.account}:{rest}"

    def first(self, operation: str, key: str, **arguments: Any) -> Values | None:
        """The first element that an EC2 describe call returns, or None when there is none."""
        told = answer(getattr(self.ec2, operation), **arguments)
        found: list[Values] = told[key] if told else []
        return found[0] if found else None

    def tag(self, resource: str, old: Values | None, new: Values | None) -> None:
        """Make an EC2 resource's tags those of `new`."""
        old, new = old or {}, new or {}
        gone = [{"Key": key} for key in old if key not in new]
        if gone:
            self.ec2.delete_tags(Resources=[resource], Tags=gone)
        if {k: v for k, v in new.items() if old.get(k) != v}:
            self.ec2.create_tags(Resources=[resource], Tags=pairs(new))


def _session() -> boto3.session.Session:
    """A session that reads nothing of the user's: no profile, no files, no accounts."""
    nothing: dict[str, tuple[str | None, ...]] = {"profile": (None, None, None, None)}
    for name in ("config_file", "credentials_file"):
        nothing[name] = (None, None, os.devnull, None)
    return boto3.session.Session(botocore_session=botocore.session.Session(session_vars=nothing))


def answer(call: Any, **arguments: Any) -> Values | None:
    """What a call answers; None where the thing does not exist."""
    try:
        found: Values = call(**arguments)
    except ClientError as error:
        if absent(error):
            return None
        raise
    return found


def absent(error: ClientError) -> bool:
    """Whether an error says that the thing does not exist."""
    code = error.response.get("Error", {}).get("Code", "")
    return any(word in code for word in ABSENT)


def pairs(tags: Values | None) -> list[dict[str, str]]:
    """Tags as AWS lists them."""
    return [{"Key": key, "Value": str(value)} for key, value in sorted((tags or {}).items())]


def mapping(tags: list[dict[str, str]] | None) -> dict[str, str]:
    """Tags as a map, without those that AWS adds by itself."""
    return {tag["Key"]: tag["Value"] for tag in tags or [] if not tag["Key"].startswith("aws:")}


def specification(kind: str, tags: Values | None) -> Values:
    """The TagSpecifications argument, or nothing."""
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": pairs(tags)}]} if tags else {}


def given(**values: Any) -> Values:
    """The arguments that are not None."""
    return {key: value for key, value in values.items() if value is not None}
