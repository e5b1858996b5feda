"""Settings files: INI, of one section `[default]`."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from steplog._errors import StorageError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

SECTION = "default"
_NOT_OF_THE_FILE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO}
"""What is no mistake of who has set the file up."""


def read(path: Path, *, must: bool = True) -> dict[str, str]:
    """The entries of a file; none where there is no file, or, unless it must, no right to read it.

    Raises:
        UsageError: It cannot be read, is no INI, or has another section.
        StorageError: The system cannot open a file just now.
    """
    try:
        text = path.read_text("utf-8-sig")  # Windows editors begin it with a mark
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, PermissionError) and not must:
            return {}
        if isinstance(error, OSError) and error.errno in _NOT_OF_THE_FILE:
            reason = f"the settings file cannot be read: {error.strerror}"
            raise StorageError(error.errno, reason, str(path)) from error
        raise UsageError(f"the settings file cannot be read: {error}: {path}") from error
    import configparser  # noqa: PLC0415  # 3 ms: only who has such a file pays for it

    # No section passes its entries on to others, and a percent sign is one.
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text, str(path))
    except configparser.Error as error:
        raise UsageError(f"the settings file is not INI: {error}: {path}") from error
    for section in parser.sections():
        if section != SECTION:
            raise UsageError(
                f"a settings file has one section [{SECTION}], not [{section}]: {path}"
            )
    return dict(parser[SECTION]) if parser.has_section(SECTION) else {}
