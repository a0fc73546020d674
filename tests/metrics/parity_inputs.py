"""The features of test_parity.py, by a formula: numpy's old generator gives the same numbers for ever."""

import numpy as np

D, CLASSES = 64, 10

CASES = {"equal": (500, 500), "unequal": (600, 500), "few": (50, 60)}
"""How many real and generated images; `few` are fewer than the features, so the covariances are singular."""


def vectors(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Real and generated, float32 (N, 64): correlated, skewed, mostly positive and far from 0, as features are."""
    n, m = CASES[case]
    mix = np.random.RandomState(0).standard_normal((D, D)) / 8
    shift = 0.3 * np.random.RandomState(1).standard_normal(D)
    real = np.random.RandomState(2).standard_normal((n, D)) @ mix
    fake = np.random.RandomState(3).standard_normal((m, D)) @ (0.9 * mix + 0.1 * mix.T) + shift
    return _skewed(real), _skewed(fake)


def logits(case: str) -> np.ndarray:
    """Of the generated images, float32 (M, 10)."""
    return (2 * np.random.RandomState(4).standard_normal((CASES[case][1], CLASSES))).astype(np.float32)


def _skewed(x: np.ndarray) -> np.ndarray:
    return (np.maximum(x, -0.5) + 0.2 * x**2 + 1).astype(np.float32)
