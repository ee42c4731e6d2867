"""Whether two results of a join hold the same values: `agreement.py ONE OTHER`.

Rows are matched by entity and label time; equal labels have equal features, so their order among
each other does not count. Counts and latest values must be equal. A sum may differ in its last
digits: here it is exact and rounded once, and a peer's is a difference of rounded prefix sums.
Prints how many rows and cells were compared and how many cells differ, as JSON.
"""

import json
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

LABEL = [("entity_id", "ascending"), ("label_time", "ascending")]


def main():
    one, other = (pq.read_table(path).sort_by(LABEL) for path in sys.argv[1:3])
    differ = abs(one.num_rows - other.num_rows)
    names = one.column_names
    if differ == 0:
        differ = sum(cells_that_differ(name, one[name], other[name]) for name in names)
    print(json.dumps({"rows": one.num_rows, "cells": one.num_rows * len(names), "differ": differ}))


def cells_that_differ(name, one, other):
    null, other_null = one.is_null().to_numpy(), other.is_null().to_numpy()
    values, other_values = dense(one), dense(other)
    if name.startswith("sum_"):
        equal = np.isclose(values, other_values, rtol=1e-9, atol=1e-6)
    else:
        equal = values == other_values
    return int(np.count_nonzero((null != other_null) | (~null & ~other_null & ~equal)))


def dense(column):
    """The values, with 0 for null."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
    return column.fill_null(0).to_numpy()


if __name__ == "__main__":
    main()
