"""MI as the difference of two entropies, of y and of y given x, each by a normalizing flow of greatest likelihood."""

from dataclasses import dataclass
from typing import ClassVar

from .flow_likelihood import FlowLikelihood, Term


@dataclass(frozen=True)
class FlowDoE(FlowLikelihood):
    r"""I(X; Y) = h(Y) − h(Y | X) ≈ E[ln q(y | x)] − E[ln r(y)] in nats, from x (n, d_x) and y (n, d_y).

    r is a normalizing flow onto a Gaussian. ln q(y | x) = ln N(f(y; x) | B g(x) + b, S) + ln|det ∂f/∂y|, with g one
    spline a coordinate of x, and B, b and S in closed form: those of each batch while it is trained, and those of all
    training codes on the rows held out. f passes y through one spline a coordinate, subtracts its linear regression on
    g(x), goes on by `couplings` couplings and mixings, "affine" (RealNVP) or "spline" (Neural Spline Flows), whose
    networks also see g(x), and ends with splines again. They need 10 training rows for each pair of coordinates of y,
    and of x and y. A y of one coordinate has an affine map and a spline by networks of x instead, however many
    couplings beyond one there are, so that noise of any law and any scale given x is learnt.

    At the start all maps are the identity, or linear, and the answer is the held-out cross-entropy of Gaussian fits;
    but with `marginals` splines begin at normal quantiles: those of the residuals, and those of x and y too, where
    held-out rows gain from them.

    The rows are shuffled and split in `folds` parts. The flows of a fold are evaluated on one part and trained on the
    others, but for a share `held_out` of them that says when each flow stops. The answer is the mean over all parts,
    its standard error that of the mean given the flows, the parts taken as independent.

    It is no bound: each term misses its entropy by a divergence, that of q pulls the answer down and that of r up. It
    is not symmetric in x and y. On Gaussian data the bias is −d_x d_y / 2m, of m training rows a fold. A covariance
    that is singular gives NaN.
    """

    source: ClassVar[str] = "McAllester and Stratos, AISTATS 2020 (arXiv:1811.04251)"
    terms: ClassVar[tuple[Term, ...]] = (Term("conditional", 1, (1,), (0,)), Term("marginal", -1, (1,)))
