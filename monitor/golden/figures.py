"""Prints the figures of numpy and scipy that the tests of this crate compare with: figures.json.

Made with the versions that it prints into the file: `python figures.py > figures.json`.
"""

import json
import sys

import numpy as np
import scipy
from scipy import stats
from scipy.spatial import distance

FLOOR = 1e-4


def shares_of_bins(old, new):
    """How many values of both sides are in the bins that this crate defines, by numpy alone; empty bins left out."""
    old, new = np.sort(np.asarray(old, float)), np.asarray(new, float)
    deciles = np.quantile(old, np.arange(1, 10) / 10, method="inverted_cdf")
    values, counts = np.unique(old, return_counts=True)
    heavy = values[counts * 10 >= len(old)]
    # A bin ends at (value, inclusive); one that ends just before a value ends at the next smaller double.
    ends = np.concatenate([deciles, heavy, np.nextafter(heavy, -np.inf), [np.nextafter(old[0], -np.inf), old[-1]]])
    ends = np.unique(ends)
    count = lambda x: np.bincount(np.searchsorted(ends, x, side="left"), minlength=len(ends) + 1)
    p, q = count(old), count(new)
    return p[p + q > 0], q[p + q > 0]


def psi(old, new):
    """The population stability index of those bins."""
    p, q = shares_of_bins(old, new)
    p, q = np.maximum(p / p.sum(), FLOOR), np.maximum(q / q.sum(), FLOOR)
    return float(np.sum((q - p) * np.log(q / p)))


def chi_square(p, q):
    """Of a table of both sides, where it has at least two columns."""
    if len(p) < 2:
        return 0.0
    return float(stats.chi2_contingency([p, q], correction=False).statistic)


def category_counts(old, new):
    """The categories of the old side, and all others as one."""
    names = sorted(set(old))
    p = [old.count(name) for name in names]
    q = [new.count(name) for name in names]
    others = sum(name not in names for name in new)
    return (p + [0], q + [others]) if others else (p, q)


def category_psi(old, new):
    names = sorted(set(old) | set(new))
    p = np.maximum([old.count(name) / len(old) for name in names if name in old] + [0], FLOOR)
    q = [new.count(name) / len(new) for name in names if name in old]
    q = np.maximum(q + [sum(name not in old for name in new) / len(new)], FLOOR)
    return float(np.sum((q - p) * np.log(q / p)))


def case(name, old, new):
    old, new = [float(x) for x in old], [float(x) for x in new]
    shares = [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1]
    return {
        "name": name,
        "old": old,
        "new": new,
        "ks": float(stats.ks_2samp(old, new).statistic),
        "psi": psi(old, new),
        "chi_square": chi_square(*shares_of_bins(old, new)),
        "jensen_shannon": float(distance.jensenshannon(*shares_of_bins(old, new), base=2)),
        "means": [float(np.mean(old)), float(np.mean(new))],
        "spread": float(np.std(old)),
        "shares": shares,
        "quantiles": [
            [float(x) for x in np.quantile(side, shares, method="inverted_cdf")] for side in (old, new)
        ],
    }


def main():
    random = np.random.default_rng(20130601)
    normal = random.normal(5, 40, 400)
    counts = random.poisson(3, 300)
    cases = [
        case("normal against itself", normal, normal),
        case("normal against another sample", normal, random.normal(5, 40, 300)),
        case("a shifted mean", normal, normal + 10),
        case("minutes as seconds", normal, normal * 60),
        case("a sentinel", normal, np.where(random.random(400) < 0.05, 999, normal)),
        case("small counts", counts, random.poisson(4, 250)),
        case("one value only", np.full(50, 7), np.full(40, 7)),
        case("one value, then another", np.full(50, 7), np.full(40, 3)),
        case("skewed", random.lognormal(0, 2, 400), random.lognormal(0.3, 2, 400)),
        case("disjoint", random.uniform(0, 1, 100), random.uniform(2, 3, 100)),
    ]
    names = ["ORD", "ATL", "LAX", "DFW"]
    old = [str(x) for x in random.choice(names, 300, p=[0.4, 0.3, 0.2, 0.1])]
    new = [str(x) for x in random.choice(names + ["JFK"], 300, p=[0.2, 0.3, 0.2, 0.1, 0.2])]
    counts = category_counts(old, new)
    categories = {
        "old": old,
        "new": new,
        "psi": category_psi(old, new),
        "chi_square": chi_square(*counts),
        "jensen_shannon": float(distance.jensenshannon(*counts, base=2)),
    }
    result = {
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "cases": cases,
        "categories": categories,
    }
    json.dump(result, sys.stdout)
    print()


main()
