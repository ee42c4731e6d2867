"""Hourly figures of drivers: the shape that Feast's quick start has."""

from datetime import timedelta

import pandas as pd
from feast import (
    Entity,
    FeatureService,
    FeatureView,
    Field,
    FileSource,
    LabelView,
    PushSource,
    RequestSource,
)
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float32, Float64, Int64, Map, String

driver = Entity(name="driver", join_keys=["driver_id"], description="Who drives.")

hourly = FileSource(
    name="driver_hourly",
    path="data/driver_hourly.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
)

driver_hourly_stats = FeatureView(
    name="driver_hourly_stats",
    entities=[driver],
    ttl=timedelta(days=1),
    schema=[
        Field(name="conv_rate", dtype=Float32),
        Field(name="acc_rate", dtype=Float32),
        Field(name="avg_daily_trips", dtype=Int64, description="Trips a day."),
        Field(name="vehicle", dtype=Map),
    ],
    source=hourly,
    tags={"team": "driver_performance"},
    owner="drivers@example.com",
)

to_add = RequestSource(
    name="to_add",
    schema=[Field(name="val_to_add", dtype=Int64), Field(name="val_to_add_2", dtype=Int64)],
)


@on_demand_feature_view(
    sources=[driver_hourly_stats, to_add],
    schema=[
        Field(name="conv_rate_plus_val1", dtype=Float64),
        Field(name="conv_rate_plus_val2", dtype=Float64),
    ],
)
def transformed_conv_rate(inputs: pd.DataFrame) -> pd.DataFrame:
    df = pd.DataFrame()
    df["conv_rate_plus_val1"] = inputs["conv_rate"] + inputs["val_to_add"]
    df["conv_rate_plus_val2"] = inputs["conv_rate"] + inputs["val_to_add_2"]
    return df


driver_activity_v1 = FeatureService(
    name="driver_activity_v1",
    features=[driver_hourly_stats[["conv_rate"]], transformed_conv_rate],
)
driver_activity_v2 = FeatureService(
    name="driver_activity_v2",
    features=[driver_hourly_stats, transformed_conv_rate],
)

pushed = PushSource(name="driver_pushed", batch_source=hourly)

driver_fresh_stats = FeatureView(
    name="driver_fresh_stats",
    entities=[driver],
    ttl=timedelta(days=1),
    schema=[Field(name="conv_rate", dtype=Float32), Field(name="acc_rate", dtype=Float32)],
    source=pushed,
)

driver_labels = LabelView(
    name="driver_labels",
    entities=[driver],
    schema=[Field(name="is_reliable", dtype=Int64), Field(name="labeler", dtype=String)],
    source=PushSource(
        name="driver_labels_pushed",
        batch_source=FileSource(
            name="driver_labels_batch", path="data/labels.parquet", timestamp_field="event_timestamp"
        ),
    ),
    labeler_field="labeler",
)
