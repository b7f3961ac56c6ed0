"""The shape that most families share."""

from mibench.distribution import Distribution, Shape


class EqualDimensions(Distribution):
    """X and Y are vectors of the same dimension d, a field of the family."""

    d: int

    @property
    def x_shape(self) -> Shape:
        """(d,)."""
        return (self.d,)

    @property
    def y_shape(self) -> Shape:
        """(d,)."""
        return (self.d,)
