"""`protocol`: kinds of binary messages to the editor."""

from __future__ import annotations


class BinaryEventTypes:
    """The number a binary message begins with."""

    PREVIEW_IMAGE = 1
    UNENCODED_PREVIEW_IMAGE = 2
    TEXT = 3
    PREVIEW_IMAGE_WITH_METADATA = 4
