"""steplog: async-native experiment logging."""

from __future__ import annotations
