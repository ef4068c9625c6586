"""Ctrl-C, seen by whoever waits for others: work ends between two steps, and waiting is one."""

asked: list[int] = []  # signals that asked to stop, until they are heeded


def stop_if_asked() -> None:
    """End the work where it can be ended now.

    Raises:
        KeyboardInterrupt: a signal asked for it.
    """
    if asked:
        raise KeyboardInterrupt
