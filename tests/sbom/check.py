"""Checks a bill of materials: check.py SBOM CARGO_LOCK

It has every package of Cargo.lock once, with its checksum and a licence; what depends on what is closed and reaches all that
is in the binary; and the published schema of CycloneDX accepts it, unknown keys refused.
"""

import json
import sys
import tomllib

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def main():
    sbom_path, lock_path = sys.argv[1:]
    with open(sbom_path, encoding="utf-8") as file:
        text = file.read()
    with open(lock_path, "rb") as file:
        locked = tomllib.load(file)["package"]
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    if problem := validator.validate_str(text):
        sys.exit(f"not as the schema says: {problem}")
    wrong = text.replace('"bomFormat": "CycloneDX"', '"bomFormatted": "CycloneDX"', 1)
    if wrong == text or not validator.validate_str(wrong):
        sys.exit("the schema accepts an unknown key: nothing was checked")
    sbom = json.loads(text)
    root = sbom["metadata"]["component"]
    parts = {part["bom-ref"]: part for part in sbom["components"]} | {root["bom-ref"]: root}
    problems = []
    if len(parts) != len(sbom["components"]) + 1:
        problems.append("a package is there twice")
    expected = {f"pkg:cargo/{package['name']}@{package['version']}": package for package in locked}
    problems += [f"{name} of Cargo.lock is not there" for name in expected.keys() - parts.keys()]
    problems += [f"{name} is not in Cargo.lock" for name in parts.keys() - expected.keys()]
    for name, part in parts.items():
        checksum = expected.get(name, {}).get("checksum")
        if checksum and part["hashes"] != [{"alg": "SHA-256", "content": checksum}]:
            problems.append(f"{name} has another checksum than in Cargo.lock")
        if not part["licenses"]:
            problems.append(f"{name} has no licence")
    edges = {one["ref"]: one["dependsOn"] for one in sbom["dependencies"]}
    reached, waiting = set(), [root["bom-ref"]]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += edges.get(name, [])
    problems += [f"{name} is depended on and not there" for name in reached - parts.keys()]
    required = [name for name, part in parts.items() if part.get("scope") == "required"]
    problems += [f"{name} is in the binary, and nothing of it depends on it" for name in set(required) - reached]
    if len(required) < 100:
        problems.append(f"only {len(required)} packages are in the binary")
    if problems:
        sys.exit("\n".join(sorted(problems)))
    print(f"bill of materials: {len(parts)} packages, {len(required)} of them in the binary")


main()
