"""Will a flight arrive late? What leakage promises, and what it delivers.

    python late_arrival.py [FOLDER [PLOT]]     the flights example, or a copy of it; the current folder where none is named

`late_arrival.ipynb` is the same as a notebook. PLOT is a file for the plot, such as promises.svg.

Two training sets are built from the same definitions: as a server would have answered (`as_of="available"`), and as a join
on event times gives it (`as_of="event"`), which sees landings before anybody could. A gradient-boosted model is trained on
each, scored on data of its own kind, which is what it promises, and on what is served, which is what it delivers. Last, served
features are compared with a training set at the same moment: they are equal to the bit.

It needs pandas, pyarrow and scikit-learn, and matplotlib for the plot.
"""

import datetime as dt
import struct
import sys

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

import twinstore as ts

SERVICE = "late_arrival"
TIME = "scheduled_departure"
LABEL = "arrived_late"
KEYS = ["tailnum", "origin", "dest"]
# Of each part the rows that a model is trained on and scored on, so that the script takes seconds.
ROWS = 40_000


def main(folder: str, plot: str | None = None) -> None:
    store = ts.Store(folder)
    store.apply()
    store.backfill()
    spine = pd.read_parquet(f"{folder}/data/departures.parquet")
    spine = spine.sort_values(TIME, ignore_index=True)
    log = store.view("airport_arrivals@1").log().to_table(columns=["_event_time"])
    loaded = log.to_pandas()["_event_time"].max()
    spine = spine[spine[TIME] <= loaded]
    middle = spine[TIME].iloc[len(spine) * 3 // 4]
    train = sample(spine[spine[TIME] < middle])
    test = sample(spine[spine[TIME] >= middle])

    promises, delivers = {}, {}
    served = store.training_set(SERVICE, test, time=TIME)
    for as_of in ["available", "event"]:
        training = store.training_set(SERVICE, train, time=TIME, as_of=as_of)
        features = numbers(training, spine)
        model = HistGradientBoostingClassifier(random_state=7, max_iter=60)
        model.fit(training[features].astype(float), training[LABEL])
        offline = served if as_of == "available" else store.training_set(SERVICE, test, time=TIME, as_of=as_of)
        promises[as_of] = score(model, offline, features)
        delivers[as_of] = score(model, served, features)
    print(ts.summary(served))
    print(f"\n{'AUC, trained on':<20}{'it promises':>12}{'it delivers':>12}")
    for as_of in promises:
        print(f"{as_of:<20}{promises[as_of]:>12.3f}{delivers[as_of]:>12.3f}")
    if plot is not None:
        draw(promises, delivers, plot)

    compared = equal_to_the_bit(store, test.head(200))
    print(f"\n{compared:,} served values are those of a training set, to the bit")


def draw(promises: dict[str, float], delivers: dict[str, float], file: str) -> None:
    """One plot of what each model promises and what it delivers."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for shift, (what, scores) in zip([-0.2, 0.2], {"promises": promises, "delivers": delivers}.items()):
        bars = axes.bar([index + shift for index in range(len(scores))], list(scores.values()), 0.36, label=what)
        axes.bar_label(bars, fmt="%.3f")
    axes.set_xticks(range(len(promises)), [f"trained as of {as_of}" for as_of in promises])
    axes.set_ylim(0.5, 1.0)
    axes.set_ylabel("AUC on flights of the last quarter")
    axes.legend()
    figure.savefig(file)


def sample(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows at equal steps."""
    return rows.iloc[:: max(1, len(rows) // ROWS)]


def numbers(training: pd.DataFrame, spine: pd.DataFrame) -> list[str]:
    """The features that are numbers."""
    added = [name for name in training.columns if name not in spine.columns]
    return [name for name in added if pd.api.types.is_numeric_dtype(training[name])]


def score(model: HistGradientBoostingClassifier, rows: pd.DataFrame, features: list[str]) -> float:
    """How well the model ranks late flights before others."""
    return float(roc_auc_score(rows[LABEL], model.predict_proba(rows[features].astype(float))[:, 1]))


def equal_to_the_bit(store: ts.Store, rows: pd.DataFrame) -> int:
    """How many served values equal those of a training set at the same moment; all have to."""
    wanted = rows[[*KEYS, "distance"]]
    served = store.features(SERVICE, wanted, at=dt.datetime.now(dt.timezone.utc) + dt.timedelta(minutes=1))
    offline = store.training_set(SERVICE, wanted.assign(at=pd.Timestamp(served.at)), time="at")
    compared = 0
    for name, values in served.to_dict().items():
        expected = [None if value is pd.NA else value for value in offline[name].tolist()]
        for value, other in zip(values, expected):
            assert bits(value) == bits(other), (name, value, other)
            compared += 1
    return compared


def bits(value: object) -> object:
    """A float by its bits, null where it is none."""
    if value is None or value is pd.NaT:
        return None
    if isinstance(value, float):
        return None if np.isnan(value) else struct.pack("<d", value)
    return value


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["."]))
