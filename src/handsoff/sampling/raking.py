"""Which of many candidates make up a set with the shares that are asked for.

The weights of the candidates are those nearest to equal ones that meet the shares (raking; Deville & Särndal 1992, with
weights of at most 1). Where no weights meet all of them, those come out whose squared violation is the smallest.
"""

import numpy as np
from jaxtyping import Float, Int64

STIFFNESS = (1e2, 1e4, 1e6)  # how much a violation costs, rising: the next solution starts at the last
STEPS, TINY = 60, 1e-10
LISTED = 150  # kinds of candidates that are tried on either side of a swap


def choose(
    values: Float[np.ndarray, "n m"], asked: Float[np.ndarray, " m"], count: int, rng: np.random.Generator
) -> Int64[np.ndarray, " k"]:
    """The rows of `count` candidates whose mean values are as near to `asked` as possible, in rising order.

    Args:
        values: in [0, 1]: whether, or how much, each candidate shows what each target is about.
        asked: the mean of each column that is wanted.
        count: at most n.
        rng: decides between candidates that are alike.

    >>> rows = choose(np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0.5]), 2, np.random.default_rng(0))
    >>> rows.tolist() in ([0, 2], [0, 3], [1, 2], [1, 3])
    True
    """
    kinds, kind_of, sizes = np.unique(values.round(6), axis=0, return_inverse=True, return_counts=True)
    expected = sizes * rake(kinds, sizes, asked, count)
    counts = polished(rounded(expected, sizes, count), kinds, sizes, asked)
    shuffled = rng.permutation(len(values))
    by_kind = shuffled[np.argsort(kind_of.reshape(-1)[shuffled], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    return np.sort(
        np.concatenate([by_kind[start : start + number] for start, number in zip(starts, counts, strict=True)])
    )


def rake(
    kinds: Float[np.ndarray, "c m"], sizes: Int64[np.ndarray, " c"], asked: Float[np.ndarray, " m"], count: int
) -> Float[np.ndarray, " c"]:
    """A weight in [0, 1] for the candidates of each kind; all weights together make `count`.

    w = min(1, exp(a + b·x)), where a and b minimise a convex function by Newton's method; the means that are asked for
    cost their squared violation, so that b stays finite where they cannot be met.
    """
    total = int(sizes.sum())
    if count >= total:
        return np.ones(len(kinds))
    x = np.column_stack([np.ones(len(kinds)), kinds])
    wanted = count * np.concatenate([[1.0], asked])
    solution = np.zeros(x.shape[1])
    solution[0] = np.log(count / total)
    for stiffness in STIFFNESS:
        soft = np.full(x.shape[1], count / stiffness)
        soft[0] = 0.0
        found, met = minimised(x, sizes, wanted, soft, solution)
        if not met and stiffness > STIFFNESS[0]:
            break  # what cannot be met drives the numbers so far apart that the softer solution is the better one
        solution = found
    return np.exp(np.minimum(x @ solution, 0))


def minimised(
    x: Float[np.ndarray, "c p"],
    sizes: Int64[np.ndarray, " c"],
    wanted: Float[np.ndarray, " p"],
    soft: Float[np.ndarray, " p"],
    start: Float[np.ndarray, " p"],
) -> tuple[Float[np.ndarray, " p"], bool]:
    """The solution (a, b) of `rake` for one stiffness, by Newton's method, and whether it was reached."""
    solution, count = start, wanted[0]

    def cost(point: Float[np.ndarray, " p"]) -> float:
        s = x @ point
        value = np.where(s < 0, np.exp(np.minimum(s, 0)), 1 + s)
        return float(sizes @ value - wanted @ point + 0.5 * soft @ point**2)

    for _ in range(STEPS):
        s = x @ solution
        weight = np.exp(np.minimum(s, 0))
        slope = x.T @ (sizes * weight) - wanted + soft * solution
        if np.abs(slope).max() < TINY * count:
            return solution, True
        curved = sizes * np.where(s < 0, weight, 0)
        bend = x.T @ (curved[:, None] * x) + np.diag(soft + 1e-9 * count)
        step = np.linalg.solve(bend, -slope)
        here, size = cost(solution), 1.0
        while cost(solution + size * step) > here + 1e-4 * size * float(slope @ step) and size > TINY:
            size /= 2
        solution = solution + size * step
    return solution, False


def rounded(expected: Float[np.ndarray, " c"], sizes: Int64[np.ndarray, " c"], count: int) -> Int64[np.ndarray, " c"]:
    """Whole numbers near the expected ones that add up to `count`: systematic sampling of the fractions."""
    expected = np.minimum(expected * (count / max(expected.sum(), TINY)), sizes)
    ends = np.floor(np.cumsum(expected) + 0.5 + 1e-9).astype(np.int64)
    counts = np.minimum(np.diff(ends, prepend=0), sizes)
    for step in (1, -1):
        order = np.argsort(step * (counts - expected), kind="stable")
        while step * (count - counts.sum()) > 0:
            free = counts[order] < sizes[order] if step > 0 else counts[order] > 0
            chosen = order[free][: abs(count - int(counts.sum()))]
            counts[chosen] += step
    return counts


def polished(
    counts: Int64[np.ndarray, " c"],
    kinds: Float[np.ndarray, "c m"],
    sizes: Int64[np.ndarray, " c"],
    asked: Float[np.ndarray, " m"],
) -> Int64[np.ndarray, " c"]:
    """The counts after one candidate has been exchanged for another as long as that brings the means nearer."""
    counts = counts.copy()
    off = counts @ kinds - counts.sum() * asked
    for _ in range(int(counts.sum())):
        pull = kinds @ off
        out, into = np.flatnonzero(counts > 0), np.flatnonzero(counts < sizes)
        out = out[np.argsort(-pull[out], kind="stable")[:LISTED]]
        into = into[np.argsort(pull[into], kind="stable")[:LISTED]]
        if not len(out) or not len(into):
            break
        apart = ((kinds[into][:, None] - kinds[out][None]) ** 2).sum(-1)
        change = apart + 2 * (pull[into][:, None] - pull[out][None])
        best = np.unravel_index(int(change.argmin()), change.shape)
        if change[best] > -TINY:
            break
        counts[out[best[1]]] -= 1
        counts[into[best[0]]] += 1
        off = counts @ kinds - counts.sum() * asked
    return counts
