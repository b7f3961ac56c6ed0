"""Truths that take long to compute, by spec: the MI in nats, its standard error, and the number of draws.

Each is `monte_carlo(derive_seed("truth", spec), std_error=2.5e-4)` of its task, and a test finds it again.
"""

STORED_TRUTHS: dict[str, tuple[float, float, int]] = {
    "noisy_blobs(size=16, latent_mi=2, noise=0.25)": (1.868383, 0.00025, 489472),
    "noisy_blobs(size=16, latent_mi=2, noise=0.5)": (1.710213, 0.00025, 937984),
    "noisy_blobs(size=16, latent_mi=2, noise=1)": (1.34577, 0.00025, 3330048),
}
