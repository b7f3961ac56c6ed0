"""Numbers as a reader wants them: rounded by their uncertainty, or to three digits where it is unknown."""

import math

MISSING = "–"
MOST_DECIMALS = 9
LARGE = 1e5  # from here on an exponent is easier to read
HALF = "%+.*f ± %.*f"  # with % and *, which take half as long as format specifiers
ENDS = "%.*f [%.*f, %.*f]"


def plus_minus(value: float, half: float) -> str:
    """Return ``+0.012 ± 0.008``, or the value alone where its uncertainty `half` is NaN."""
    if math.isnan(value):
        return MISSING
    if not math.isfinite(half):
        return compact(value, signed=True)
    if _negligible(half, value):
        return f"{compact(value, signed=True)} ± 0"
    decimals = _decimals(half)
    if decimals is None or abs(value) >= LARGE:
        return f"{_rounded(value, decimals, '+')} ± {_rounded(half, decimals)}"
    return HALF % (decimals, value, decimals, half)


def around(value: float, low: float, high: float) -> str:
    """Return ``value ± half``, where the half is the longer side of an interval that need not be symmetric."""
    return plus_minus(value, max(high - value, value - low))


def with_interval(value: float, low: float, high: float) -> str:
    """Return ``0.021 [0.014, 0.038]``, or the value alone where its interval is NaN."""
    if math.isnan(value):
        return MISSING
    width = high - low
    if not math.isfinite(width) or _negligible(width, value):
        return compact(value)
    decimals = _decimals(min(abs(value - low), abs(high - value)) or width)
    if decimals is None or max(-low, high, abs(value)) >= LARGE:
        return f"{_rounded(value, decimals)} [{_rounded(low, decimals)}, {_rounded(high, decimals)}]"
    return ENDS % (decimals, value, decimals, low, decimals, high)


def compact(value: float, signed: bool = False) -> str:
    """Return three significant digits, without an exponent between 0.001 and 100 000."""
    if math.isnan(value):
        return MISSING
    plus = "+" if signed and value else ""
    size = abs(value)
    if 1e-3 <= size < 99999.5:
        return ("%+.*f" if signed else "%.*f") % (max(2 - math.floor(math.log10(size)), 0), value)
    return f"{value:{plus}g}" if size == 0 or not math.isfinite(value) else f"{value:{plus}.2e}"


def share(value: float) -> str:
    """Return a share as a percentage; none reads 0."""
    return "0" if value == 0 else f"{100 * value:.3g} %"


def chance(probability: float) -> str:
    """Return a probability that was found by sampling, in whole percents."""
    return MISSING if math.isnan(probability) else share(round(probability, 2))


def _negligible(uncertainty: float, value: float) -> bool:
    return uncertainty <= 1e-9 * abs(value)


def _decimals(uncertainty: float) -> int | None:
    """Return the decimals that `uncertainty` leaves standing: two digits of it below 0.355, 3.55, …, else one.

    None says that a number with an exponent is easier to read.
    """
    if not 1e-300 < uncertainty < LARGE:
        return None
    decimals = -math.floor(math.log10(uncertainty / 3.55))
    return None if decimals > MOST_DECIMALS else max(decimals, 0)


def _rounded(value: float, decimals: int | None, sign: str = "") -> str:
    if decimals is None or abs(value) >= LARGE:
        return f"{value:{sign}.2e}"
    return f"{value:{sign}.{decimals}f}"
