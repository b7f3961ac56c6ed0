"""Compression by principal component analysis: the best linear autoencoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .compression import Codes, Compression, Job


@dataclass(frozen=True)
class PCA(Compression):
    """I(X; Y) ≈ I(E_X(X); E_Y(Y)) in nats, E the projections of each side on its leading principal axes, and `base`.

    With `latent` = None a code has as many numbers as axes hold a share `gain` of the variance of the side each. It is
    one linear map of both sides where they have as many numbers and no test tells their laws apart, or by `tied`. Codes
    on an axis have unit variance. Diagnostics hold each side's latent, and its unexplained share of variance.
    """

    source: ClassVar[str] = "Butakov et al., ICLR 2024, section 5 (arXiv:2305.08013); Pearson 1901"

    least_rows: ClassVar[int] = 2

    def encode(self, jobs: Sequence[Job], device: str) -> list[Codes]:
        """Return the projections of each job."""
        return [self._project_job(job) for job in jobs]

    def _project_job(self, job: Job) -> Codes:
        rows = job.rows.double()
        shares = (1 - job.lost) * rows.square().mean(dim=0) / rows.shape[1]
        latent = self.latent or max(1, min(int((shares >= self.gain).sum()), job.width))
        scale = rows[:, :latent].std(dim=0)
        values = (rows[:, :latent] / scale.where(scale > 0, scale.new_ones(()))).cpu().numpy()
        return Codes(values, {"latent": latent, "unexplained": 1 - float(shares[:latent].sum())})
