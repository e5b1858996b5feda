"""The Rust decoder of batches; the server's only import of the extension."""

from __future__ import annotations

from steplog._core import Decoded, Decoder, merge_summaries, peek_start, unpack_value

__all__ = ["Decoded", "Decoder", "merge_summaries", "peek_start", "unpack_value"]
