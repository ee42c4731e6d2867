"""A feature store: training sets that cannot leak, and the same features online.

>>> import twinstore as ts
>>> store = ts.Store(project)
>>> spine = pandas.DataFrame({"dest": ["LAX"], "at": pandas.to_datetime(["2026-01-01T12:00:00Z"])})
>>> training = store.training_set("late_arrival", spine, time="at")
>>> list(training.columns)
['dest', 'at', 'last_delay', 'arrivals_1h']
>>> store.features("late_arrival", {"dest": "LAX"})["last_delay"]
4.5

A :class:`Store` is a project, opened in this process. What it raises is an :class:`Error`, by what its caller does next:
:class:`InputError` (correct something), :class:`TransientError` (try again), :class:`FatalError` (stop).
"""

from twinstore._asyncio import AsyncStore
from twinstore._definitions import (
    Aggregate,
    Batch,
    Breaker,
    Column,
    Consumer,
    Entity,
    Expectation,
    Expression,
    FeatureService,
    FeatureView,
    Freshness,
    Input,
    Latest,
    OnDemandView,
    Retention,
    Source,
    Sql,
    Stream,
    Take,
    to_yaml,
)
from twinstore._errors import Error, FatalError, InputError, NaiveTimeWarning, TransientError
from twinstore._explore import Definitions, Found, Statistics, View
from twinstore._features import Features
from twinstore._monitoring import ColumnDays, Contract, Drift, Examination, Objectives, Quarantined, Values
from twinstore._plots import Plot
from twinstore._results import Applied, Loads, Plan, Pushed, Service, Streamed, Summary
from twinstore._store import Store
from twinstore._summaries import summary
from twinstore._trained_on import TrainedOn
from twinstore._twinstore import __version__
from twinstore._versions import Cutover, Lineage, Parity, Rollback, Verified

__all__ = [
    "Aggregate",
    "Applied",
    "AsyncStore",
    "Batch",
    "Breaker",
    "Column",
    "ColumnDays",
    "Consumer",
    "Contract",
    "Cutover",
    "Definitions",
    "Drift",
    "Entity",
    "Error",
    "Examination",
    "Expectation",
    "Expression",
    "FatalError",
    "FeatureService",
    "FeatureView",
    "Features",
    "Found",
    "Freshness",
    "Input",
    "InputError",
    "Latest",
    "Lineage",
    "Loads",
    "NaiveTimeWarning",
    "Objectives",
    "OnDemandView",
    "Parity",
    "Plan",
    "Plot",
    "Pushed",
    "Quarantined",
    "Retention",
    "Rollback",
    "Service",
    "Source",
    "Sql",
    "Statistics",
    "Store",
    "Stream",
    "Streamed",
    "Summary",
    "Take",
    "TrainedOn",
    "TransientError",
    "Values",
    "Verified",
    "View",
    "summary",
    "to_yaml",
    "__version__",
]
