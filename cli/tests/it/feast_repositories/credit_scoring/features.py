"""Loans are scored by where an applicant lives and by what is owed."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, RequestSource, SnowflakeSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Bool, Float64, Int64, String

zipcode = Entity(name="zipcode", value_type=ValueType.INT64)
dob_ssn = Entity(name="dob_ssn", value_type=ValueType.STRING, description="Date of birth and the end of the number.")

zipcode_source = FileSource(
    name="zipcode_table",
    path="data/zipcode_table.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created_timestamp",
)
zipcode_features = FeatureView(
    name="zipcode_features",
    entities=[zipcode],
    ttl=timedelta(days=3650),
    schema=[
        Field(name="city", dtype=String),
        Field(name="state", dtype=String),
        Field(name="tax_returns_filed", dtype=Int64),
        Field(name="population", dtype=Int64),
        Field(name="total_wages", dtype=Int64),
    ],
    source=zipcode_source,
)

credit_source = FileSource(
    name="credit_history",
    path="data/credit_history.parquet",
    timestamp_field="event_timestamp",
)
credit_history = FeatureView(
    name="credit_history",
    entities=[dob_ssn],
    ttl=timedelta(days=3650),
    schema=[
        Field(name="credit_card_due", dtype=Int64),
        Field(name="mortgage_due", dtype=Int64),
        Field(name="missed_payments_1y", dtype=Int64),
        Field(name="bankruptcies", dtype=Int64),
    ],
    source=credit_source,
)

bureau = FeatureView(
    name="bureau",
    entities=[dob_ssn],
    schema=[Field(name="score", dtype=Int64)],
    source=SnowflakeSource(name="bureau_scores", database="CREDIT", table="SCORES", timestamp_field="scored_at"),
)

loan = RequestSource(name="loan", schema=[Field(name="loan_amnt", dtype=Int64)])


@on_demand_feature_view(
    sources=[credit_history, loan],
    schema=[
        Field(name="debt", dtype=Int64),
        Field(name="debt_ratio", dtype=Float64),
        Field(name="is_risky", dtype=Bool),
    ],
    mode="python",
)
def total_debt(inputs: dict) -> dict:
    output = {}
    output["debt"] = [
        card + mortgage for card, mortgage in zip(inputs["credit_card_due"], inputs["mortgage_due"])
    ]
    output["debt_ratio"] = [
        (card + mortgage) / loan
        for card, mortgage, loan in zip(
            inputs["credit_card_due"], inputs["mortgage_due"], inputs["loan_amnt"]
        )
    ]
    output["is_risky"] = [
        missed > 2 or bankrupt > 0
        for missed, bankrupt in zip(inputs["missed_payments_1y"], inputs["bankruptcies"])
    ]
    return output


loan_features = FeatureService(name="loan_features", features=[zipcode_features, credit_history, total_debt])
bureau_scores = FeatureService(name="bureau_scores", features=[bureau])
