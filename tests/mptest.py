"""What a board-side test script may import (see docs/architecture.md, Board-side tests)."""


class SkipTest(Exception):
    """Raise it with a reason: the test does not apply to this interpreter."""
