"""`login`: this user's key for a server."""

from __future__ import annotations

from steplog._errors import StorageError, UsageError
from steplog._keys import add_keys, key_from_file, keys_file
from steplog._notices import Notices
from steplog._reference import refuse
from steplog._settings import resolve


def login(
    key: str | None = None,
    *,
    host: str | None = None,
    relogin: bool | None = None,
    force: bool | None = None,
    timeout: int | None = None,
    verify: bool | None = None,
    anonymous: str | None = None,
) -> bool:
    """Keep a key for a server, or say whether there is one. Nothing is sent.

    `steplog server` keeps the key of the user who starts it by itself.

    Args:
        key: The key, which is kept in this user's key file.
        host: The server's address; `Settings.base_url` by default.
        relogin: Accepted, and does nothing: a key that is given replaces the one that is there.
        force: Raise rather than warn where there is no key.
        timeout: Accepted, and does nothing: nobody is asked.
        verify: Not there yet.
        anonymous: Accepted, and does nothing.

    Returns:
        Whether there is a key for the server.

    Raises:
        UsageError: The key cannot be one; `force`, and there is none.
        StorageError: The key file cannot be written.
    """
    del relogin, timeout, anonymous
    if verify:
        refuse("login(verify=True)")
    settings = resolve(None, base_url=host, api_key=key)
    base_url = settings.base_url.rstrip("/")
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
        key_from_file(base_url)
    except UsageError as error:
        if force:
            raise
        Notices(settings).warn("", str(error))
        return False
    return True
