"""The server's only import of the Rust extension: the decoder of batches, tables, and regexes."""

from __future__ import annotations

from steplog._core import (
    Decoded,
    Decoder,
    Pattern,
    TableBlocks,
    TableScan,
    attempt_parts,
    merge_summaries,
    open_lines,
    peek_start,
    unpack_value,
)

__all__ = [
    "Decoded",
    "Decoder",
    "Pattern",
    "TableBlocks",
    "TableScan",
    "attempt_parts",
    "merge_summaries",
    "open_lines",
    "peek_start",
    "unpack_value",
]
