"""Waiting for what must come, instead of sleeping and hoping."""

import time

# Longer than anything takes on a slow and busy machine.
LIMIT = 30.0

_STEP = 0.005


def until(condition, what, limit=LIMIT):
    """Return condition() as soon as it is true; fail after limit seconds.

    what says what was waited for: a text, or a function that makes one.
    """
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            text = what() if callable(what) else what
            raise AssertionError(f'not within {limit:g} s: {text}')
        time.sleep(_STEP)


def always(condition, what, seconds) -> None:
    """Fail if condition() is false at any time during seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            raise AssertionError(what() if callable(what) else what)
        time.sleep(_STEP)
