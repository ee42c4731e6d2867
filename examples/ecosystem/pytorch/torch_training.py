"""A network of PyTorch, trained on a training set that lies on disk, read by two workers.

    python torch_training.py FOLDER     a project as `twinstore init` writes it

It needs pyarrow, numpy and torch.
"""

import sys

import torch
from torch.utils.data import DataLoader

import twinstore as ts
from twinstore.torch import TrainingSet

FEATURES = ["dest_last_delay", "dest_arrivals_1d", "dest_mean_delay_1d", "aircraft_last_delay", "delay_per_100_miles"]


def main(folder: str) -> None:
    torch.manual_seed(7)
    store = ts.Store(folder)
    store.apply()
    store.backfill()
    store.training_set(
        "late_arrival", "data/departures.parquet", time="scheduled_departure", out="training.parquet", progress=False
    )
    data = TrainingSet(f"{folder}/training.parquet", FEATURES, "arrived_late", batch_rows=128, seed=7)
    # Its workers read the file and no store, so that they may be forked.
    loader = DataLoader(data, batch_size=None, num_workers=2)

    model = torch.nn.Sequential(torch.nn.BatchNorm1d(len(FEATURES)), torch.nn.Linear(len(FEATURES), 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    measure = torch.nn.BCEWithLogitsLoss()
    losses = []
    for _ in range(5):
        total, rows = 0.0, 0
        for features, labels in loader:
            optimizer.zero_grad()
            loss = measure(model(features.nan_to_num()).squeeze(1), labels)
            loss.backward()
            optimizer.step()
            total, rows = total + loss.item() * len(labels), rows + len(labels)
        assert rows == data.rows, "each row is read once in an epoch"
        losses.append(total / rows)
    print("loss by epoch:", ", ".join(f"{loss:.3f}" for loss in losses))
    assert losses[-1] < losses[0]

    # The forked workers have not harmed the store of this process.
    model.eval()
    read = store.features("late_arrival", {"dest": ["LAX"], "tailnum": ["N328AA"], "distance": [2475]})
    row = torch.tensor([[float("nan") if read[name][0] is None else float(read[name][0]) for name in FEATURES]])
    print(f"one flight, by features that were read online: {torch.sigmoid(model(row.nan_to_num())).item():.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
