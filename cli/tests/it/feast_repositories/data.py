"""Writes the files that the repositories beside this program read: `python data.py FOLDER`, a copy of them."""

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 400
rng = np.random.default_rng(20)
START = pd.Timestamp("2024-03-01", tz="UTC")


def hours(rows=ROWS, days=20):
    """Whole seconds, no two of them equal."""
    return START + pd.to_timedelta(rng.choice(days * 86400, size=rows, replace=False), unit="s")


def some_null(values, share=0.1):
    values = pd.Series(values)
    return values.mask(rng.random(len(values)) < share)


def numbers():
    """Small numbers of either sign; one in three is missing: null in some rows, NaN in others."""
    values = rng.choice([-4.0, -1.0, 0.0, 0.25, 1.0, 9.0, math.nan, None, math.inf], ROWS)
    return pa.array(list(values), pa.float64(), from_pandas=False)


def write(folder, name, columns):
    """The columns as pandas writes them, with NaN as null; what is Arrow's stays as it is."""
    path = folder / "data" / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    of_arrow = {column: values for column, values in columns.items() if isinstance(values, pa.Array)}
    frame = pd.DataFrame({column: values for column, values in columns.items() if column not in of_arrow})
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for column, values in of_arrow.items():
        table = table.append_column(column, values)
    pq.write_table(table, path)


def main(root):
    drivers = rng.integers(1001, 1006, ROWS)
    users = np.array([f"u{n}" for n in rng.integers(0, 8, ROWS)])
    write(
        root / "quick_start",
        "driver_hourly",
        {
            "event_timestamp": hours(),
            "driver_id": drivers,
            "conv_rate": some_null(rng.random(ROWS).astype("float32")).astype("float32"),
            "acc_rate": rng.random(ROWS).astype("float32"),
            "avg_daily_trips": rng.integers(0, 1000, ROWS),
            "created": pd.Timestamp("2024-04-01"),
            "vehicle": [{"kind": "car"}] * ROWS,
        },
    )
    write(
        root / "driver_ranking",
        "rides",
        {
            "finished_at": hours(),
            "driver_id": drivers,
            "customer_id": users,
            "Rating": rng.integers(10, 51, ROWS) / 10.0,
            "tripCount": rng.integers(0, 90, ROWS),
            "comment": some_null(rng.choice(["good", "fine", ""], ROWS), 0.3),
        },
    )
    write(
        root / "driver_ranking",
        "zones",
        {
            "measured_at": hours(),
            "zone_id": rng.integers(1, 6, ROWS),
            "demand": rng.random(ROWS),
            "Open Rides": rng.integers(0, 50, ROWS),
        },
    )
    write(
        root / "credit_scoring",
        "zipcode_table",
        {
            "event_timestamp": hours(),
            "created_timestamp": START,
            "zipcode": rng.integers(94000, 94006, ROWS),
            "city": rng.choice(["PORT", "HILL"], ROWS),
            "state": "CA",
            "tax_returns_filed": rng.integers(0, 9000, ROWS),
            "population": rng.integers(0, 90000, ROWS),
            "total_wages": rng.integers(0, 1 << 40, ROWS),
        },
    )
    write(
        root / "credit_scoring",
        "credit_history",
        {
            "event_timestamp": hours(),
            "dob_ssn": [f"1970010{n}_111{n}" for n in rng.integers(0, 8, ROWS)],
            "credit_card_due": rng.integers(0, 9000, ROWS),
            "mortgage_due": rng.integers(0, 900000, ROWS),
            "missed_payments_1y": rng.integers(0, 5, ROWS),
            "bankruptcies": rng.integers(0, 2, ROWS),
        },
    )
    write(
        root / "fraud",
        "user_counts",
        {
            "feature_timestamp": hours(),
            "user_id": users,
            "transactions_7d": rng.integers(0, 40, ROWS),
            "spent_7d": some_null(rng.integers(0, 100000, ROWS) / 100.0),
        },
    )
    write(
        root / "fraud",
        "accounts",
        {
            "feature_timestamp": hours(),
            "user_id": users,
            "credit_score": rng.integers(300, 850, ROWS),
            "account_age_days": rng.integers(1, 90, ROWS),
            "has_2fa": rng.random(ROWS) < 0.5,
            "country": rng.choice(["DE", "FR", "US"], ROWS),
            "opened_at": START - pd.to_timedelta(rng.integers(0, 900, ROWS), unit="D"),
            "risk_vector": list(rng.random((ROWS, 3)).astype("float32")),
        },
    )
    write(
        root / "fraud",
        "transactions",
        {
            "event_timestamp": hours(),
            "user_id": users,
            "amount": rng.integers(100, 90000, ROWS) / 100.0,
            "merchant": rng.choice(["a", "b", "c"], ROWS),
        },
    )
    write(
        root / "streaming",
        "clicks",
        {
            "event_timestamp": hours(),
            "visitor_id": users,
            "page": rng.choice(["home", "cart"], ROWS),
            "dwell": rng.integers(0, 600, ROWS) / 1.0,
            "price": rng.integers(1, 300, ROWS) / 1.0,
        },
    )
    write(
        root / "functions",
        "figures",
        {
            "event_timestamp": hours(),
            "shop_id": rng.integers(1, 9, ROWS),
            "price": some_null(rng.integers(0, 9000, ROWS) / 100.0),
            "weight": rng.random(ROWS).astype("float32"),
            "sold": rng.integers(0, 100, ROWS),
            "left": rng.integers(0, 100, ROWS),
            "title": rng.choice(["Apple ", " banana", "CHERRY\tpie", ""], ROWS),
            "is_open": rng.random(ROWS) < 0.5,
            "opened": START + pd.to_timedelta(rng.integers(0, 9000, ROWS), unit="h"),
            "margin": numbers(),
            "bound": numbers(),
        },
    )


main(Path(sys.argv[1]))
