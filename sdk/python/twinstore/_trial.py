"""A view tried on a spine before it is registered: in a scratch project that sees the files of the real one."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
from contextlib import contextmanager
from typing import Any, Iterator

from twinstore._definitions import Definition, FeatureService, FeatureView, OnDemandView, Take, to_yaml
from twinstore._errors import InputError

#: The service that reads the view that is tried.
SERVICE = "tried_view"
#: What of a project is its own: its settings name its stores.
_OWN = {".twinstore", "twinstore.toml", "features"}


@contextmanager
def scratch_project(folder: str, view: FeatureView | OnDemandView, others: tuple[Definition, ...]) -> Iterator[str]:
    """A project with the definitions of the one in this folder and those that are given. It reads the same files, has
    stores of its own, and is removed at the end."""
    if not isinstance(view, (FeatureView, OnDemandView)):
        raise InputError(f"a {type(view).__name__} is not a view: build a FeatureView or an OnDemandView")
    real = pathlib.Path(folder).resolve()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="twinstore-trial-"))
    try:
        for entry in real.iterdir():
            if entry.name not in _OWN:
                (scratch / entry.name).symlink_to(entry, target_is_directory=entry.is_dir())
        if (real / "features").is_dir():
            shutil.copytree(real / "features", scratch / "features")
        else:
            (scratch / "features").mkdir()
        service = FeatureService(SERVICE, 1, [Take(view)])
        (scratch / "features" / "tried_view.yaml").write_text(to_yaml(*others, view, service), encoding="utf-8")
        yield os.fspath(scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def views_to_load(lineage: dict[str, Any]) -> list[str]:
    """The feature views that have to be loaded for a view, itself among them, by their references."""
    return [node["name"] for node in lineage["nodes"] if node["kind"] == "feature_view"]
