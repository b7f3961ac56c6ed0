"""Every registered family and map has a proof: a new one fails here until it is in the table and in the file named."""

from pathlib import Path

import pytest

from mibench.catalogue import registered

PROOFS = {
    "test_proof_pairs.py": [
        "smoothed_uniform",
        "additive_noise",
        "smoothed_discrete",
        "gamma_exponential",
        "noisy_labels",
        "binary_symmetric",
        "zero_inflated_poisson",
        "awgn",
        "clayton",
        "gumbel",
        "frank",
    ],
    "test_proof_elliptic.py": ["gaussian", "gaussian_dense", "gaussian_sparse", "student"],
    "test_proof_labels.py": ["quantized", "rare_event", "digits"],
    "test_proof_mixtures.py": ["mixture_x", "mixture_ai", "waves", "galaxy", "concentric"],
    "test_proof_inliers.py": ["inliers"],
    "test_proof_images.py": ["blobs", "color_blobs", "nuisance_blobs", "noisy_blobs", "ellipses", "rectangles"],
    "test_proof_maps.py": [
        "asinh",
        "half_cube",
        "uniform",
        "wiggly",
        "spiral",
        "bimodal",
        "power",
        "swiss_roll",
        "affine",
        "margins",
        "embed",
        "swap",
        "join",
        "independent",
    ],
}
PROVED = {name: file for file, names in PROOFS.items() for name in names}


def ours():
    """What this package registers; a plugin that is installed beside it proves its own."""
    entries = registered("mibench.tasks", "mibench.maps")
    return sorted(name for name, entry in entries.items() if entry.value.startswith("mibench."))


@pytest.mark.parametrize("name", ours())
def test_is_proved(name):
    assert name in PROVED, f"{name} has no proof of its MI: derive the number a second time and add it to the table"
    tests = Path(__file__).with_name(PROVED[name])
    helpers = tests.with_name("proofs").glob("*.py") if tests.name == "test_proof_pairs.py" else []
    text = "".join(file.read_text(encoding="utf-8") for file in (tests, *helpers))
    assert f'"{name}' in text or f"{name}(" in text, f"{tests.name} does not mention {name}"


def test_nothing_is_proved_that_does_not_exist():
    assert sorted(PROVED) == ours()
