"""Card transactions are checked for fraud, against what a user and an account did before."""

from datetime import timedelta

import numpy as np
import pandas as pd
from feast import BatchFeatureView, Entity, FeatureService, FeatureView, Field, FileSource, RequestSource
from feast.aggregation import Aggregation
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Bool, Float32, Float64, Int64, String, UnixTimestamp

user = Entity(name="user", join_keys=["user_id"])

counts = FileSource(
    name="user_counts", path="data/user_counts.parquet", timestamp_field="feature_timestamp"
)
accounts = FileSource(name="accounts", path="data/accounts.parquet", timestamp_field="feature_timestamp")
transactions = FileSource(
    name="transactions", path="data/transactions.parquet", timestamp_field="event_timestamp"
)

user_counts = FeatureView(
    name="user_counts",
    entities=[user],
    ttl=timedelta(weeks=1),
    schema=[Field(name="transactions_7d", dtype=Int64), Field(name="spent_7d", dtype=Float64)],
    source=counts,
)
account = FeatureView(
    name="account",
    entities=[user],
    ttl=timedelta(weeks=52),
    schema=[
        Field(name="credit_score", dtype=Int64),
        Field(name="account_age_days", dtype=Int64),
        Field(name="has_2fa", dtype=Bool),
        Field(name="country", dtype=String),
        Field(name="opened_at", dtype=UnixTimestamp),
        Field(name="risk_vector", dtype=Array(Float32)),
    ],
    source=accounts,
)
spending = BatchFeatureView(
    name="spending",
    entities=[user],
    mode="python",
    schema=[Field(name="sum_amount", dtype=Float64), Field(name="count_amount", dtype=Int64)],
    source=transactions,
    aggregations=[
        Aggregation(column="amount", function="sum", time_window=timedelta(days=7)),
        Aggregation(column="amount", function="count", time_window=timedelta(days=1)),
        Aggregation(column="merchant", function="count_distinct", time_window=timedelta(days=7), name="merchants"),
        Aggregation(column="amount", function="skew", time_window=timedelta(days=7)),
    ],
)
rates = FeatureView(
    name="rates",
    entities=[],
    schema=[Field(name="fraud_rate", dtype=Float64)],
    source=FileSource(name="rates", path="data/rates.parquet", timestamp_field="event_timestamp"),
)

request = RequestSource(
    name="request", schema=[Field(name="amount", dtype=Float64), Field(name="merchant", dtype=String)]
)


@on_demand_feature_view(
    sources=[user_counts, account, request],
    schema=[
        Field(name="amount_share", dtype=Float64),
        Field(name="is_large", dtype=Bool),
        Field(name="risk", dtype=Int64),
        Field(name="home", dtype=String),
        Field(name="percentile", dtype=Float64),
    ],
)
def scored(inputs: pd.DataFrame) -> pd.DataFrame:
    df = pd.DataFrame()
    spent = inputs["spent_7d"].fillna(0.0)
    df["amount_share"] = inputs["amount"] / (spent + inputs["amount"])
    df["is_large"] = inputs["amount"] > 500.0
    young = inputs["account_age_days"] < 30
    df["risk"] = np.where(young & ~inputs["has_2fa"], 2, np.where(inputs["credit_score"] < 600, 1, 0))
    df["home"] = inputs["country"].str.lower()
    df["percentile"] = inputs["amount"].rank(pct=True)
    return df


fraud_v1 = FeatureService(name="fraud_v1", features=[user_counts, account, scored])
fraud_v2 = FeatureService(name="fraud_v2", features=[user_counts, spending, rates])
