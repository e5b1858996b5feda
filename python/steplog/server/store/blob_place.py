"""Where contents are kept: in the data folder, or in a bucket that speaks S3."""

from __future__ import annotations

import ipaddress
import os
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.store import S3Store

from steplog._errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obstore.store import ClientConfig, RetryConfig

_URL = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9!_.*'()-]+)*)/?")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
# A server that cannot reach the bucket says so soon, and its clients come again.
_RETRY: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
_CLIENT: ClientConfig = {"connect_timeout": "5s", "timeout": "120s"}


def place_of(url: str) -> str:
    """An address of contents in its one spelling.

    Raises:
        UsageError: It is none.
    """
    found = _URL.fullmatch(url)
    parts = found[2].split("/") if found else []
    if found is None or ".." in parts or "." in parts:
        raise UsageError(f"contents are kept in s3://BUCKET or s3://BUCKET/PREFIX, not {url!r}")
    return f"s3://{found[1]}{found[2]}"


def bucket_store(place: str, environ: Mapping[str, str] = os.environ) -> S3Store:
    """The bucket of a `place_of`, with the keys, region and endpoint of the usual variables.

    HTTP without TLS is spoken with this machine, and elsewhere with AWS_ALLOW_HTTP=true.
    """
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    client: ClientConfig = {**_CLIENT}
    endpoint = next((environ[name] for name in _ENDPOINTS if environ.get(name)), "")
    if _is_here(endpoint):
        client["allow_http"] = True
    return S3Store(bucket, prefix=prefix or None, client_options=client, retry_config=_RETRY)


def _is_here(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


__all__ = ["bucket_store", "place_of"]
