"""Checks files of OpenLineage events, a JSON object on each line, against the published schemas: the events and each
of their facets. Usage: check.py SCHEMAS FILE..."""

import collections
import json
import pathlib
import sys

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

schemas = {}
for path in pathlib.Path(sys.argv[1]).rglob("*.json"):
    schema = json.loads(path.read_text())
    schemas[schema["$id"]] = schema
registry = Registry().with_resources((id, Resource.from_contents(schema)) for id, schema in schemas.items())


def check(what, url, value):
    document, _, pointer = url.partition("#")
    assert document in schemas, f"{what}: {url} is not a published schema"
    assert pointer.rsplit("/", 1)[-1] in schemas[document]["$defs"], f"{what}: {url} does not exist"
    validator = Draft202012Validator({"$ref": url}, registry=registry, format_checker=FormatChecker())
    errors = [f"{what}{error.json_path[1:]}: {error.message}" for error in validator.iter_errors(value)]
    assert not errors, "\n".join(errors)


def facets(event):
    for part in (event["run"], event["job"]):
        yield from part.get("facets", {}).items()
    for dataset in event["inputs"] + event["outputs"]:
        for kind in ("facets", "inputFacets", "outputFacets"):
            yield from dataset.get(kind, {}).items()


seen, types, jobs = collections.Counter(), collections.Counter(), set()
for file in sys.argv[2:]:
    lines = pathlib.Path(file).read_text().splitlines()
    assert lines, f"{file} holds no event"
    for line in lines:
        event = json.loads(line)
        check("event", event["schemaURL"], event)
        types[event["eventType"]] += 1
        jobs.add(event["job"]["name"].split(".")[0])
        for name, facet in facets(event):
            check(name, facet["_schemaURL"], facet)
            seen[name] += 1

runs = collections.defaultdict(list)
for line in pathlib.Path(sys.argv[2]).read_text().splitlines():
    event = json.loads(line)
    runs[event["run"]["runId"]].append(event["eventType"])
for run, states in runs.items():
    assert states[0] == "START" and states[-1] in ("COMPLETE", "FAIL"), f"run {run}: {states}"

wanted = {"schema", "dataSource", "columnLineage", "version", "processing_engine", "jobType", "ownership"}
wanted |= {"inputStatistics", "outputStatistics", "errorMessage"}
assert wanted <= set(seen), f"no event has the facets {sorted(wanted - set(seen))}"
assert {"START", "COMPLETE", "FAIL"} <= set(types), types
assert {"backfill", "materialize", "training_set"} <= jobs, jobs
print(f"{sum(types.values())} events and {sum(seen.values())} facets are as published")
