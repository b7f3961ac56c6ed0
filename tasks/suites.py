"""The built-in suites: frozen lists, whose data never change under the same version."""

from mibench.suite import Suite

CORE = Suite(
    name="core",
    version=1,
    tasks=(
        "gaussian(d=1, mi=0)",
        "gaussian(d=1, mi=1)",
        "gaussian(d=1, mi=5)",
        "gaussian(mi=1, dx=2, dy=5)",
        "gaussian(d=3, mi=2)",
        "gaussian(d=10, mi=0)",
        "gaussian(d=10, mi=2)",
        "gaussian(d=5, mi=10, mixing='orthogonal')",
        "gaussian(d=25, mi=5, mixing='orthogonal')",
        "gaussian(d=50, mi=25)",
        "gaussian_dense(d=5, rho=0.5)",
        "gaussian_dense(d=50, rho=0.5)",
        "gaussian_sparse(d=5, pairs=2, mi=1)",
        "gaussian_sparse(d=25, pairs=2, mi=2)",
        "asinh(gaussian(d=3, mi=2))",
        "asinh(gaussian(d=50, mi=25))",
        "half_cube(gaussian(d=1, mi=1))",
        "half_cube(gaussian(d=50, mi=25))",
        "uniform(gaussian(d=1, mi=2))",
        "uniform(gaussian(d=5, mi=5))",
        "wiggly(gaussian(d=1, mi=2))",
        "spiral(gaussian(d=3, mi=2))",
        "spiral(uniform(gaussian_sparse(d=5, pairs=2, mi=2)), side='x')",
        "blobs(size=16, mi=0)",
        "blobs(size=16, mi=2)",
        "blobs(size=16, mi=10)",
    ),
)
