"""The errors a user can cause and can mend: each message is one clear sentence."""


class HandsOffError(Exception):
    """Bad input or a bad circumstance: which file, what is wrong, what to do. The CLI prints it and exits 2."""


class InputError(HandsOffError):
    """A file or folder the user gave cannot be used as it is."""


class BrokenImageError(InputError):
    """One file that claims to be an image and is not; readers of many images count and skip it."""


class MismatchError(HandsOffError):
    """Two inputs that do not belong together, such as a labeler and another generator."""


class UnknownNameError(HandsOffError):
    """A name that is in no registry; the message lists the choices."""

    def __init__(self, kind: str, name: str, choices: object) -> None:
        listed = ", ".join(sorted(str(choice) for choice in choices))  # type: ignore[attr-defined]  # any iterable of names
        super().__init__(f"Unknown {kind} {name!r}: choose one of {listed}.")
