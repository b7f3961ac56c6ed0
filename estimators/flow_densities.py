"""MI from three densities, those of x, of y and of both, each a normalizing flow of greatest likelihood."""

from dataclasses import dataclass
from typing import ClassVar

from .flow_likelihood import FlowLikelihood, Term


@dataclass(frozen=True)
class FlowDensities(FlowLikelihood):
    r"""I(X; Y) ≈ E[ln q(x, y) − ln q(x) − ln q(y)] in nats, from x (n, d_x) and y (n, d_y).

    Each density is that of a normalizing flow f onto a Gaussian, ln q(z) = ln N(f(z); μ, Σ) + ln|det f′(z)|, with μ and
    Σ in closed form: those of each batch while it is trained, and those of all training codes on the rows held out.
    The flows begin at the identity, where the answer is the held-out cross-entropy of Gaussian fits; but with
    `marginals` at splines through the normal quantiles of coordinates, where held-out rows gain from them. `couplings`
    couplings and linear mixings follow, "affine" (RealNVP) or "spline" (Neural Spline Flows), then splines again. They
    need 10 training rows for each pair of coordinates, and two coordinates.

    The rows are shuffled and split in `folds` parts. The flows of a fold are evaluated on one part and trained on the
    others, but for a share `held_out` of them that says when each flow stops. The answer is the mean over all parts,
    its standard error that of the mean given the flows, the parts taken as independent.

    It is no bound: each density misses its entropy by a divergence, that of the joint density, which is the hardest to
    learn, pulls the answer down and those of the margins up. Strong dependence, whose density is a thin ridge, is
    missed most. On Gaussian data the bias is −d_x d_y / 2m, of m training rows a fold. A covariance that is singular
    gives NaN.
    """

    source: ClassVar[str] = "Song and Ermon, ICLR 2020 (arXiv:1910.06222), generative estimators"
    terms: ClassVar[tuple[Term, ...]] = (Term("joint", 1, (0, 1)), Term("x", -1, (0,)), Term("y", -1, (1,)))
