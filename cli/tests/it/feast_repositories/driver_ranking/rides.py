"""Drivers are ranked for a customer's ride: two roles of one view, and a view with two join keys."""

from datetime import timedelta

from entities import customer, driver, zone
from feast import FeatureService, FeatureView, Field, FileSource
from feast.types import Float32, Float64, Int64, String

rides = FileSource(
    name="rides",
    path="data/rides.parquet",
    timestamp_field="finished_at",
    field_mapping={"Rating": "rating", "tripCount": "trip_count"},
)
zones = FileSource(name="zones", path="data/zones.parquet", timestamp_field="measured_at")

driver_ratings = FeatureView(
    name="driver_ratings",
    entities=[driver],
    ttl=timedelta(days=7),
    schema=[Field(name="rating", dtype=Float32), Field(name="trip_count", dtype=Int64)],
    source=rides,
)
driver_customer = FeatureView(
    name="driver_customer",
    entities=[driver, customer],
    ttl=timedelta(0),
    schema=[Field(name="rating", dtype=Float64), Field(name="comment", dtype=String)],
    source=rides,
    description="How a customer rated a driver.",
)
zone_demand = FeatureView(
    name="zone_demand",
    entities=[zone],
    ttl=timedelta(days=2),
    schema=[Field(name="demand", dtype=Float64), Field(name="Open Rides", dtype=Int64)],
    source=zones,
)

driver_ranking = FeatureService(
    name="driver_ranking",
    features=[driver_ratings[["rating"]], driver_customer[["comment"]]],
    tags={"stage": "production"},
)
ride_zones = FeatureService(
    name="ride_zones",
    features=[
        zone_demand[["demand"]].with_name("origin").with_join_key_map({"zone_id": "origin_id"}),
        zone_demand[["demand"]].with_name("target").with_join_key_map({"zone_id": "target_id"}),
    ],
)
