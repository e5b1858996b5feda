"""What one writer has logged, or all of them."""

from __future__ import annotations

from steplog.server.store.engine import text_param

OF_LABEL = "({any_label:UInt8} OR label = {label:String})"
"""A condition with `label_params`."""


def label_params(label: str | None) -> dict[str, int | str]:
    """What `OF_LABEL` refers to; None stands for all labels."""
    return {"any_label": int(label is None), "label": text_param(label or "")}


__all__ = ["OF_LABEL", "label_params"]
