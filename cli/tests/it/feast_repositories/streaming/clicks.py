"""Clicks come over Kafka: a view of the newest, one of windows, and one whose function is Spark's."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, KafkaSource, KinesisSource, StreamFeatureView
from feast.aggregation import Aggregation
from feast.data_format import AvroFormat, JsonFormat
from feast.stream_feature_view import stream_feature_view
from feast.types import Float32, Float64, Int64, String

visitor = Entity(name="visitor", join_keys=["visitor_id"])

click_history = FileSource(
    name="click_history", path="data/clicks.parquet", timestamp_field="event_timestamp"
)
clicks = KafkaSource(
    name="clicks",
    kafka_bootstrap_servers="localhost:9092",
    topic="clicks",
    timestamp_field="event_timestamp",
    batch_source=click_history,
    message_format=JsonFormat(
        schema_json="visitor_id string, event_timestamp timestamp, page string, dwell double, price double"
    ),
    watermark_delay_threshold=timedelta(minutes=5),
)
orders = KafkaSource(
    name="orders",
    kafka_bootstrap_servers="localhost:9092",
    topic="orders",
    timestamp_field="ordered_at",
    batch_source=FileSource(name="order_history", path="s3://shop/orders", timestamp_field="ordered_at"),
    message_format=AvroFormat(
        schema_json='{"type": "record", "name": "order", "fields": ['
        '{"name": "visitor_id", "type": "string"}, '
        '{"name": "ordered_at", "type": {"type": "long", "logicalType": "timestamp-micros"}}, '
        '{"name": "total", "type": ["null", "double"]}]}'
    ),
)
searches = KinesisSource(
    name="searches",
    region="eu-west-1",
    stream_name="searches",
    record_format=JsonFormat(schema_json="visitor_id string, at timestamp, words int"),
    timestamp_field="at",
    batch_source=FileSource(name="search_history", path="gs://shop/searches", timestamp_field="at"),
)

last_click = FeatureView(
    name="last_click",
    entities=[visitor],
    ttl=timedelta(hours=6),
    schema=[Field(name="page", dtype=String), Field(name="dwell", dtype=Float64)],
    source=clicks,
)
click_windows = StreamFeatureView(
    name="click_windows",
    entities=[visitor],
    schema=[
        Field(name="mean_dwell_3600s", dtype=Float64),
        Field(name="clicks_1d", dtype=Int64),
        Field(name="max_price_600s", dtype=Float64),
        Field(name="stddev_dwell", dtype=Float64),
    ],
    source=clicks,
    timestamp_field="event_timestamp",
    mode="spark",
    aggregations=[
        Aggregation(column="dwell", function="mean", time_window=timedelta(hours=1)),
        Aggregation(column="page", function="count", time_window=timedelta(days=1), name="clicks_1d"),
        Aggregation(
            column="price",
            function="max",
            time_window=timedelta(minutes=10),
            slide_interval=timedelta(minutes=1),
        ),
        Aggregation(column="dwell", function="std", time_window=timedelta(days=30), name="stddev_dwell"),
    ],
)


@stream_feature_view(
    entities=[visitor],
    ttl=timedelta(days=30),
    mode="spark",
    schema=[Field(name="dwell_minutes", dtype=Float32), Field(name="is_dear", dtype=Int64)],
    timestamp_field="event_timestamp",
    source=clicks,
)
def click_minutes(df):
    from pyspark.sql.functions import col, when

    return (
        df.withColumn("dwell_minutes", col("dwell") / 60.0)
        .withColumn("is_dear", when(col("price") > 100, 1).otherwise(0))
        .drop("price")
    )


@stream_feature_view(
    entities=[visitor],
    ttl=timedelta(0),
    mode="spark",
    schema=[Field(name="pages", dtype=Int64)],
    timestamp_field="event_timestamp",
    source=clicks,
)
def pages_seen(df):
    return df.groupBy("visitor_id").count()


order_totals = StreamFeatureView(
    name="order_totals",
    entities=[visitor],
    source=orders,
    timestamp_field="ordered_at",
    mode="spark",
    aggregations=[Aggregation(column="total", function="sum", time_window=timedelta(days=7))],
)
search_words = FeatureView(
    name="search_words",
    entities=[visitor],
    schema=[Field(name="words", dtype=Int64)],
    source=searches,
)

visits = FeatureService(name="visits", features=[last_click, click_windows])
