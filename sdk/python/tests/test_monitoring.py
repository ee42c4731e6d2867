"""How a project is: the twins of slo, doctor, quality, drift and verify."""

import asyncio
import json

import pytest

import twinstore as ts


def test_objectives_say_how_fresh_reads_were(folder):
    flights = folder / "features" / "flights.yaml"
    flights.write_text(
        flights.read_text().replace("keys: {airport: dest}\n", "keys: {airport: dest}\nfreshness: {objective: 1h, target: 99}\n", 1)
    )
    store = ts.Store(folder)
    store.apply()
    objectives = store.slo()
    one = objectives["airport_arrivals"]
    assert (one["id"], one["target"], one["reads"]) == ("airport_arrivals@1", 99.0, 0)
    assert objectives and "99.0% within 1h" in repr(objectives) and "no reads" in repr(objectives)
    with pytest.raises(KeyError, match="nothing_here"):
        objectives["nothing_here"]
    with pytest.raises(ts.InputError, match="nothing_here"):
        store.slo("nothing_here")


def test_a_project_without_objectives_says_how_to_give_one(store):
    assert "freshness: {objective: 1m}" in repr(store.slo())


def test_doctor_names_the_cause(store, folder):
    found = store.doctor()
    assert found and found.cause is None and "nothing is wrong" in repr(found)
    assert {one["area"] for one in found.findings} >= {"online store", "registry", "disk"}
    store.close()
    for beside in (folder / ".twinstore").glob("registry.db-*"):
        beside.unlink(missing_ok=True)
    (folder / ".twinstore" / "registry.db").write_bytes(b"no database" * 100)
    broken = ts.Store(folder).doctor()
    assert not broken and "registry" in str(broken.cause) and str(broken.cause) in broken._repr_html_().replace("&#x27;", "'")


def test_statistics_by_date_are_those_of_the_command(store, folder, command):
    days = store.quality("airport_arrivals")
    assert days.days == json.loads(command(folder, "quality", "statistics", "airport_arrivals", "--format", "json"))["statistics"]
    delay = next(one for one in days.days if one["column"] == "arr_delay")
    assert (delay["date"], delay["rows"], delay["nulls"]) == ("2026-01-01", 3, 1)
    assert store.quality("airport_arrivals", day="2026-01-02").days == []
    assert "2026-01-01" in repr(days) and "ARR_DELAY" not in repr(days)


def test_a_contract_and_quarantine_are_shown(store, folder, command):
    contract = store.contract("landings")
    assert contract.schema["arr_delay"] == "float64" and "landings" in repr(contract)
    assert contract.data == json.loads(command(folder, "quality", "contract", "landings", "--format", "json"))
    assert store.quarantined().batches == [] and "no batch is quarantined" in repr(store.quarantined())


def test_drift_is_measured_against_days_and_refused_by_name(store, folder):
    drift = store.drift("airport_arrivals", "2026-01-01..2026-01-01", live="2026-01-01..2026-01-01")
    assert drift.drifted == [] and drift.columns["arr_delay"]["reference_rows"] == 3
    # Of three rows nothing is said, which is no pass.
    assert not drift and drift.compared == [] and drift.columns["arr_delay"]["verdict"] == "too few rows"
    assert "too few rows" in drift.caption
    with pytest.raises(ts.Error, match=r"no row that happened on 2025-01-01\.\.2025-01-07.*2026-01-01"):
        store.drift("airport_arrivals", "2025-01-01..2025-01-07")
    with pytest.raises(ts.Error, match="no row that happened after 2026-01-01"):
        store.drift("airport_arrivals", "2026-01-01..2026-01-01")
    with pytest.raises(ts.InputError, match="`reference` is 2026-01-02..2026-01-01"):
        store.drift("airport_arrivals", "2026-01-02..2026-01-01")
    with pytest.raises(ts.InputError, match="`live` is"):
        store.drift("airport_arrivals", "2026-01-01..2026-01-01", live="yesterday")


def test_online_values_are_those_of_the_log(store):
    values = store.verify_values()
    assert values.ok and values and values.differences == []
    assert {one["view"]: one["same"] for one in values.data["views"]}["airport_arrivals@1"] == 2
    assert "to the bit" in repr(values)
    assert store.verify_values("late_arrival", entities=1).data["views"][0]["entities"] == 1
    assert store.verify_values(served=True).data["views"][0]["entities"] == 0


def test_the_twins_are_awaited_too(store, folder):
    async def main():
        async with ts.AsyncStore(folder) as awaited:
            return await asyncio.gather(
                awaited.slo(), awaited.doctor(), awaited.quality("airport_arrivals"), awaited.contract("landings"),
                awaited.quarantined(), awaited.drift("airport_arrivals", "2026-01-01..2026-01-01", live="2026-01-01..2026-01-01"),
                awaited.verify_values(),
            )

    slo, doctor, quality, contract, quarantined, drift, values = asyncio.run(main())
    assert slo == store.slo() or slo.objectives == store.slo().objectives
    assert doctor.ok and quality == store.quality("airport_arrivals") and contract == store.contract("landings")
    assert quarantined.batches == [] and drift.drifted == [] and values.ok
