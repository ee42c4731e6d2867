"""A training set on disk, read by PyTorch: `make python-torch` runs it."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.utils.data import DataLoader

import twinstore as ts
from twinstore.torch import TrainingSet


@pytest.fixture
def file(tmp_path):
    """A file of three row groups, whose rows are all different."""
    rows = 1_000
    columns = {
        "number": pa.array([None if row % 97 == 0 else float(row) for row in range(rows)]),
        "count": pa.array([None if row % 89 == 0 else row for row in range(rows)], pa.int64()),
        "flag": pa.array([row % 3 == 0 for row in range(rows)]),
        "name": pa.array(["x"] * rows),
        "label": pa.array(np.arange(rows) % 2 == 0),
    }
    path = tmp_path / "training.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=400)
    return path


def rows_of(data, **options):
    """The rows of an epoch, as they come."""
    batches = list(DataLoader(data, batch_size=None, **options))
    return torch.cat([torch.cat([features, labels[:, None]], dim=1) for features, labels in batches]), len(batches)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize("seed", [None, 3])
def test_all_workers_together_read_each_row_once(file, workers, seed):
    data = TrainingSet(file, ["number", "count", "flag"], "label", batch_rows=64, seed=seed)
    read, batches = rows_of(data, num_workers=workers)
    assert batches == len(data) == 7 + 7 + 4 and len(read) == data.rows == 1_000
    known = read[~read[:, 0].isnan() & ~read[:, 1].isnan()]
    assert sorted(known[:, 1].int().tolist()) == [row for row in range(1_000) if row % 97 and row % 89]
    # A row stays together: its count, its flag and its label.
    assert (known[:, 0] == known[:, 1]).all() and ((known[:, 1].int() % 3 == 0) == known[:, 2].bool()).all()
    assert ((known[:, 1].int() % 2 == 0) == known[:, 3].bool()).all()
    assert read[:, 0].isnan().sum() == 11 and read[:, 1].isnan().sum() == 12


def test_a_seed_gives_another_order_in_each_epoch_and_the_same_ones_again(file):
    def epochs():
        data = TrainingSet(file, ["count"], "label", batch_rows=64, seed=3)
        return [rows_of(data)[0].nan_to_num(), rows_of(data)[0].nan_to_num()]

    first, second = epochs()
    assert not torch.equal(first, second) and torch.equal(torch.stack([first, second]), torch.stack(epochs()))


def test_what_a_tensor_cannot_hold_is_named(file, tmp_path):
    for features, words in [(["name"], "`name` of .* is string"), (["nothing"], "no column `nothing`: its columns are number")]:
        with pytest.raises(ts.InputError, match=words):
            TrainingSet(file, features, "label")
    with pytest.raises(ts.InputError, match="there is no file .*out="):
        TrainingSet(tmp_path / "nowhere.parquet", ["number"], "label")
    with pytest.raises(ts.InputError, match="`batch_rows` is 0"):
        TrainingSet(file, ["number"], "label", batch_rows=0)
    for wrong in (-1, 2.0, True, None, 1 << 64):
        with pytest.raises(ts.InputError, match="`batch_rows` is .*: give a whole number"):
            TrainingSet(file, ["number"], "label", batch_rows=wrong)
        if wrong not in (None, -1):
            with pytest.raises(ts.InputError, match="`seed` is .*: give a whole number"):
                TrainingSet(file, ["number"], "label", seed=wrong)
    with pytest.raises(ts.InputError, match="`features` is empty"):
        TrainingSet(file, [], "label")


def test_one_name_of_a_feature_is_a_list_of_one_and_numbers_of_numpy_are_numbers(file):
    data = TrainingSet(file, "number", "label", batch_rows=np.int64(500), seed=np.int8(-3))
    assert data.features == ["number"]
    rows, _ = rows_of(data)
    assert rows.shape == (1_000, 2)


def test_a_network_is_trained_by_forked_workers_beside_an_open_store(tmp_path):
    project = tmp_path / "flights"
    subprocess.run([os.environ["TWINSTORE_BIN"], "init", str(project)], check=True, capture_output=True)
    program = pathlib.Path(__file__).with_name("torch_training.py")
    done = subprocess.run([sys.executable, str(program), str(project)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "loss by epoch" in done.stdout and "read online" in done.stdout
