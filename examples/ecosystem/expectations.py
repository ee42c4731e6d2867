"""What pandera and Great Expectations check already, as the `expect:` of a view.

    python expectations.py FOLDER     a project as `twinstore init` writes it

It needs pandas, pyarrow and pandera; with great_expectations installed, it carries a suite over, too.
"""

import importlib.util
import pathlib
import sys

import pandas as pd
import pandera.pandas as pa

import twinstore as ts
from twinstore.expectations import Carried, from_great_expectations, from_pandera


class Landings(pa.DataFrameModel):
    """What somebody checks of landings today."""

    dest: str = pa.Field(str_matches=r"[A-Z]{3}$")
    arr_delay: float = pa.Field(in_range={"min_value": -120, "max_value": 1500}, nullable=True)
    air_time: float = pa.Field(gt=0, nullable=True)
    flight_id: int = pa.Field(unique=True)

    @pa.check("arr_delay")
    def is_quiet(cls, series):  # noqa: N805
        return series.abs() < 1500


def main(folder: str) -> None:
    carried = from_pandera(Landings)
    print(carried)
    print(carried.to_yaml())
    assert len(carried.left_out) == 2, "uniqueness and the function of Python are listed"
    load(folder, carried)
    if importlib.util.find_spec("great_expectations"):
        carried = from_great_expectations(suite())
        print(carried)
        load(folder, carried)


def load(folder: str, carried: Carried) -> None:
    """What a view gives that checks this, before it is registered."""
    view = ts.FeatureView(
        "checked_arrivals", 1, entity="airport", source="landings", keys={"airport": "dest"},
        features={"last_delay": ts.Latest("arr_delay")}, expect=carried.expect,
    )
    store = ts.Store(folder)
    tried = store.try_view(view, departures(folder), time="scheduled_departure")
    print(f"{int(tried['last_delay'].notna().sum()):,} of {len(tried):,} labels have a value behind these checks")
    assert tried["last_delay"].notna().sum() > 1_000


def departures(folder: str) -> pd.DataFrame:
    """The departures, by the name of the entity's key."""
    spine = pd.read_parquet(pathlib.Path(folder, "data", "departures.parquet"))
    return spine.rename(columns={"dest": "airport"})[["airport", "scheduled_departure"]]


def suite():
    """A suite of Great Expectations."""
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    suite = context.suites.add(gx.ExpectationSuite(name="landings"))
    of = gx.expectations
    suite.add_expectation(of.ExpectColumnValuesToNotBeNull(column="dest"))
    suite.add_expectation(of.ExpectColumnValuesToBeBetween(column="arr_delay", min_value=-120, max_value=1500))
    suite.add_expectation(of.ExpectColumnValuesToMatchRegex(column="dest", regex="^[A-Z]{3}$"))
    suite.add_expectation(of.ExpectColumnMeanToBeBetween(column="arr_delay", min_value=-20, max_value=60))
    return suite


if __name__ == "__main__":
    main(*sys.argv[1:])
