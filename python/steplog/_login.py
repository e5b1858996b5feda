"""`login`: this user's key for a server."""

from __future__ import annotations

from steplog import _network
from steplog._errors import StorageError, UsageError
from steplog._keys import add_keys, key_from_file, keys_file
from steplog._notices import Notices
from steplog._settings import Settings, resolve

_ASK_SECS = 5.0
_LEAST_KEY = 40


def login(
    key: str | None = None,
    *,
    host: str | None = None,
    relogin: bool | None = None,
    force: bool | None = None,
    timeout: float | None = None,
    verify: bool | None = None,
    anonymous: str | None = None,
    referrer: str | None = None,
    prompt: bool | None = None,
) -> bool:
    """Keep a key for a server, or say whether there is one. Sends nothing unless told to verify.

    `steplog server` keeps the key of the user who starts it by itself.

    Args:
        key: The key, which is kept in this user's key file.
        host: The server's address; `Settings.base_url` by default.
        relogin: Accepted, and does nothing: a key that is given replaces the one that is there.
        force: Raise rather than warn where there is no key.
        timeout: Longest time that `verify` waits, seconds; 5 by default.
        verify: Ask the server whether it takes the key, before that is kept.
        anonymous: Accepted, and does nothing.
        referrer: Accepted, and does nothing.
        prompt: Accepted, and does nothing: nobody is asked for a key.

    Returns:
        Whether there is a key for the server.

    Raises:
        UsageError: The key cannot be one; `force`, and there is none.
        ServerError: `verify`, and the server refuses the key or cannot be reached.
        StorageError: The key file cannot be written.
    """
    del relogin, anonymous, referrer, prompt
    settings = resolve(None, base_url=host, api_key=key)
    base_url = settings.base_url.rstrip("/")
    if key is not None and len(key) < _LEAST_KEY:
        raise UsageError(f"a key has {_LEAST_KEY} characters or more, got {len(key)}")
    if verify and settings.api_key:
        _verify(settings, settings.api_key, timeout)
    if key is not None:
        path = keys_file()
        try:
            add_keys(path, {base_url: key})
        except OSError as error:
            reason = f"cannot write the key file: {error.strerror}"
            raise StorageError(error.errno or 0, reason, str(path)) from error
        return True
    if settings.api_key:
        return True
    try:
        found = key_from_file(base_url)
    except UsageError as error:
        if force:
            raise
        Notices(settings).warn("", str(error))
        return False
    if verify:
        _verify(settings, found, timeout)
    return True


def _verify(settings: Settings, key: str, timeout_secs: float | None) -> None:
    url = f"{settings.base_url.rstrip('/')}/api/v1/session"
    timeout_secs = _ASK_SECS if timeout_secs is None else timeout_secs
    _network.ask(url, key, ca_file=settings.ca_file, timeout_secs=timeout_secs)
