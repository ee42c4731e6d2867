"""The forms in which functions of on-demand views are written, each of them as SQL here, and some that are not."""

from datetime import timedelta

import numpy as np
import pandas as pd
from feast import Entity, FeatureService, FeatureView, Field, FileSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Bool, Float32, Float64, Int32, Int64, String, UnixTimestamp

shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.INT64)
figures = FeatureView(
    name="figures",
    entities=[shop],
    ttl=timedelta(days=10),
    schema=[
        Field(name="price", dtype=Float64),
        Field(name="weight", dtype=Float32),
        Field(name="sold", dtype=Int64),
        Field(name="left", dtype=Int64),
        Field(name="title", dtype=String),
        Field(name="is_open", dtype=Bool),
        Field(name="opened", dtype=UnixTimestamp),
        Field(name="margin", dtype=Float64),
        Field(name="bound", dtype=Float64),
    ],
    source=FileSource(name="figures", path="data/figures.parquet", timestamp_field="event_timestamp"),
)
wanted = RequestSource(
    name="wanted", schema=[Field(name="wanted", dtype=Int64), Field(name="offer", dtype=Float64)]
)


@on_demand_feature_view(
    sources=[figures, wanted],
    schema=[
        Field(name="plus", dtype=Float64),
        Field(name="half", dtype=Float64),
        Field(name="rest", dtype=Int64),
        Field(name="whole", dtype=Int64),
        Field(name="negative", dtype=Float64),
        Field(name="square", dtype=Float64),
        Field(name="mixed", dtype=Float64),
        Field(name="narrow", dtype=Float32),
        Field(name="rated", dtype=Float64),
    ],
)
def arithmetic(inputs: pd.DataFrame) -> pd.DataFrame:
    df = pd.DataFrame()
    df["plus"] = inputs["price"] + inputs["offer"]
    df["half"] = inputs["sold"] / 2
    df["rest"] = (inputs["sold"] - 50) % 7
    df["whole"] = (inputs["sold"] - 50) // 7
    df["negative"] = -inputs["price"] * (inputs["offer"] - 3)
    df["square"] = inputs["price"] ** 2
    df["mixed"] = inputs["weight"] * inputs["sold"] - inputs["offer"] / inputs["wanted"]
    df["narrow"] = inputs["offer"].astype("float32")
    share = inputs["figures__sold"] * 1.5
    share += 1
    df["rated"] = share
    return df


@on_demand_feature_view(
    sources=[figures, wanted],
    schema=[
        Field(name="is_dear", dtype=Bool),
        Field(name="is_not_dear", dtype=Bool),
        Field(name="is_other", dtype=Bool),
        Field(name="is_between", dtype=Bool),
        Field(name="is_one_of", dtype=Bool),
        Field(name="is_missing", dtype=Bool),
        Field(name="both", dtype=Bool),
        Field(name="either", dtype=Bool),
        Field(name="chosen", dtype=Int64),
        Field(name="kept", dtype=Float64),
    ],
)
def conditions(inputs: pd.DataFrame) -> pd.DataFrame:
    df = pd.DataFrame()
    df["is_dear"] = inputs["price"] > 50
    df["is_not_dear"] = ~(inputs["price"] > 50)
    df["is_other"] = inputs["price"] != inputs["offer"]
    df["is_between"] = inputs["price"].between(10, 60)
    df["is_one_of"] = inputs["sold"].isin([1, 2, 3, 50])
    df["is_missing"] = inputs["price"].isna()
    df["both"] = (inputs["price"] > 20) & inputs["is_open"]
    df["either"] = (inputs["price"] < 20) | (inputs["sold"] >= 60)
    df["chosen"] = np.where(inputs["price"] > 50, 2, np.where(inputs["price"] > 20, 1, 0))
    df["kept"] = inputs["offer"].where(inputs["sold"] > 40, 0.0)
    return df


@on_demand_feature_view(
    sources=[figures, wanted],
    schema=[
        Field(name="filled", dtype=Float64),
        Field(name="clipped", dtype=Float64),
        Field(name="logged", dtype=Float64),
        Field(name="rooted", dtype=Float64),
        Field(name="size", dtype=Float64),
        Field(name="greater", dtype=Float64),
        Field(name="floored", dtype=Float64),
        Field(name="as_int", dtype=Int64),
        Field(name="as_flag", dtype=Int64),
        Field(name="applied", dtype=Float64),
        Field(name="ranked", dtype=Float64),
        Field(name="after_ranked", dtype=Float64),
    ],
)
def functions(inputs: pd.DataFrame) -> pd.DataFrame:
    ranked = inputs["price"].rank()
    return pd.DataFrame(
        {
            "filled": inputs["price"].fillna(0.0) + 1,
            "clipped": inputs["price"].clip(20, upper=60),
            "logged": np.log1p(inputs["sold"]),
            "rooted": np.sqrt(inputs["price"]),
            "size": (inputs["price"] - 50).abs(),
            "greater": np.maximum(inputs["price"], inputs["offer"]),
            "floored": np.floor(inputs["offer"]),
            "as_int": inputs["offer"].astype(int),
            "as_flag": inputs["is_open"].astype(int),
            "applied": inputs["offer"].apply(lambda x: x * 2 if x > 3 else 0.0),
            "ranked": ranked,
            "after_ranked": ranked + 1,
        }
    )


@on_demand_feature_view(
    sources=[figures],
    schema=[
        Field(name="margin_filled", dtype=Float64),
        Field(name="margin_gone", dtype=Bool),
        Field(name="margin_known", dtype=Bool),
        Field(name="margin_big", dtype=Float64),
        Field(name="margin_small", dtype=Bool),
        Field(name="margin_unlike", dtype=Bool),
        Field(name="margin_listed", dtype=Bool),
        Field(name="margin_root", dtype=Float64),
        Field(name="margin_share", dtype=Float64),
        Field(name="margin_clipped", dtype=Float64),
        Field(name="margin_above", dtype=Float64),
        Field(name="margin_greater", dtype=Float64),
        Field(name="margin_some", dtype=Float64),
        Field(name="margin_most", dtype=Float64),
        Field(name="margin_least", dtype=Float64),
        Field(name="margin_power", dtype=Float64),
        Field(name="margin_to_power", dtype=Float64),
        Field(name="margin_flag", dtype=Bool),
        Field(name="margin_none", dtype=Float64),
    ],
)
def missing(inputs: pd.DataFrame) -> pd.DataFrame:
    """What is missing, and what its functions make NaN."""
    margin = inputs["margin"]
    bound = inputs["bound"]
    df = pd.DataFrame()
    df["margin_filled"] = margin.fillna(9.0)
    df["margin_gone"] = margin.isna()
    df["margin_known"] = np.log(margin).notna()
    df["margin_big"] = np.where(margin > 0.5, 1.0, 2.0)
    df["margin_small"] = ~(margin <= 0.5)
    df["margin_unlike"] = margin != bound
    df["margin_listed"] = margin.isin([0.0, 1.0])
    df["margin_root"] = np.sqrt(margin).fillna(0.0)
    df["margin_share"] = (margin / bound).fillna(-1.0)
    df["margin_clipped"] = margin.clip(0, 1)
    df["margin_above"] = margin.clip(lower=bound)
    df["margin_greater"] = np.maximum(margin, bound)
    df["margin_some"] = np.fmax(margin, bound)
    df["margin_most"] = margin.apply(lambda x: max(0.0, x))
    df["margin_least"] = margin.apply(lambda x: min(x, 0.0))
    df["margin_power"] = margin ** 0
    df["margin_to_power"] = margin ** bound
    df["margin_flag"] = margin.astype(bool)
    df["margin_none"] = margin.apply(lambda x: 0.0 if x is None else x)
    return df


@on_demand_feature_view(
    sources=[figures, wanted],
    schema=[
        Field(name="small", dtype=String),
        Field(name="trimmed", dtype=String),
        Field(name="length", dtype=Int64),
        Field(name="begins", dtype=Bool),
        Field(name="replaced", dtype=String),
        Field(name="joined", dtype=String),
        Field(name="hour", dtype=Int32),
        Field(name="weekday", dtype=Int32),
    ],
)
def texts(inputs: pd.DataFrame) -> pd.DataFrame:
    df = pd.DataFrame()
    df["small"] = inputs["title"].str.lower()
    df["trimmed"] = inputs["title"].str.strip()
    df["length"] = inputs["title"].str.len()
    df["begins"] = inputs["title"].str.startswith("A")
    df["replaced"] = inputs["title"].str.replace("a", "o")
    df["joined"] = inputs["title"] + "!"
    df["hour"] = inputs["opened"].dt.hour
    df["weekday"] = inputs["opened"].dt.dayofweek
    return df


@on_demand_feature_view(
    sources=[figures, wanted],
    schema=[
        Field(name="doubled", dtype=Float64),
        Field(name="per_piece", dtype=Float64),
        Field(name="level", dtype=String),
        Field(name="root", dtype=Float64),
        Field(name="known", dtype=Bool),
    ],
    mode="python",
)
def lists(inputs: dict) -> dict:
    import math

    output: dict = {"doubled": [x * 2 for x in inputs["offer"]]}
    output["per_piece"] = [offer / wanted for offer, wanted in zip(inputs["offer"], inputs["wanted"])]
    output["level"] = ["high" if sold > 60 else "middle" if sold > 30 else "low" for sold in inputs["sold"]]
    output["root"] = [math.sqrt(sold) for sold in inputs["sold"]]
    output["known"] = [price is not None for price in inputs["price"]]
    return output


@on_demand_feature_view(
    sources=[figures, wanted],
    schema=[Field(name="total", dtype=Float64), Field(name="is_many", dtype=Bool)],
    mode="python",
    singleton=True,
)
def singles(inputs: dict) -> dict:
    return {
        "total": inputs["offer"] * inputs["wanted"],
        "is_many": inputs["wanted"] > 5 and inputs["sold"] > 30,
    }


@on_demand_feature_view(
    sources=[figures, wanted],
    schema=[Field(name="looped", dtype=Int64)],
    mode="python",
)
def loops(inputs: dict) -> dict:
    looped = []
    for wanted in inputs["wanted"]:
        looped.append(wanted)
    return {"looped": looped}


forms = FeatureService(
    name="forms", features=[figures, arithmetic, conditions, functions, missing, texts, lists, loops]
)
singly = FeatureService(name="singly", features=[singles])
