"""`python -m steplog._cli`."""

from __future__ import annotations

from steplog._cli import main

main()
