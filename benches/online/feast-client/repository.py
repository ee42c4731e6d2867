"""The folder of a Feast user whose online store is a twinstore server, which is all that it says about it."""

import tempfile
from pathlib import Path


def of(address):
    """A new repository, for the server at this address."""
    folder = Path(tempfile.mkdtemp())
    (folder / "feature_store.yaml").write_text(
        f"""project: landings
registry: registry.db
provider: local
entity_key_serialization_version: 3
online_store: {{type: remote, path: "http://{address}"}}
"""
    )
    return folder
