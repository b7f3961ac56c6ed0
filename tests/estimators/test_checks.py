import math

import pytest

from mibench.errors import SpecError
from mibench.estimators.checks import above, at_least, at_most, below, one_of


@pytest.mark.parametrize(
    ("check", "bound", "inside", "outside", "says"),
    [
        (at_least, 1, [1, 7], [0, math.nan], "rate must be at least 1, got"),
        (at_most, 1, [1, -7.0], [1.1, math.nan], "rate must be at most 1, got"),
        (above, 0, [1e-300], [0, -1, math.nan], "rate must be above 0, got"),
        (below, 1, [0.999], [1, math.inf, math.nan], "rate must be below 1, got"),
    ],
)
def test_a_value_out_of_range_is_named(check, bound, inside, outside, says):
    for value in inside:
        check(bound, rate=value)
    for value in outside:
        with pytest.raises(SpecError, match=f"^{says} {value}$"):
            check(bound, first=inside[0], rate=value)


def test_choices_are_listed():
    one_of("a", "b", way="b")
    with pytest.raises(SpecError, match=r"^way must be 'a' or 'b', got 'c'$"):
        one_of("a", "b", way="c")
