"""The built-in suites: frozen lists, whose data never change under the same version."""

from mibench.suite import Suite

CORE = Suite(
    name="core",
    version=2,
    tasks=(
        "gaussian(d=1, mi=0)",
        "gaussian(d=1, mi=1)",
        "gaussian(d=1, mi=5)",
        "gaussian(mi=1, dx=2, dy=5)",
        "gaussian(d=3, mi=4, mixing='orthogonal', randomized=True)",
        "gaussian(d=10, mi=2)",
        "gaussian(d=50, mi=25)",
        "gaussian_dense(d=25, rho=0.5)",
        "gaussian_sparse(d=25, pairs=2, mi=2)",
        "student(d=3, mi=2, df=2)",
        "asinh(student(d=2, df=1))",
        "half_cube(gaussian(d=1, mi=1))",
        "uniform(gaussian(d=5, mi=5))",
        "wiggly(gaussian(d=1, mi=2))",
        "bimodal(gaussian(d=1, mi=1))",
        "spiral(gaussian(d=3, mi=2))",
        "swiss_roll(uniform(gaussian(d=1, mi=1)))",
        "smoothed_uniform(d=3, mi=3)",
        "gamma_exponential(d=1, mi=4, log=True)",
        "margins(gumbel(d=1, mi=1), x='expon', y='lognorm(1)')",
        "galaxy",
        "smoothed_discrete(d=1, levels=5, width=2)",
        "embed(gaussian(d=2, mi=2), dim=10, noise_dims=10, smooth=True)",
        "independent(student(d=10, df=1))",
        "blobs(size=16, mi=2)",
        "blobs(size=16, mi=10)",
        "rectangles(size=16, mi=5)",
    ),
)

_NORMAL = "gaussian_dense(d=1, rho=0.75)"
_BMI40 = {
    "1v1-normal-0.75": _NORMAL,
    "normal_cdf-1v1-normal-0.75": f"uniform({_NORMAL})",
    "1v1-additive-0.1": "additive_noise(d=1, epsilon=0.1)",
    "1v1-additive-0.75": "additive_noise(d=1, epsilon=0.75)",
    "1v1-bimodal-0.75": f"bimodal({_NORMAL})",
    "wiggly-1v1-normal-0.75": f"wiggly({_NORMAL})",
    "half_cube-1v1-normal-0.75": f"half_cube({_NORMAL})",
    "swissroll_x-normal_cdf-1v1-normal-0.75": f"swiss_roll(uniform({_NORMAL}))",
    **{f"multinormal-dense-{d}-{d}-0.5": f"gaussian_dense(d={d}, rho=0.5)" for d in (2, 3, 5, 25, 50)},
    **{f"multinormal-sparse-{d}-{d}-2-2.0": f"gaussian_sparse(d={d}, pairs=2, rho=0.8)" for d in (2, 3, 5, 25)},
    **{
        f"{prefix}-multinormal-sparse-{d}-{d}-2-2.0": wrap.format(f"gaussian_sparse(d={d}, pairs=2, rho=0.8)")
        for prefix, wrap in (
            ("normal_cdf", "uniform({})"),
            ("half_cube", "half_cube({})"),
            ("spiral", "spiral({})"),
            ("spiral-normal_cdf", "spiral(uniform({}))"),
        )
        for d in (3, 5, 25)
    },
    **{
        f"student-identity-{d}-{d}-{df}": f"student(d={d}, df={df})"
        for d, df in ((1, 1), (2, 1), (2, 2), (3, 2), (3, 3), (5, 2), (5, 3))
    },
    **{
        f"asinh-student-identity-{d}-{d}-{df}": f"asinh(student(d={d}, df={df}))"
        for d, df in ((1, 1), (2, 1), (3, 2), (5, 2))
    },
}
BMI40 = Suite(name="bmi40", version=1, tasks=tuple(_BMI40.values()), aliases=_BMI40)

MUTINFO_LOWDIM = Suite(
    name="mutinfo_lowdim",
    version=1,
    tasks=tuple(
        family.format(d=d, mi=mi, uneven=", randomized=True" if d > 1 and mi > 0 else "")
        for family in (
            "gaussian(d={d}, mi={mi}, mixing='orthogonal'{uneven})",
            "uniform(gaussian(d={d}, mi={mi}, mixing='orthogonal'{uneven}))",
            "smoothed_uniform(d={d}, mi={mi}{uneven})",
            "gamma_exponential(d={d}, mi={mi}, log=True)",
        )
        for d in (1, 2, 3)
        for mi in range(11)
        if mi > 0 or family.startswith(("gaussian", "uniform"))  # the others have no MI in a limit alone
    ),
)

HIGHDIM = Suite(
    name="highdim",
    version=1,
    tasks=tuple(
        family.format(d=d, mi=mi)
        for family in (
            "gaussian(d={d}, mi={mi})",
            "uniform(gaussian(d={d}, mi={mi}))",
            "smoothed_uniform(d={d}, mi={mi})",
        )
        for d in (2, 4, 10, 20, 40, 80, 160)
        for mi in (d // 2, d)
    ),
)

TAILS = Suite(
    name="tails",
    version=1,
    tasks=(
        *(f"student(d={d}, mi=2, df={df})" for d in (1, 5) for df in (1, 2, 3, 5, 19)),
        "uniform(student(d=2, mi=2, df=2), df=2)",
        "asinh(student(d=5, mi=2, df=1))",
        *(f"power(gaussian(d={d}, mi=2), alpha={alpha})" for d in (1, 5) for alpha in (2, 3, 5)),
        "half_cube(gaussian(d=50, mi=25))",
        "margins(uniform(gaussian(d=2, mi=2)), x='cauchy', y='lognorm(1)')",
    ),
)

MIXED = Suite(
    name="mixed",
    version=1,
    tasks=(
        "smoothed_discrete(d=1, levels=5, width=2)",
        "smoothed_discrete(d=1, mi=3)",
        "smoothed_discrete(d=5, mi=5)",
        "quantized(d=1, mi=1)",
        "quantized(d=3, mi=5)",
        "zero_inflated_poisson(d=1, p=0)",
        "zero_inflated_poisson(d=1, p=0.15)",
        "zero_inflated_poisson(d=5, p=0.15)",
        "noisy_labels(d=1, mi=0.5)",
        "noisy_labels(d=1, mi=2)",
        "binary_symmetric(d=10, mi=1)",
        "binary_symmetric(d=10, mi=5)",
        *(f"rare_event(d=1, mi=2, failure={failure})" for failure in (0.3, 0.5, 0.7)),
        "rare_event(d=3, mi=6, failure=0.5)",
        "awgn(d=1, mi=0.5, input='discrete')",
        "awgn(d=1, mi=2, input='discrete', levels=16)",
        "awgn(d=1, mi=2, input='uniform')",
        "swap(quantized(d=1, mi=2))",
        "join(noisy_labels(d=1, mi=1), gaussian(d=2, mi=1))",
    ),
)

INDEPENDENCE = Suite(
    name="independence",
    version=1,
    tasks=(
        *(f"gaussian(d={d}, mi=0)" for d in (1, 10, 100)),
        *(f"independent(student(d={d}, df=1))" for d in (1, 10, 100)),
        *(f"affine(gaussian(d={d}, mi=0), shift=1000, scale=0.001)" for d in (1, 10, 100)),
        "power(gaussian(d=1, mi=0), alpha=5)",
        "independent(galaxy)",
        "independent(quantized(d=1, mi=2))",
        "independent(noisy_labels(d=1, mi=1))",
        "blobs(size=16, mi=0)",
    ),
)

COPULAS = Suite(
    name="copulas",
    version=1,
    tasks=(
        *(f"{family}(d=1, mi={mi})" for family in ("clayton", "gumbel", "frank") for mi in (0.5, 2)),
        "clayton(d=5, mi=3)",
        "uniform(gaussian(d=1, mi=2))",
        "uniform(student(d=1, mi=2, df=2), df=2)",
        "margins(clayton(d=1, mi=1))",
        "margins(gumbel(d=1, mi=1), x='expon', y='lognorm(1)')",
        "margins(frank(d=1, mi=1), x='t(3)', y='gamma(2)')",
    ),
)

BEND_AND_MIX = Suite(
    name="bend_and_mix",
    version=1,
    tasks=(
        "mixture_x",
        "mixture_ai",
        "waves",
        "galaxy",
        "concentric(components=5)",
        "concentric(components=25)",
        "inliers(d=2, pairs=2, rho=0.8, independent_fraction=0.2)",
        "inliers(d=5, pairs=2, rho=0.8, independent_fraction=0.5)",
    ),
)

MANIFOLDS = Suite(
    name="manifolds",
    version=1,
    tasks=(
        "embed(gaussian(d=2, mi=2), dim=32)",
        "embed(gaussian(d=2, mi=2), noise_dims=30)",
        "embed(gaussian(d=2, mi=2), dim=16, noise_dims=16, smooth=True)",
        "embed(uniform(gaussian(d=5, mi=5)), dim=32, smooth=True)",
        "swiss_roll(uniform(gaussian(d=2, mi=2)), side='both')",
    ),
)

IMAGES = Suite(
    name="images",
    version=1,
    tasks=(
        *(
            f"{family}(size={size}, mi={mi})"
            for family in ("blobs", "rectangles")
            for size in (16, 32)
            for mi in (2, 5, 10)
        ),
        *(f"ellipses(size=32, mi={mi})" for mi in (2, 5)),
        "color_blobs(size=16, mi=2)",
        "nuisance_blobs(size=16, mi=2)",
        "nuisance_blobs(size=16, mi=5)",
        *(f"noisy_blobs(size=16, latent_mi=2, noise={noise})" for noise in (0.25, 0.5, 1)),
        "blobs(size=16, latent=quantized(d=2, mi=2, unit=True))",
        "rectangles(size=16, latent=quantized(d=4, mi=4, unit=True))",
        "digits(mi=0.5)",
        "digits(mi=2)",
    ),
)
