"""Terms that stand together: a dataset, a labeler or a model inherits those of everything it is made of."""

from collections.abc import Iterable


def together(terms: Iterable[str | None]) -> str | None:
    """All terms that are stated, each once; None where none are.

    >>> together(["CC BY 4.0", None, "CC0", "CC BY 4.0"])
    'CC BY 4.0; CC0'
    """
    return "; ".join(dict.fromkeys(filter(None, terms))) or None
