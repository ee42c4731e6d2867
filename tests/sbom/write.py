"""Writes a bill of materials: write.py METADATA IN_BINARY CARGO_LOCK

METADATA is what `cargo metadata` says, IN_BINARY has a line `name version` for each package of the binary.
"""

import hashlib
import json
import os
import re
import sys
import tomllib
import uuid
from datetime import datetime, timezone


def reference(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def licences(package):
    # Before SPDX expressions a slash stood for a choice.
    expression = package.get("license")
    if expression:
        return [{"expression": re.sub(r"\s*/\s*", " OR ", expression)}]
    return [{"license": {"name": f"see {package['license_file']}"}}] if package.get("license_file") else []


def component(package, locked, in_binary):
    name, version = package["name"], package["version"]
    is_own = package["source"] is None
    entry = {
        "type": "library",
        "bom-ref": reference(package),
        "name": name,
        "version": version,
        "scope": "required" if (name, version) in in_binary else "excluded",
        "licenses": licences(package),
        "purl": reference(package),
    }
    checksum = locked[name, version].get("checksum")
    if checksum:
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package.get("repository"):
        entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    if not is_own and not checksum:
        sys.exit(f"{name} {version} has no checksum in Cargo.lock")
    return entry


def main():
    metadata_path, in_binary_path, lock_path = sys.argv[1:]
    with open(metadata_path, encoding="utf-8") as file:
        metadata = json.load(file)
    with open(in_binary_path, encoding="utf-8") as file:
        in_binary = {tuple(line.split(" ")[:2]) for line in file.read().splitlines() if line}
    with open(lock_path, "rb") as file:
        lock = file.read()
    locked = {(package["name"], package["version"]): package for package in tomllib.loads(lock.decode())["package"]}
    packages = {package["id"]: package for package in metadata["packages"]}
    binary = next(package for package in packages.values() if package["name"] == "twinstore-cli")
    rest = sorted((package for package in packages.values() if package is not binary), key=reference)
    depends = []
    for node in metadata["resolve"]["nodes"]:
        on = sorted({reference(packages[dependency]) for dependency in node["dependencies"]})
        depends.append({"ref": reference(packages[node["id"]]), "dependsOn": on})
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=hashlib.sha256(lock).digest()[:16], version=4)}",
        "version": 1,
        "metadata": {
            # The moment is an argument, so that the same lock gives the same bytes.
            "timestamp": datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": reference(binary),
                "name": "twinstore",
                "version": binary["version"],
                "licenses": licences(binary),
                "purl": reference(binary),
            },
        },
        "components": [component(package, locked, in_binary) for package in rest],
        "dependencies": sorted(depends, key=lambda one: one["ref"]),
    }
    json.dump(document, sys.stdout, indent=1, sort_keys=True)
    print()


main()
