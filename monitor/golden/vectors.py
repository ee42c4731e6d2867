"""Prints the maximum mean discrepancy of samples of vectors by numpy, that the tests of this crate compare with: vectors.json.

Made with the version that it prints into the file: `python vectors.py > vectors.json`.
"""

import json
import sys

import numpy as np


def distances(a, b):
    return np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=2))


def mmd(old, new):
    """The biased estimate, by a Gaussian kernel as wide as the lower median of the reference's distances."""
    within = distances(old, old)[np.triu_indices(len(old), k=1)]
    within = within[within > 0]
    width = np.sort(within)[(len(within) - 1) // 2]
    mean = lambda a, b: np.exp(-distances(a, b) ** 2 / (2 * width**2)).mean()
    return float(np.sqrt(max(0.0, mean(old, old) + mean(new, new) - 2 * mean(old, new))))


def case(name, old, new):
    old, new = [np.asarray(np.float32(np.round(side, 3)), dtype=float) for side in (old, new)]
    shown = lambda side: [[round(float(x), 3) for x in row] for row in side]
    return {"name": name, "old": shown(old), "new": shown(new), "mmd": mmd(old, new)}


def main():
    random = np.random.default_rng(20130601)
    normal = random.normal(0, 1, (200, 6))
    turned = normal @ np.diag([1, 1, 1, 1, 1, -1]) + np.array([0, 0, 0, 0, 0, 3])
    many = random.normal(0, 1, (600, 3))
    cases = [
        case("itself", normal, normal),
        case("another sample", normal, random.normal(0, 1, (150, 6))),
        case("a little moved", normal, random.normal(0.1, 1, (200, 6))),
        case("turned", normal, turned),
        case("far away", normal, random.normal(9, 1, (100, 6))),
        case("many, another sample", many, random.normal(0, 1, (500, 3))),
        case("many, moved", many, random.normal(2, 1, (500, 3))),
    ]
    json.dump({"numpy": np.__version__, "cases": cases}, sys.stdout)
    print()


main()
