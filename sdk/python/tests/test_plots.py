"""Plots are drawings of the figures that they stand for."""

import json
import xml.etree.ElementTree as xml

import pandas as pd
import pytest

import twinstore as ts
from twinstore import _monitoring, _plots, _versions

SVG = "{http://www.w3.org/2000/svg}"


def drawn(plot):
    """The elements of a plot, which is well-formed."""
    return xml.fromstring(plot.svg)


def heights(root, colour):
    """How high the bars of one side are."""
    return [float(bar.get("height")) for bar in root.iter(f"{SVG}rect") if bar.get("fill") == colour and bar.get("width") != "10"]


def texts(root):
    return [text.text for text in root.iter(f"{SVG}text")]


def lines(root, colour):
    """The points of each line of one side."""
    found = [line for line in root.iter(f"{SVG}polyline") if line.get("stroke") == colour]
    return [[tuple(map(float, point.split(","))) for point in line.get("points").split()] for line in found]


def test_bars_are_as_high_as_the_shares_that_they_stand_for():
    bars = [("a", 0.5, 0.25), ("b", 0.5, 0.75)]
    root = drawn(_plots.Plot("two", [_plots.pairs("shares", bars, ("old", "new"))]))
    old, new = heights(root, _plots.OLD), heights(root, _plots.NEW)
    assert old == pytest.approx([110 * 2 / 3] * 2, abs=0.1) and new == pytest.approx([110 / 3, 110], abs=0.1)
    assert "75%" in texts(root) and {"a", "b", "old", "new"} <= set(texts(root))


def test_lines_pass_through_the_quantiles():
    quantiles = [(0.0, 0, 50), (0.5, 25, 75), (1.0, 50, 100)]
    root = drawn(_plots.Plot("two", [_plots.distributions("x", quantiles, ("old", "new"))]))
    end = _plots.INNER
    assert lines(root, _plots.OLD) == [[(0.0, 110.0), (end / 4, 55.0), (end / 2, 0.0)]]
    assert lines(root, _plots.NEW) == [[(end / 2, 110.0), (end * 3 / 4, 55.0), (end, 0.0)]]
    assert _plots.distributions("categories", [(0.5, None, None)], ("old", "new")) is None


def test_what_is_drawn_is_text_and_never_markup():
    name = "<script>alert('&')</script>"
    panels = [_plots.pairs(name, [(name, 1.0, 1.0)], (name, name)), _plots.levels(name, [(name, 1.0, name)], [(0.5, name)])]
    root = drawn(_plots.Plot(name, panels))
    assert not list(root.iter(f"{SVG}script")) and texts(root).count(name) >= 6


def test_a_plot_of_many_panels_says_how_many_are_left_out(tmp_path):
    panel = _plots.pairs("x", [("a", 1.0, 1.0)], ("old", "new"))
    plot = _plots.Plot("many", [panel] * 15)
    assert len(plot.panels) == 12 and "3 more are not drawn" in texts(drawn(plot))
    plot.save(tmp_path / "many.svg")
    assert (tmp_path / "many.svg").read_text() == plot.svg == plot._repr_html_()
    assert "there is nothing to draw yet" in texts(drawn(_plots.Plot("none", []))) and "nothing to draw" in repr(_plots.Plot("none", []))


def test_drift_draws_both_distributions(store, folder):
    (folder / "more.csv").write_text(
        "landed_at,dest,arr_delay,seats\n"
        + "".join(f"2026-01-01T12:00:00Z,LAX,{row % 20 / 4},180\n" for row in range(240))
        + "".join(f"2026-01-0{2 + row % 3}T10:00:00Z,LAX,{100 + row},180\n" for row in range(300))
    )
    flights = folder / "features" / "flights.yaml"
    flights.write_text(flights.read_text().replace("path: landings.csv", "path: '*.csv'"))
    store.apply()
    store.materialize()
    drift = store.drift("airport_arrivals", "2026-01-01..2026-01-01")
    delay = drift.columns["arr_delay"]
    assert delay["verdict"] == "drifted" and delay["quantiles"][0] == {"q": 0.0, "reference": -3.25, "live": 100.0}
    root = drawn(drift.plot())
    (old,), (new,) = (
        [line for line in lines(root, colour) if len(line) == len(delay["quantiles"])][:1] for colour in (_plots.OLD, _plots.NEW)
    )
    # The reference lies on the left, and what came since on the right of all of it.
    assert old[0][0] == 0.0 and new[-1][0] == _plots.INNER and max(x for x, _ in old) < min(x for x, _ in new)
    assert {"reference (243 rows)", "live (300 rows)", "arr_delay: drifted"} <= set(texts(root))
    assert "<svg" in drift._repr_html_() and "<table>" in drift._repr_html_()


def test_categories_are_drawn_as_shares():
    column = {
        "column": "page", "verdict": "moved", "psi": 0.2, "reference_rows": 10, "live_rows": 20, "quantiles": [],
        "reference_top": [{"value": "home", "rows": 10}], "live_top": [{"value": "home", "rows": 10}, {"value": "hats", "rows": 5}],
    }
    root = drawn(_monitoring.Drift({"view": "v@1", "columns": [column]}).plot())
    assert heights(root, _plots.OLD) == [110.0, 0.0] and heights(root, _plots.NEW)[-2:] == pytest.approx([55.0, 27.5])


def test_statistics_are_drawn_by_date(store):
    root = drawn(store.quality("airport_arrivals").plot())
    assert {"arr_delay", "seats", "2026-01-01"} <= set(texts(root))
    assert len(list(root.iter(f"{SVG}circle"))) == 3, "one date of each column of numbers or times"


def test_parity_draws_each_feature_and_what_differs_first(store, folder):
    service = (
        "kind: feature_service\nname: late_arrival\nversion: 2\n"
        "features: [{from: airport_arrivals@1, on: {airport: dest}, take: [last_delay]}]\n"
    )
    (folder / "features" / "two.yaml").write_text(service)
    store.apply()
    spine = pd.DataFrame({"dest": ["BOS", "LAX"], "at": pd.to_datetime(["2026-01-01T12:00:00Z"] * 2)})
    spine.to_parquet(folder / "spine.parquet")
    root = drawn(store.parity("late_arrival@1", "late_arrival@2", spine="spine.parquet", time="at").plot())
    old, new = heights(root, _plots.OLD), heights(root, _plots.NEW)
    assert old == new and max(old) == 110.0 and "last_delay: equal" in texts(root)
    bars = [{"from": None, "to": 0, "old": 0, "new": 0}, {"from": 0, "to": 1, "old": 1, "new": 3}, {"from": 1, "to": None, "old": 3, "new": 1}]
    features = [{"name": name, "verdict": verdict, "bars": bars} for name, verdict in (("a", "equal"), ("b", "outside bounds"))]
    plot = _versions.Parity({"old": "v@1", "new": "v@2", "features": features}, "").plot()
    assert [panel.title for panel in plot.panels] == ["b: outside bounds", "a: equal"]
    assert heights(drawn(plot), _plots.OLD)[:2] == pytest.approx([110 / 3, 110], abs=0.1)


def test_objectives_are_drawn_against_what_they_promise(folder):
    flights = folder / "features" / "flights.yaml"
    flights.write_text(
        flights.read_text().replace("keys: {airport: dest}\n", "keys: {airport: dest}\nfreshness: {objective: 1h, target: 99}\n", 1)
    )
    with ts.Store(folder) as store:
        store.apply()
        store.backfill()
        root = drawn(store.slo().plot())
    (bar,) = (bar for bar in root.iter(f"{SVG}rect") if bar.get("fill") in (_plots.BAD, _plots.NEW))
    assert bar.get("fill") == _plots.BAD and any("objective 1h" in text and "d old" in text for text in texts(root))
    objective = {"id": "v@1", "within": "1h 30m", "staleness_s": 2700.0, "target": 99.0, "reads": 1000, "attained": 99.5, "budget_left": 50.0}
    root = drawn(_monitoring.Objectives({"objectives": [objective]}).plot())
    fresh, budget = (float(bar.get("width")) for bar in root.iter(f"{SVG}rect") if bar.get("fill") == _plots.NEW)
    # The first mark is at one objective and the second at the whole budget: half of either is half the way there.
    marks = [float(line.get("x1")) for line in root.iter(f"{SVG}line")]
    assert fresh == pytest.approx(marks[0] / 2, abs=0.1) and budget == pytest.approx(marks[1] / 2, abs=0.1)
    assert "99.50% of 1,000 reads, target 99.0%" in texts(root)


def test_figures_of_a_plot_are_those_of_the_command(store, folder, command):
    days = "2026-01-01..2026-01-01"
    # The day has too few rows to say whether they drifted, which the command's exit code says too.
    drift = ["drift", "airport_arrivals", "--reference", days, "--live", days, "--format", "json"]
    said = json.loads(command(folder, *drift, code=1))
    assert store.drift("airport_arrivals", days, live=days).data == said
