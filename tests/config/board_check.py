"""Board-side half of the differential tests: the loader's verdict on a text, as tests/tools/worker.py asks for it."""

import binascii

from config.loader import check, check_secrets


def handle(question):
    """`{"kind": ..., "hex": text}` -> `[errors, filled]`; filled is None when there are errors."""
    data = binascii.unhexlify(question["hex"])
    filled, errors = (check if question["kind"] == "config" else check_secrets)(data)
    return [errors, None if errors else filled]
