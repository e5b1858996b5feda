"""Molecules."""

from __future__ import annotations

import importlib.util
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steplog._errors import ArgumentTypeError, UsageError
from steplog.data import given_file
from steplog.data.one_file import OneFile, Written, captions_of, text_or_none

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Molecule"]

_ITERATIONS = 200


class Molecule(OneFile):
    """A molecule.

    The constructor reads the file and returns; whatever becomes of it later does not matter. `log`
    returns at once; the file is in the log first, then its row's value (`await run.alog`, `flush`
    and `finish` wait for it).

    Args:
        data_or_path: The path of a file that ends in one of `SUPPORTED_TYPES`, an open file, or its
            content in `io.StringIO` or bytes; it is kept as it is.
        caption: A text beside it.
        file_type: What a content without a name is: one of `SUPPORTED_TYPES`.

    Raises:
        ArgumentTypeError: An argument has the wrong type.
        UsageError: It is of another type, cannot be read, or is too large.
    """

    _TYPE, _FOLDER = "molecule-file", "molecule"
    SUPPORTED_TYPES = frozenset(
        {"pdb", "pqr", "mmcif", "mcif", "cif", "sdf", "sd", "gro", "mol2", "mmtf"}
    )
    SUPPORTED_RDKIT_TYPES = frozenset({"mol", "sdf"})

    def __init__(
        self,
        data_or_path: Any,  # noqa: ANN401  # path or file
        caption: str | None = None,
        *,
        file_type: str | None = None,
    ) -> None:
        found = given_file.find("Molecule()", data_or_path)
        kind = Path(found.name).suffix[1:] if found.name else text_or_none(file_type)
        if kind is None:
            raise UsageError("Molecule() needs file_type for what has no name")
        if kind.lower() not in self.SUPPORTED_TYPES:
            raise UsageError(
                f"a molecule is a file of type {', '.join(sorted(self.SUPPORTED_TYPES))}, "
                f"got {found.name or kind}"
            )
        super().__init__(Written(found.content, f".{kind.lower()}", {}), caption)

    @classmethod
    def from_rdkit(  # noqa: PLR0917  # as in the reference
        cls,
        data_or_path: Any,  # noqa: ANN401  # of RDKit
        caption: str | None = None,
        convert_to_3d_and_optimize: bool = True,
        mmff_optimize_molecule_max_iterations: int = _ITERATIONS,
    ) -> Molecule:
        """The molecule of RDKit, or of a file that only RDKit reads, as PDB.

        Takes its time in the caller: RDKit's objects may change.

        Args:
            data_or_path: A `Mol` of RDKit, or the path of a file that ends in one of
                `SUPPORTED_RDKIT_TYPES`.
            caption: A text beside it.
            convert_to_3d_and_optimize: Whether its atoms are given places.
            mmff_optimize_molecule_max_iterations: Steps on the way to these.

        Raises:
            ArgumentTypeError: It is neither.
            UsageError: RDKit is not installed, or cannot read it.
        """
        chem = _rdkit()
        molecule = _read(chem, data_or_path)
        if convert_to_3d_and_optimize:
            from rdkit.Chem import AllChem  # noqa: PLC0415

            molecule = chem.AddHs(molecule)
            if not molecule.GetNumAtoms() or AllChem.EmbedMolecule(molecule) < 0:
                raise UsageError("RDKit finds no places for the atoms of the molecule")
            AllChem.MMFFOptimizeMolecule(molecule, maxIters=mmff_optimize_molecule_max_iterations)
        return cls(io.StringIO(chem.MolToPDBBlock(molecule)), caption, file_type="pdb")

    @classmethod
    def from_smiles(  # noqa: PLR0917  # as in the reference
        cls,
        data: str,
        caption: str | None = None,
        sanitize: bool = True,
        convert_to_3d_and_optimize: bool = True,
        mmff_optimize_molecule_max_iterations: int = _ITERATIONS,
    ) -> Molecule:
        """The molecule of a SMILES text, as PDB: read by RDKit, then as `from_rdkit`.

        Raises:
            ArgumentTypeError: It is no text.
            UsageError: RDKit is not installed, or cannot read it.
        """
        chem = _rdkit()
        if not isinstance(data, str):
            raise ArgumentTypeError(f"from_smiles() takes a text, got {type(data).__name__}")
        molecule = chem.MolFromSmiles(data, sanitize=sanitize)
        if molecule is None:
            raise UsageError(f"RDKit cannot read this SMILES text: {data!r}")
        return cls.from_rdkit(
            molecule,
            caption,
            convert_to_3d_and_optimize,
            mmff_optimize_molecule_max_iterations,
        )

    @classmethod
    def batch(cls, stored: Sequence[dict[str, object]]) -> object:
        """As of `Media`."""
        return {
            "_type": "molecule",
            "filenames": [one["path"] for one in stored],
            "count": len(stored),
            "captions": captions_of(stored),
        }


def _rdkit() -> Any:  # noqa: ANN401  # a module
    if importlib.util.find_spec("rdkit") is None:
        raise UsageError("from_rdkit() and from_smiles() need RDKit: pip install rdkit")
    from rdkit import Chem  # noqa: PLC0415  # only who has it pays for it

    return Chem


def _read(chem: Any, data: Any) -> Any:  # noqa: ANN401  # of RDKit
    if isinstance(data, chem.Mol):
        return data
    if not isinstance(data, (str, os.PathLike)):
        raise ArgumentTypeError(
            f"from_rdkit() takes a molecule of RDKit, or a path, got {type(data).__name__}"
        )
    kind = Path(data).suffix[1:].lower()
    if kind not in Molecule.SUPPORTED_RDKIT_TYPES:
        raise UsageError(
            "from_rdkit() reads files of type "
            f"{', '.join(sorted(Molecule.SUPPORTED_RDKIT_TYPES))}, got {data}"
        )
    text = given_file.read("from_rdkit()", data).decode(errors="replace")
    # A file of several begins with the block of the first.
    molecule = chem.MolFromMolBlock(text.partition("$$$$")[0])
    if molecule is None:
        raise UsageError(f"RDKit cannot read it: {data}")
    return molecule
