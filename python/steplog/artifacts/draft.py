"""The draft of an artifact: what is put into it before it is logged."""

from __future__ import annotations

import contextlib
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, get_args

from steplog._errors import (
    ArgumentTypeError,
    ArtifactFinalizedError,
    MissingEntryError,
    UsageError,
)
from steplog.artifacts import names, references
from steplog.artifacts.folders import files_below
from steplog.artifacts.manifest import Entry, Manifest, md5_text
from steplog.artifacts.staging import Staged, Staging

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from typing_extensions import Self

__all__ = ["Draft", "Policy"]

Policy = Literal["mutable", "immutable"]
_READERS = 8
"""Files that are read at once of a folder: hashing leaves the interpreter to others."""


class Draft:
    """An artifact as it is put together.

    Nothing of it waits for a network, but references do: they are asked what they hold. Not for
    several threads at once.
    """

    def __init__(  # noqa: PLR0917  # as in the reference
        self,
        name: str,
        type: str,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        incremental: bool = False,
        use_as: str | None = None,
    ) -> None:
        self._begin(names.check_name(name), names.check_type(type))
        self._description = names.description_of(description)
        self._metadata.update(names.metadata_of(metadata))
        self._incremental = bool(incremental)
        self._use_as: str | None = use_as

    @classmethod
    def _other(cls, name: str, kind: str) -> Self:
        """One of a name that need not be checked."""
        made = cls.__new__(cls)
        made._begin(name, kind)  # noqa: SLF001  # of the same class
        return made

    def _begin(self, name: str, kind: str) -> None:
        """With nothing in it, and a name that need not be checked."""
        self.client_id = secrets.token_hex(16)
        self._name, self._type = name, kind
        self._description = ""
        self._metadata: dict[str, Any] = {}
        self._incremental = False
        self._use_as = None
        self._manifest = Manifest()
        self._added: dict[str, str] = {}
        self._folders: dict[str, int] = {}
        self._staging = Staging()
        self._staged: dict[str, Staged] = {}
        self._is_final = False
        self._base_id: str | None = None
        self._distributed_id: str | None = None

    # ---- what it is -------------------------------------------------------------------------

    @property
    def base_name(self) -> str:
        """Its name without a version."""
        return self._name

    @property
    def type(self) -> str:
        """Its kind, such as `dataset` or `model`."""
        return self._type

    @property
    def use_as(self) -> str | None:
        """What it is used as, as given."""
        return self._use_as

    @property
    def incremental(self) -> bool:
        """Whether it adds to the version before."""
        return self._incremental

    @property
    def base_id(self) -> str | None:
        """The id of the version that `new_draft` made this of; None of others."""
        return self._base_id

    @property
    def distributed_id(self) -> str | None:
        """What it has in common with the other parts of one artifact; None where it is no part."""
        return self._distributed_id

    @distributed_id.setter
    def distributed_id(self, distributed_id: str | None) -> None:
        self._distributed_id = distributed_id

    @property
    def description(self) -> str:
        """A text about it. Setting that of a version that is logged needs `save`."""
        return self._description

    @description.setter
    def description(self, description: str | None) -> None:
        self._description = names.description_of(description)

    @property
    def metadata(self) -> dict[str, Any]:
        """Facts about it, at most 100 keys. Setting those of a logged version needs `save`."""
        return self._metadata

    @metadata.setter
    def metadata(self, metadata: Mapping[str, Any] | None) -> None:
        self._metadata = names.metadata_of(metadata)

    @property
    def manifest(self) -> Manifest:
        """What it holds."""
        return self._manifest

    @property
    def digest(self) -> str:
        """Of all that it holds: versions of equal digests are one."""
        return self.manifest.digest()

    @property
    def size(self) -> int:
        """Bytes of all entries of which that is known."""
        return self.manifest.size()

    @property
    def file_count(self) -> int:
        """How many entries it has."""
        return len(self.manifest)

    def get_entry(self, name: str | os.PathLike[str]) -> Entry:
        """An entry by its path.

        Raises:
            MissingEntryError: There is none.
        """
        path = os.fspath(name)
        found = self.manifest.entries.get(path)
        if found is None:
            raise MissingEntryError(f"the artifact {self._name} has no entry {path!r}")
        return found

    def get_added_local_path_name(self, local_path: str) -> str | None:
        """The path of the entry that was added from a path; None where there is none."""
        at = os.path.realpath(local_path)
        return next((path for path, one in self._added.items() if one == at), None)

    # ---- files ------------------------------------------------------------------------------

    def add_file(  # noqa: PLR0917  # as in the reference
        self,
        local_path: str | os.PathLike[str],
        name: str | None = None,
        is_tmp: bool | None = False,
        skip_cache: bool | None = False,
        policy: Policy | None = "mutable",
        overwrite: bool = False,
    ) -> Entry:
        """Add a file.

        A mutable one is copied when this returns (where the file system can, without taking room):
        what becomes of it later does not matter. An immutable one is read only: it must stay as
        it is until the server has it.

        Args:
            local_path: The file.
            name: Its path in the artifact; the name of the file by default.
            is_tmp: Call it by a hash of its content, with the suffix of its name.
            skip_cache: Accepted, and does nothing: nothing is cached when it is logged.
            policy: `mutable` or `immutable`.
            overwrite: Whether an entry of another content may be there already.

        Raises:
            ArtifactFinalizedError: It is logged.
            ArgumentTypeError: An argument is of a wrong type.
            UsageError: It is no file, cannot be read, changes while it is read, or another content
                has that name.
            StorageError: There is no room for the copy.
        """
        del skip_cache
        self._check_open("add_file")
        path = _path_of(local_path)
        entry_path = names.entry_path(path.name if name is None else name)
        staged = self._staging.take(path, is_mutable=_check_policy(policy) == "mutable")
        if is_tmp:
            folder, _, base = entry_path.rpartition("/")
            _, dot, suffix = base.partition(".")
            base = f"{staged.md5.hex()[:20]}{dot}{suffix}"  # as in the reference
            entry_path = f"{folder}/{base}" if folder else base
        self._added[entry_path] = os.path.realpath(path)
        return self._put_staged(entry_path, staged, overwrite=overwrite)

    def add_dir(  # noqa: PLR0917  # as in the reference
        self,
        local_path: str | os.PathLike[str],
        name: str | None = None,
        skip_cache: bool | None = False,
        policy: Policy | None = "mutable",
        merge: bool = False,
    ) -> None:
        """Add all files below a folder, several of them read at once; see `add_file`.

        All are added, or none. Links in it are not followed out of it.

        Args:
            local_path: The folder.
            name: Where they are in the artifact; at its top by default.
            skip_cache: Accepted, and does nothing.
            policy: `mutable` or `immutable`.
            merge: Whether entries of another content may be there already, and are replaced.

        Raises:
            ArtifactFinalizedError: It is logged.
            ArgumentTypeError: An argument is of a wrong type.
            UsageError: It is no folder, a link in it leads out of it, or as of `add_file`.
            StorageError: There is no room for the copies.
        """
        del skip_cache
        self._check_open("add_dir")
        base = _path_of(local_path)
        if not base.is_dir():
            raise UsageError(f"there is no folder {base}")
        under = "" if name in {None, "", ".", "/"} else f"{names.entry_path(name)}/"
        take = partial(self._staging.take, is_mutable=_check_policy(policy) == "mutable")
        found = [(names.entry_path(f"{under}{at}"), path) for at, path in files_below(base)]
        with ThreadPoolExecutor(_READERS, "steplog-artifact") as pool:
            staged = list(pool.map(take, [path for _, path in found]))
        if not merge:
            for (at, _), one in zip(found, staged, strict=True):
                self._check_free(_entry_of(at, one))
        for (at, path), one in zip(found, staged, strict=True):
            self._added[at] = os.path.realpath(path)
            self._put_staged(at, one, overwrite=True)

    @contextlib.contextmanager
    def new_file(
        self, name: str, mode: str = "x", encoding: str | None = None
    ) -> Iterator[IO[Any]]:
        """Open a file to write it; it is added when the block ends without an error.

        Args:
            name: Its path in the artifact.
            mode: `x` or `w`, with `b` for bytes; `w` may replace an entry.
            encoding: Of text; UTF-8 by default.

        Raises:
            ArtifactFinalizedError: It is logged.
            UsageError: The name is there already, or none; or there is no such mode.
            StorageError: There is no room.
        """
        self._check_open("new_file")
        path = names.entry_path(name)
        if mode not in {"x", "w", "xb", "wb", "bx", "bw", "xt", "wt"}:
            raise UsageError(f"new_file() writes: mode is x, w, xb or wb, got {mode!r}")
        if path in self._manifest.entries and "x" in mode:
            raise UsageError(f"the artifact has an entry {path!r}: mode='w' replaces it")
        place = self._staging.new_path()
        text = encoding if "b" in mode else encoding or "utf-8"
        with place.open(mode.replace("x", "w"), encoding=text) as file:
            yield file
        self._put_staged(path, self._staging.take(place, is_mutable=False), overwrite=True)

    # ---- references and objects ---------------------------------------------------------------

    def add_reference(  # noqa: PLR0917  # as in the reference
        self,
        uri: str | Entry,
        name: str | None = None,
        checksum: bool = True,
        max_objects: int | None = None,
    ) -> list[Entry]:
        """Add what is elsewhere, by its address: its content stays there.

        Args:
            uri: `file://`, `http(s)://`, `s3://` or `gs://`; a folder or prefix stands for all
                below it. Buckets need `steplog[references]`, and have keys as obstore reads them
                from the environment. Of another scheme, such as `mydb://`, it is taken as it is:
                it stands for its content, which cannot be downloaded.
            name: Its path in the artifact; the last part of the address by default, and of what is
                below a folder the path there.
            checksum: Ask what it holds (ETag or MD5), so that a change makes another version, and
                is noticed by `download`. Without, the address stands for the content, and of a
                bucket for one object.
            max_objects: Most below one address; 10,000 by default.

        Raises:
            ArtifactFinalizedError: It is logged.
            ArgumentTypeError: An argument is of a wrong type.
            UsageError: It is no such address, holds too many, or another content has the name.
            NotFoundError: There is nothing.
            ServerError: It cannot be reached.
            ImportError: It is in a bucket, and obstore is not installed.
        """
        self._check_open("add_reference")
        if isinstance(uri, Entry):
            uri = uri.ref or ""
        if not isinstance(uri, (str, os.PathLike)):
            raise ArgumentTypeError(f"a reference is an address, got {type(uri).__name__}")
        address = os.fspath(uri)
        most = references.MOST_OBJECTS if max_objects is None else int(max_objects)
        entries = []
        for one in references.find(address, checksum=checksum, most=most):
            base = "" if name is None else names.entry_path(name)
            at = "/".join(filter(None, (base, one.name))) or _last_of(address)
            entries.append(
                Entry(
                    names.entry_path(at), one.digest, one.size, ref=one.ref, extra=one.extra or {}
                )
            )
        for entry in entries:
            self._check_free(entry)
        for entry in entries:
            self._put(entry)
        return entries

    def add(self, obj: object, name: str, overwrite: bool = False) -> Entry:
        """Add a table, an image or another media object.

        Its JSON is `NAME.TYPE.json`, such as `eval.table.json`; files that it has, also those in
        cells of a table, are beside it below `media/`. `get(NAME)` of the logged artifact gives it
        back.

        Args:
            obj: A `Table`, `JoinedTable`, `PartitionedTable`, `Image`, `Audio`, `Video`, `Html`,
                `Histogram`, `Object3D` or another type of media.
            name: What it is called.
            overwrite: Whether another object may have that name already.

        Raises:
            ArtifactFinalizedError: It is logged.
            ArgumentTypeError: It is nothing of the kind.
            UsageError: The name is none, or taken; or the object cannot be stored.
            StorageError: There is no room.
        """
        self._check_open("add")
        from steplog.artifacts import objects  # noqa: PLC0415  # with the types of media

        return objects.put(
            obj,
            names.entry_path(name),
            partial(self.put_content, overwrite=overwrite),
            paths=self._manifest.entries.keys(),
        )

    def put_content(self, path: str, content: bytes, *, overwrite: bool = False) -> Entry:
        """Add a content under a path; see `add_file`."""
        return self._put_staged(path, self._staging.keep(content), overwrite=overwrite)

    def remove(self, item: str | os.PathLike[str] | Entry) -> None:
        """Remove an entry, or all below a folder.

        Raises:
            ArtifactFinalizedError: It is logged.
            MissingEntryError: There is nothing of that name.
        """
        self._check_open("remove")
        path = item.path if isinstance(item, Entry) else os.fspath(item).rstrip("/")
        entries = self._manifest.entries
        below = f"{path}/"
        gone = [one for one in entries if one == path or one.startswith(below)]
        if not gone:
            raise MissingEntryError(f"the artifact {self._name} has no entry {path!r}")
        for one in gone:
            del entries[one]
            self._count_folders(one, -1)
            staged = self._staged.pop(one, None)
            if staged is not None and not staged.signature:
                staged.path.unlink(missing_ok=True)

    # ---- the end of it ------------------------------------------------------------------------

    @property
    def staged(self) -> Mapping[str, Staged]:
        """The files of its entries, by path."""
        return self._staged

    def finalize(self) -> None:
        """Take nothing more."""
        self._is_final = True

    def _check_open(self, call: str) -> None:
        if self._is_final:
            raise ArtifactFinalizedError(
                f"{call}(): the artifact {self._name} is logged and stays as it is; new_draft() "
                "begins another version"
            )

    def _put_staged(self, path: str, staged: Staged, *, overwrite: bool) -> Entry:
        entry = _entry_of(path, staged)
        if not overwrite:
            self._check_free(entry)
        old = self._staged.get(path)
        if old is not None and not old.signature and old.path != staged.path:
            old.path.unlink(missing_ok=True)
        self._put(entry)
        self._staged[path] = staged
        return entry

    def _put(self, entry: Entry) -> None:
        self._check_folders(entry.path)
        if entry.path not in self._manifest.entries:
            self._count_folders(entry.path, 1)
        self._staged.pop(entry.path, None)
        self._manifest.entries[entry.path] = entry

    def _check_free(self, entry: Entry) -> None:
        known = self._manifest.entries.get(entry.path)
        if known is not None and known.digest != entry.digest:
            raise UsageError(
                f"the artifact has an entry {entry.path!r} with another content: overwrite=True "
                "(of a folder merge=True) replaces it"
            )
        self._check_folders(entry.path)

    def _check_folders(self, path: str) -> None:
        """A name is a file's or a folder's: both could not be downloaded."""
        parents = _parents_of(path)
        clash = path if path in self._folders else None
        clash = clash or next((one for one in parents if one in self._manifest.entries), None)
        if clash is not None:
            raise UsageError(f"{clash!r} would be a file and a folder in the artifact: {path!r}")

    def _count_folders(self, path: str, by: int) -> None:
        for folder in _parents_of(path):
            self._folders[folder] = self._folders.get(folder, 0) + by
            if not self._folders[folder]:
                del self._folders[folder]

    def begin_from(self, base_id: str | None) -> None:
        """It is made of a version."""
        self._base_id = base_id

    def take_over(self, manifest: Manifest) -> None:
        """Begin with the entries of another version, whose contents the server has."""
        for entry in manifest.entries.values():
            self._put(entry)


def _entry_of(path: str, staged: Staged) -> Entry:
    return Entry(path, md5_text(staged.md5), staged.size, staged.sha256, local_path=staged.path)


def _parents_of(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def _last_of(address: str) -> str:
    """The name of what an address leads to."""
    path = address.partition("://")[2].split("?")[0].split("#")[0].rstrip("/")
    return path.rpartition("/")[2]


def _path_of(path: object) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentTypeError(f"a path is text or a path, got {type(path).__name__}")
    return Path(os.fsdecode(path))


def _check_policy(policy: object) -> str:
    found = "mutable" if policy is None else policy
    if found not in get_args(Policy):
        raise UsageError(f"policy is mutable or immutable, got {policy!r}")
    return str(found)
