"""`steplog server`, and the link that logs a browser in to one."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

from steplog import _keys, _network, _settings
from steplog._errors import ServerError

_REQUEST_SECS = 30


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7837,
    show_default=True,
    help="Port to listen at; 0 takes any that is free.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of the data; ~/.local/share/steplog by default.",
)
@click.option(
    "--max-log-mib",
    type=click.IntRange(0, 1 << 20),
    default=1024,
    show_default=True,
    help="Of a process's output that is longer the middle is left out; 0 keeps all.",
)
@click.option("--webhook", metavar="URL", help="Address that is told of alerts: https, or here.")
@click.option("--webhook-allow-http", is_flag=True, help="Let it be elsewhere without TLS.")
@click.option(
    "--blobs",
    metavar="URL",
    help="Where contents of files are kept: s3://BUCKET/PREFIX; in the data folder by default.",
)
@click.option(
    "--blob-grace-secs",
    type=click.FloatRange(0),
    default=3600.0,
    show_default=True,
    help="How long a content stays that no file names any more.",
)
@click.option(
    "--max-blob-mib",
    type=click.IntRange(0, 1 << 40),
    default=1 << 20,
    show_default=True,
    help="Largest file that is taken; 0 for any.",
)
@click.option(
    "--max-run-gib",
    type=click.IntRange(0, 1 << 30),
    default=10240,
    show_default=True,
    help="Most that the files of a run come to; 0 for any.",
)
def server(
    host: str,
    port: int,
    data: Path | None,
    *,
    max_log_mib: int,
    webhook: str | None,
    webhook_allow_http: bool,
    blobs: str | None,
    blob_grace_secs: float,
    max_blob_mib: int,
    max_run_gib: int,
) -> None:
    """Run the server until it is interrupted."""
    try:
        run_server = importlib.import_module("steplog.server.app").run_server
    except ModuleNotFoundError as error:
        raise ServerError(
            f"the server cannot start, {error.name} is missing: pip install 'steplog[server]'"
        ) from error
    run_server(
        host=host,
        port=port,
        data=data or Path.home() / ".local" / "share" / "steplog",
        max_log_bytes=max_log_mib << 20,
        webhook=webhook,
        webhook_allows_http=webhook_allow_http,
        blobs=blobs,
        blob_grace_secs=blob_grace_secs,
        max_blob_bytes=max_blob_mib << 20,
        max_run_bytes=max_run_gib << 30,
    )


@click.command("login-link")
@click.option("--base-url", help="The server; STEPLOG_BASE_URL by default.")
@click.option("--api-key", help="The server's key; STEPLOG_API_KEY or the key file by default.")
def login_link(base_url: str | None, api_key: str | None) -> None:
    """Print a link that logs a browser in, once."""
    settings = _settings.resolve(None, base_url=base_url, api_key=api_key)
    base = settings.base_url.rstrip("/")
    key = settings.api_key or _keys.key_from_file(base)
    said = _network.ask(
        f"{base}/api/v1/login-links",
        key,
        ca_file=settings.ca_file,
        timeout_secs=_REQUEST_SECS,
        body=b"{}",
    )
    answer = said.json()
    link = answer.get("url") if isinstance(answer, dict) else None
    if not isinstance(link, str):
        raise ServerError(f"the answer holds no link: {base}")
    print(link)
