"""Compress, then estimate: two autoencoders turn X and Y into a few numbers each, which another estimator takes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mibench.errors import SpecError
from mibench.estimation import Array, Estimate, Estimator, Shape, as_estimate
from mibench.seeding import derive_seed

from .checks import above, at_least, below
from .kde import KDE
from .stack import StackedMLP, torch_generators
from .training import Minibatches, Training, take, train
from .wrapper import Wrapper

_LEAST_ROWS = 20
_POWER_STEPS = 4  # subspace iterations, enough for the components that hold all but 1e-4 of the variance

Notes = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Autoencoder(Wrapper):
    """I(X; Y) ≈ I(E_X(X); E_Y(Y)) in nats: the encoders E of two autoencoders, and `base` on their codes.

    By the data-processing inequality a lossy code can only lose MI, so `latent` must reach the dimension of the
    manifold that the data lie on. Each side is flattened, centred, scaled as a whole, expressed in its leading
    principal components (as few as hold all but `remainder` of its variance, at most `components`), and compressed to
    `latent` numbers by an MLP through `hidden` layers and by the mirrored one back, in least squares. Both begin at
    principal component analysis, the best linear autoencoder, and learn what to add to it: this keeps them clear of
    folded codes, where many rows share a code, and keeps the codes near to linear functions of the data. A side of
    no more than `latent` coordinates passes through as it is.

    Adam has its published rate; widths and batch are as small as keeps the cost to seconds.

    An autoencoder sees one side, never a pair, so that fitting it on the very rows that `base` is given leaks nothing
    about dependence. A share `held_out` of the rows says when to stop. The standard error is that of `base`, given
    the codes; diagnostics hold each side's unexplained share of variance on the held-out rows, and those of `base`.
    """

    source: ClassVar[str] = "Butakov et al., ICLR 2024, section 4 (arXiv:2305.08013)"

    base: Estimator = KDE()  # noqa: RUF009 - frozen, so that sharing it is harmless
    latent: int = 2
    components: int = 32
    remainder: float = 1e-4
    hidden: tuple[int, ...] = (64, 64)
    batch: int = 128
    learning_rate: float = 1e-3
    averaging: float = 0.99
    max_steps: int = 2_000
    check_every: int = 50
    patience: int = 10
    tolerance: float = 1e-2
    held_out: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, latent=self.latent, batch=self.batch, hidden=min(self.hidden, default=1))
        at_least(1, max_steps=self.max_steps, check_every=self.check_every, patience=self.patience)
        if self.components < self.latent:
            raise SpecError(f"components must be at least latent, which is {self.latent}, got {self.components}")
        above(0, learning_rate=self.learning_rate, remainder=self.remainder, held_out=self.held_out)
        at_least(0, averaging=self.averaging, tolerance=self.tolerance)
        below(1, averaging=self.averaging, remainder=self.remainder, held_out=self.held_out)

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Ask for rows to hold out, and for what `base` asks of the codes."""
        if n < _LEAST_ROWS:
            return f"n={n} is too small to train an autoencoder; give at least {_LEAST_ROWS} pairs"
        code_shapes = [(min(math.prod(shape), self.latent),) for shape in (x_shape, y_shape)]
        return self.base.unsupported(n, *code_shapes)

    def warm_up(self, device: str) -> None:
        """Warm up torch, and `base`."""
        torch.zeros(1, device=device).exp()
        super().warm_up(device)

    def estimate_batch(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        """Return one estimate a replicate; the autoencoders of both sides are trained as one stack."""
        codes, notes = self.compress({"x": x, "y": y}, seeds, device)
        answers = self.base.estimate_batch(codes["x"], codes["y"], seeds, device)
        return [_annotate(as_estimate(answer), note) for answer, note in zip(answers, notes, strict=True)]

    def compress(
        self, sides: Mapping[str, Array], seeds: Sequence[int], device: str
    ) -> tuple[dict[str, Array], list[Notes]]:
        """Return the codes (R, n, ≤ latent) of each side (R, n, ...), and each replicate's notes on the compression."""
        codes = {name: side.reshape(*side.shape[:2], -1) for name, side in sides.items()}
        wide = [name for name, side in codes.items() if side.shape[-1] > self.latent]
        notes: list[Notes] = [{} for _ in seeds]
        if not wide:
            return codes, notes
        own_seeds = [derive_seed(seed, name) for name in wide for seed in seeds]
        projected = [self._project(side, device) for name in wide for side in codes[name]]
        rows = torch.stack([rows for rows, _ in projected])
        network, training = self._train(rows, own_seeds)
        with torch.no_grad():
            encoded = network.encode(rows).double().cpu().numpy()
        for place, name in enumerate(wide):
            stop = (place + 1) * len(seeds)
            codes[name] = encoded[stop - len(seeds) : stop]
            for note, member in zip(notes, range(stop - len(seeds), stop), strict=True):
                unexplained = training.best_loss[member] + projected[member][1]
                note[name] = {"unexplained": unexplained, **training.diagnostics(member)}
        return codes, notes

    def _project(self, side: Array, device: str) -> tuple[Tensor, float]:
        rows = torch.as_tensor(np.ascontiguousarray(side), dtype=torch.float32, device=device)
        return principal_components(rows, self.components, self.remainder)

    def _train(self, rows: Tensor, seeds: Sequence[int]) -> tuple["StackedAutoencoder", Training]:
        """Train one autoencoder for each of rows (S, n, components), all as one stack."""
        n, device = rows.shape[1], str(rows.device)
        held_out = round(n * self.held_out) or 1
        orders = np.stack([np.random.default_rng(derive_seed(seed, "held out")).permutation(n) for seed in seeds])
        shuffled = take(rows, torch.as_tensor(orders, device=device))
        validation, fitted = shuffled[:, :held_out], shuffled[:, held_out:]
        spread = rows[..., : self.latent].std(dim=1, keepdim=True)
        network = StackedAutoencoder(self.components, self.hidden, spread, torch_generators(seeds)).to(device)
        batches = Minibatches(n - held_out, self.batch, seeds, device)
        training = train(
            list(network.parameters()),
            lambda: network.loss(take(fitted, batches())),
            lambda: network.loss(validation),
            learning_rate=self.learning_rate,
            max_steps=self.max_steps,
            check_every=self.check_every,
            patience=self.patience,
            averaging=self.averaging,
            tolerance=self.tolerance,
        )
        return network, training


class StackedAutoencoder(nn.Module):
    """S autoencoders of rows (S, n, inputs) in principal axes, that begin at the first few coordinates themselves.

    `spread` (S, 1, latent) is the standard deviation of those coordinates, which codes have divided out.
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], spread: Tensor, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        self.latent = spread.shape[-1]
        self.spread = torch.where(spread > 0, spread, 1)
        sizes = [inputs, *hidden, self.latent]
        self.encoder = StackedMLP(sizes, generators, zero_last=True)
        self.decoder = StackedMLP(sizes[::-1], generators, zero_last=True)

    def encode(self, rows: Tensor) -> Tensor:
        """Return the codes (S, n, latent)."""
        correction: Tensor = self.encoder(rows)
        return rows[..., : self.latent] / self.spread + correction

    def decode(self, codes: Tensor) -> Tensor:
        """Return the rows (S, n, inputs) that have these codes."""
        rows: Tensor = self.decoder(codes).clone()
        rows[..., : self.latent] += codes * self.spread
        return rows

    def loss(self, rows: Tensor) -> Tensor:
        """Return the mean square error (S,), which is the unexplained share of variance where rows have unit scale."""
        return (self.decode(self.encode(rows)) - rows).square().mean(dim=(1, 2))


def principal_components(rows: Tensor, count: int, remainder: float) -> tuple[Tensor, float]:
    """Return rows (n, d) in their `count` leading principal axes, and the share of variance that this leaves out.

    Their total variance, if there is any, is scaled to `count`. Axes beyond those that hold all but `remainder` of it
    are set to zero, as are those beyond d or n. The axes are found by subspace iteration, which never forms a d × d
    matrix.
    """
    centred = (rows - rows.mean(dim=0)) * (rows.amax(dim=0) > rows.amin(dim=0))
    total = centred.square().sum()
    if total == 0:
        return rows.new_zeros(len(rows), count), 0.0
    rank = min(count, *rows.shape)
    basis = torch.randn(rows.shape[1], rank, generator=torch.Generator().manual_seed(0)).to(rows)
    for _ in range(_POWER_STEPS):
        basis = torch.linalg.qr(centred.T @ (centred @ basis)).Q
    projected = centred @ basis
    _, singular, rotation = torch.linalg.svd(torch.linalg.qr(projected).R)
    shares = singular.square() / total
    kept = shares.cumsum(dim=0) - shares < 1 - remainder
    scaled = projected @ rotation.T * kept * torch.sqrt(count * len(rows) / total)
    return nn.functional.pad(scaled, (0, count - rank)), max(0.0, 1 - float(shares[kept].sum()))


def _annotate(answer: Estimate, note: Notes) -> Estimate:
    return Estimate(answer.value, answer.std_error, {**note, "base": dict(answer.diagnostics)}, answer.message)
