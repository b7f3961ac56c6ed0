"""JS and SMILE: a critic trained as a classifier of matched and mismatched pairs, read as a bound on MI."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor
from torch.nn.functional import softplus

from .bound_values import Pairs, Reading, read_moments
from .checks import above, one_of
from .critics import Critic
from .mine import donsker_varadhan
from .neural_bound import Memory, NeuralBound
from .nwj import nguyen_wainwright_jordan


@dataclass(frozen=True)
class Classifier(NeuralBound):
    """A bound in nats, of the T that maximises −E_P[ln(1+e^{−T})] − E_Q[ln(1+e^T)].

    That objective has small gradients whatever the MI, and its best T is ln p(x, y)/(p(x) p(y)) as well.
    """

    def loss(self, matched: Tensor, product: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return the classifier's cross-entropy, its two parts of equal weight."""
        return softplus(-matched).mean(dim=1) + softplus(product.flatten(1)).mean(dim=1), None

    def validation_loss(self, critic: Critic, sample: Pairs, pairs: int) -> Tensor:
        """Return the cross-entropy (R,)."""
        return read_moments(
            critic,
            sample,
            pairs,
            lambda own, product: own[0] + product[0],
            lambda t: (softplus(-t),),
            lambda t: (softplus(t),),
        ).value


@dataclass(frozen=True)
class JS(Classifier):
    r"""I ≥ the bound `value` ("dv" or "nwj"), in nats, of the T that maximises −E_P[ln(1+e^{−T})] − E_Q[ln(1+e^T)]."""

    source: ClassVar[str] = "Hjelm et al., ICLR 2019, eq. 4 (arXiv:1808.06670); Poole et al., ICML 2019, section 2"

    value: Literal["dv", "nwj"] = "dv"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("dv", "nwj", value=self.value)

    def read(self, critic: Critic, sample: Pairs, pairs: int) -> Reading:
        """Return the bound."""
        return {"dv": donsker_varadhan, "nwj": nguyen_wainwright_jordan}[self.value](critic, sample, pairs)


@dataclass(frozen=True)
class SMILE(Classifier):
    r"""E_P[T] − ln E_Q[clip(e^T, e^{−tau}, e^tau)] in nats, with the critic of `js`.

    The clip bounds the variance, which in `mine` grows as e^I; with it the value is no bound any more.
    """

    source: ClassVar[str] = "Song and Ermon, ICLR 2020, eq. 13 (arXiv:1910.06222)"
    bound: ClassVar[str] = ""

    tau: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        above(0, tau=self.tau)

    def read(self, critic: Critic, sample: Pairs, pairs: int) -> Reading:
        """Return the clipped bound."""
        return read_moments(
            critic,
            sample,
            pairs,
            lambda own, product: own[0] - product[0].log(),
            lambda t: (t,),
            lambda t: (t.clamp(-self.tau, self.tau).exp(),),
        )
