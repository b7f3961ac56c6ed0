"""Ranks of estimators on one task, and how they change over resampled tasks and replicates."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
DECIMALS = 9  # of the logarithms of mean square errors, to which these must agree to count as equal
BEYOND = 1e4  # above the logarithm of any square
LEVEL = 0.95
TINY = 1e-9
MONTE_CARLO = 4  # standard errors
IMAGINARY = 2
MANY = 32  # tasks, above which each has fewer resamples of its replicates to draw from: the others make up for it
LEAST_WEIGHTINGS = 50
AT_ONCE = 2**17  # numbers in the largest array of a stack of tasks; more would leave the processor's cache


def ranks(errors: Array, weights: Array) -> Array:
    """Return the ranks (…, B, E), 1 is best, of E estimators under B weightings of the R replicates of a task.

    `errors` (…, E, R) are in nats, NaN where a replicate failed; `weights` (…, B, R) say how often each of them counts.
    Estimators without a failure rank by RMSE, and ahead of all others, which rank by their share of failures: an RMSE
    over the replicates that happened to work is not comparable. Equals share the mean of their ranks; RMSEs that
    agree to nine digits are equal, so that rounding decides nothing.
    """
    failed = np.isnan(errors)
    relative, power = _scaled(np.where(failed, 0.0, errors))
    total = weights.sum(axis=-1, keepdims=True)
    size = _log2(weights @ np.swapaxes(relative**2, -1, -2) / total, power[..., None, :])
    share = weights @ np.swapaxes(failed, -1, -2).astype(float) / total if failed.any() else np.zeros_like(size)
    return mean_positions(np.where(share > 0, BEYOND + share, size))


def mean_positions(values: Array) -> Array:
    """Return the place (…, E) of each of E values in the order of its row, from 1 on; equals share the mean of theirs.

    It is `scipy.stats.rankdata`, which takes longer to import than to run.
    """
    columns = values.shape[-1]
    table = values.reshape(-1, columns)
    order = (np.argsort(table, axis=1) + columns * np.arange(len(table))[:, None]).ravel()
    ordered = table.ravel()[order].reshape(table.shape)
    opens = np.ones(table.shape, dtype=bool)  # where a run of equal values begins; none reaches over the end of a row
    opens[:, 1:] = ordered[:, 1:] > ordered[:, :-1]
    start = np.flatnonzero(opens)
    length = np.diff(start, append=values.size)
    result = np.empty(values.size)
    result[order] = np.repeat(start % columns + (length + 1) / 2, length)
    return result.reshape(values.shape)


def _scaled(errors: Array) -> tuple[Array, Array]:
    """Return errors (…, E, R) over a power of two of each estimator's own, and these powers (…, E).

    Over one scale for all, the squares of the others would vanish beside an estimator that explodes, and all tie.
    """
    power = np.frexp(np.abs(errors).max(axis=-1, initial=0.0))[1]
    return np.ldexp(errors, -power[..., None]), power.astype(float)


def _log2(squares: Array, power: Array) -> Array:
    """Return the logarithms of mean squares of what was scaled; of 0, minus infinity."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.round(np.log2(squares) + 2 * power, DECIMALS), dtype=np.float64)


def ranks_if_ok(errors: Array) -> Array:
    """Return the ranks (…, E) by the RMSE over the replicates that each estimator has an estimate for.

    `errors` (…, E, R) are in nats, NaN where there is none. It is the other policy for failures: they cost
    nothing unless all replicates failed, which ranks last.
    """
    worked = ~np.isnan(errors)
    relative, power = _scaled(np.where(worked, errors, 0.0))
    size = _log2((relative**2).sum(axis=-1) / np.maximum(worked.sum(axis=-1), 1), power)
    return mean_positions(np.where(worked.any(axis=-1), size, BEYOND))


def chance_of_being_best(value: Array, deviations: Array) -> Array:
    """Return the probability (E,) that the mean rank of each estimator is the lowest, from `deviations` (B, E).

    Mean ranks closer than the error of B samples are equal, and share what falls to them.
    """
    sampled = value + deviations
    equal = MONTE_CARLO * deviations.std() / np.sqrt(len(deviations))
    lowest = sampled <= sampled.min(axis=1, keepdims=True) + equal
    return np.asarray((lowest / lowest.sum(axis=1, keepdims=True)).mean(axis=0), dtype=np.float64)


def mean_rank_deviations(tasks: Sequence[Array], resamples: int, rng: np.random.Generator) -> Array:
    """Return how far the mean ranks of E estimators stray from their expectation in B = `resamples` samples, (B, E).

    `tasks` holds the errors (E, R_t) of T tasks. A sample draws T tasks with replacement and, of each task drawn, as
    many replicates as it has; the same draws serve all estimators, so that differences are paired. A plain bootstrap
    is too sure of itself at a few tasks; two things put that right, and the tests measure that they do. Among the tasks
    drawn from stand two imaginary ones of random ranks: T tasks that agree do not prove that the next one will. And
    deviations are widened by √(T/(T−1)) and by the ratio of Student's quantile to the normal one (Hesterberg 2015, The
    American Statistician 69, section 4). With one task there is nothing to resample, and the deviations are NaN.
    """
    number, estimators = len(tasks), len(tasks[0])
    if number < 2:
        return np.full((resamples, estimators), np.nan)
    if estimators == 1:
        return np.zeros((resamples, 1))  # it is the first in every sample
    weightings = min(resamples, max(LEAST_WEIGHTINGS, resamples * MANY // number))

    def resampled(errors: Array) -> Array:
        return ranks(errors, _weights(len(errors), weightings, errors.shape[-1], rng))

    of_tasks = each_task(tasks, resampled, weightings).reshape(-1, estimators)
    random = rng.permuted(np.tile(np.arange(1.0, estimators + 1), (IMAGINARY * weightings, 1)), axis=1)
    pool = np.concatenate([of_tasks, random]).astype(np.float32)  # in which ranks are exact
    total, drawn = np.empty((resamples, estimators)), np.empty((number, estimators), pool.dtype)
    for sample in total:  # each draw is of a task, and of one of the resamples of its replicates
        pool.take(rng.integers(len(pool), size=number), axis=0, out=drawn, mode="clip")  # in place takes a fifth
        sample[:] = drawn.sum(axis=0)
    widening = np.sqrt(number / (number - 1)) * _students_widening(number)
    return np.asarray(widening * (total - total.mean(axis=0)) / number, dtype=np.float64)


def _weights(tasks: int, samples: int, replicates: int, rng: np.random.Generator) -> Array:
    """Return how often each of R replicates is among R drawn with replacement, (T, B, R).

    Counting what is drawn takes a third to a fifth of the time of drawing the counts, which are multinomial.
    """
    drawn = rng.integers(replicates, size=(tasks * samples, replicates))
    drawn += replicates * np.arange(len(drawn))[:, None]
    counts = np.bincount(drawn.ravel(), minlength=drawn.size)
    return counts.reshape(tasks, samples, replicates).astype(np.float64)


def each_task(tasks: Sequence[Array], rank: Callable[[Array], Array], samples: int = 1) -> Array:
    """Return what `rank` gives for the errors (E, R_t) of each of T tasks, (T, …).

    It takes several tasks of one shape at once, (G, E, R), and fewer of them the more `samples` it makes of each.
    """
    replicates = np.array([errors.shape[1] for errors in tasks])
    places = np.argsort(replicates, kind="stable")
    results = []
    for alike in np.split(places, np.flatnonzero(np.diff(replicates[places])) + 1):
        errors = tasks[alike[0]]
        together = max(1, AT_ONCE // max(errors.size, samples * max(errors.shape)))
        parts = [alike[start : start + together] for start in range(0, len(alike), together)]
        results += [rank(np.stack([tasks[place] for place in part])) for part in parts]
    found = np.concatenate(results)
    return np.asarray(found[np.argsort(places)])


def ranks_by_task(tasks: Sequence[Array]) -> Array:
    """Return the ranks (T, E) of E estimators on each of T tasks, of which `tasks` holds the errors (E, R_t)."""
    return each_task(tasks, lambda errors: ranks(errors, np.ones((1, errors.shape[-1])))[:, 0])


def mean_rank_interval(value: Array, deviations: Array) -> tuple[Array, Array]:
    """Return the 95 % intervals of mean ranks (E,), from `deviations` (B, E); none leaves 1 … E.

    Deviations are taken from the mean over the samples and not from `value`: replicates drawn with replacement rank
    more noisily than the replicates themselves, which pulls every mean rank towards the middle.
    """
    low, high = np.quantile(deviations, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return np.clip(value + low, 1, len(value)), np.clip(value + high, 1, len(value))


def told_apart(value: Array, deviations: Array, tasks: int) -> NDArray[np.bool_]:
    """Return (E, E) whether the mean rank of estimator i is larger than that of j by more than chance.

    `value` (E,) are mean ranks over `tasks` with their `deviations` (B, E). All pairs are tested together: the chance
    that any equal estimators are told apart is 5 % in all (Tukey's range, with the bootstrap in place of the normal
    distribution; 4 to 7 % were measured among 5 to 17 on 27 tasks, and fewer on few tasks), so that picking the best
    after the fact does no harm. Few tasks know the variance of a difference badly, and the more so the farther out in
    the tail all pairs together ask for it: the bootstrap's quantile is taken to Student's at the same level.
    """
    difference = value[:, None] - value[None, :]
    spread = np.sqrt(_variance_of_differences(deviations))
    largest = np.zeros(len(deviations))
    for i in range(len(value)):
        pull = np.abs(deviations[:, i, None] - deviations)
        scaled = np.divide(pull, spread[i], out=np.zeros_like(pull), where=spread[i] > TINY)
        largest = np.maximum(largest, scaled.max(axis=1))
    level = special.ndtr(np.quantile(largest, LEVEL))
    critical = special.stdtrit(tasks - 1, level) / _students_widening(tasks)  # which the deviations have already
    return np.asarray(difference > critical * spread + TINY)


def _students_widening(tasks: int) -> float:
    upper = (1 + LEVEL) / 2
    return float(special.stdtrit(tasks - 1, upper) / special.ndtri(upper))


def _variance_of_differences(deviations: Array) -> Array:
    covariance = deviations.T @ deviations / len(deviations)
    variance = np.diag(covariance)
    return np.maximum(variance[:, None] + variance[None, :] - 2 * covariance, 0)
