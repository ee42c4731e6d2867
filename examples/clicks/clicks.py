# %% [markdown]
# # Clicks: a stream, a second version, and what has drifted
#
# `clicks.py` is a program that runs in the folder of the clicks example or in a copy of it, and `clicks.ipynb` the same as a
# notebook.
#
# Fourteen days of clicks lie in a file, and those of the last half hour are pushed. A view folds them, a second version of
# it is compared with the first, made live and taken back. In the end, the newest clicks are no longer like those before:
# one client sends milliseconds where seconds are meant.
#
# It needs pandas and pyarrow. The clicks are generated: always the same ones, up to the moment at which it runs.

# %%
import datetime as dt
import pathlib

import numpy as np
import pandas as pd

import twinstore as ts

try:
    from IPython.display import display
except ImportError:
    display = print

folder = pathlib.Path(".")
NOW = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
VISITORS = 400


def clicks(count, begin, end, seed):
    """Clicks at random moments between two moments: a few visitors make most of them."""
    drawn = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "click_id": seed * 1_000_000 + np.arange(count),
            "visitor": drawn.geometric(0.01, count) % VISITORS,
            "clicked_at": np.sort(drawn.integers(int(begin.timestamp() * 1e6), int(end.timestamp() * 1e6), count)),
            "page": drawn.choice(["home", "shoes", "hats", "checkout"], count, p=[0.5, 0.25, 0.2, 0.05]),
            "dwell_s": np.round(drawn.gamma(2.0, 20.0, count), 1),
            "price": np.round(drawn.gamma(3.0, 25.0, count), 2),
        }
    )
    # A third of all pages is left at once.
    rows.loc[drawn.random(count) < 0.33, "dwell_s"] = 0.0
    rows["clicked_at"] = pd.to_datetime(rows["clicked_at"], unit="us", utc=True)
    return rows


# %% [markdown]
# ## The past
#
# Fourteen whole days of history, loaded into the log and from there into the online store.

# %%
today = NOW.replace(hour=0, minute=0, second=0)
# Shortly after midnight the last half hour belongs to yesterday.
history_end = min(today, NOW - dt.timedelta(hours=1))
history = clicks(20_000, history_end - dt.timedelta(days=14), history_end, seed=1)
(folder / "data").mkdir(exist_ok=True)
history.to_parquet(folder / "data" / "history.parquet")

store = ts.Store(folder)
store.apply()
display(store.backfill("visitor_clicks@1"))

# %% [markdown]
# ## Live rows
#
# Rows that are pushed are durable once `push` returns, and lie in both stores once the stream was followed. A server
# follows it all the time; here, `stream` does so until it has caught up. A row that breaks an expectation is refused by
# name, and the others are taken.

# %%
live = clicks(1_500, NOW - dt.timedelta(minutes=30), NOW - dt.timedelta(minutes=1), seed=2)
display(store.push("clicks", live))
wrong = {"click_id": 1, "visitor": 1, "clicked_at": NOW, "page": "home", "dwell_s": -5.0, "price": 1.0}
refused = store.push("clicks", [wrong])
display(refused)
streamed = store.stream()
display(streamed)

# %%
visitor = int(live["visitor"].mode()[0])
read = store.features("interest", {"visitor": visitor})
display(read)
# Windows end at the moment of the read, and hop by hop their oldest rows leave; so the same count is made here.
hour_ago = read.at - dt.timedelta(hours=1)
counted = int(((live["visitor"] == visitor) & (live["clicked_at"] >= hour_ago)).sum())
assert read["clicks_1h"] == counted, (read["clicks_1h"], counted)
assert store.verify_values("interest"), "online values are those of the log"

# %% [markdown]
# ## Version 2
#
# The mean of `dwell_s` counts pages that were left at once as zero seconds. Version 2 leaves them out. Version 1 stays as it
# is and goes on being served. The new version loads the same history, and then the same stream from its beginning.

# %%
features = {
    "last_page": ts.Latest("page"),
    "clicks_1h": ts.Aggregate("count", window="1h"),
    "mean_dwell_1d": ts.Aggregate("mean(nullif(dwell_s, 0))", window="1d", unit="seconds"),
    "spent_7d": ts.Aggregate("sum(price)", window="7d"),
}
consumer = ts.Consumer("interest-ranker", owner="shop-team")


def version_2(**keys):
    view = ts.FeatureView(
        "visitor_clicks",
        2,
        entity="visitor",
        source="clicks",
        freshness=ts.Freshness(99, objective="1h"),
        expect=[ts.Expectation(column="dwell_s", between=[0, 86400])],
        features=features,
        **keys,
    )
    service = ts.FeatureService("interest", 2, [ts.Take(view)], consumer=consumer)
    (folder / "features" / "version_2.yaml").write_text(ts.to_yaml(view, service))


version_2()
display(store.plan())
store.apply()
store.backfill("visitor_clicks@2")
display(store.stream("visitor_clicks@2"))

# %% [markdown]
# ## Parity
#
# Both versions at the same visitors and moments. What differs is outside its bounds until the definition says that it is
# meant to.

# %%
first = store.parity("interest@1", "interest@2", rows=5_000)
display(first)
assert not first.passed
try:
    store.cutover("interest@2")
except ts.InputError as error:
    gates = str(error)
    print(gates)

# %%
version_2(
    expect_change={
        "mean_dwell_1d": {"psi": 6.0, "nulls": 0.2, "reason": "pages that were left at once do not count any more"}
    }
)
store.apply()
second = store.parity("interest@1", "interest@2", rows=5_000)
display(second)
assert second.passed, second.failure

# %% [markdown]
# ## Cutover, and the way back
#
# The name `interest` means version 1 until here. A cutover moves it once all gates pass, and a rollback moves it back:
# the old version was kept up to date, so nothing is loaded.

# %%
before = store.features("interest", {"visitor": visitor}, at=read.at)
cutover = store.cutover("interest@2", reason="zero seconds are not looked at")
display(cutover)
moved = store.features("interest", {"visitor": visitor})
assert moved.service == "interest@2" and moved["mean_dwell_1d"] > before["mean_dwell_1d"]
display(store.rollback("interest", reason="to try the way back"))
after = store.features("interest", {"visitor": visitor}, at=read.at)
assert after.service == "interest@1" and after.to_dict() == before.to_dict()
display(after)

# %% [markdown]
# ## Drift
#
# Today's clicks are compared with those of the days before. Then a client begins to send milliseconds.

# %%
days = f"{history_end - dt.timedelta(days=14):%Y-%m-%d}..{history_end - dt.timedelta(days=1):%Y-%m-%d}"
recent = f"{history_end:%Y-%m-%d}..{NOW:%Y-%m-%d}"
calm = store.drift("visitor_clicks@1", days, live=recent)
display(calm)
assert calm, calm.drifted

broken = clicks(4_000, NOW - dt.timedelta(minutes=20), NOW, seed=3)
broken["dwell_s"] = (broken["dwell_s"] * 1000).clip(upper=86_400)
store.push("clicks", broken)
store.stream()
drift = store.drift("visitor_clicks@1", days, live=recent)
display(drift)
assert drift.drifted == ["dwell_s"], drift

# %% [markdown]
# What each column holds, date by date, and how fresh the views are.

# %%
display(store.quality("visitor_clicks@1").plot())
objectives = store.slo()
display(objectives)
store.close()
