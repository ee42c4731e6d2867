"""A training set on disk as a data set of PyTorch, larger than memory, read by any number of workers."""

from __future__ import annotations

import os
import pathlib
from typing import Any, Iterator, Sequence

from twinstore import _frames
from twinstore._errors import InputError
from twinstore._values import whole

_torch = _frames.library_of("torch", "twinstore.torch")
_data = _frames.library_of("torch.utils.data", "twinstore.torch")
_IterableDataset: Any = _data.IterableDataset

#: The least seed of PyTorch, whatever epoch is added to it.
LEAST_SEED = -(1 << 63)


class TrainingSet(_IterableDataset):  # type: ignore[misc]
    """A training set of Parquet as batches of tensors: features as rows of float32, labels as a vector.

    It is given to a ``DataLoader`` with ``batch_size=None``, since its items are batches. Each worker reads its own share,
    and all of them together each row once in an epoch. Nulls are NaN. With a ``seed``, batches come in another order in each
    epoch, and the rows of a batch too.

    It reads the file and no store, so that workers may be forked.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        features: str | Sequence[str],
        label: str,
        *,
        batch_rows: int = 8192,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.path = pathlib.Path(path).absolute()
        # A text is a sequence of characters, and here one name.
        self.features = [features] if isinstance(features, str) else list(features)
        if not self.features:
            raise InputError("`features` is empty: name one column or more")
        self.label = label
        self.batch_rows = whole("batch_rows", batch_rows, 1)
        self.seed = None if seed is None else whole("seed", seed, LEAST_SEED)
        self.epoch = 0
        with self._file() as file:
            self._check(file.schema_arrow)
            metadata = file.metadata
            #: How many rows each row group has.
            self._groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]

    def __len__(self) -> int:
        """How many batches there are."""
        return sum(-(-rows // self.batch_rows) for rows in self._groups)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(self._groups)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        worker = _data.get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        # Workers of one epoch agree on the order of the batches, of which each takes its own.
        order = self._order()
        self.epoch += 1
        with self._file() as file:
            for index, (group, starts) in enumerate(order):
                mine = [start for turn, start in enumerate(starts) if (index + turn) % workers == number]
                if not mine:
                    continue
                table = file.read_row_group(group, columns=[*self.features, self.label], use_threads=False)
                for start in mine:
                    yield self._tensors(table.slice(start, self.batch_rows), group, start)

    def _order(self) -> list[tuple[int, list[int]]]:
        """The row groups, each with the first rows of its batches."""
        batches = [(group, list(range(0, rows, self.batch_rows))) for group, rows in enumerate(self._groups)]
        if self.seed is not None:
            drawn = _torch.Generator().manual_seed(self.seed + self.epoch)
            shuffled = _torch.randperm(len(batches), generator=drawn).tolist()
            batches = [batches[index] for index in shuffled]
            for _, starts in batches:
                order = _torch.randperm(len(starts), generator=drawn).tolist()
                starts[:] = [starts[index] for index in order]
        return batches

    def _tensors(self, table: Any, group: int, start: int) -> tuple[Any, Any]:
        columns = [_torch.from_numpy(as_floats(table.column(name))) for name in self.features]
        features = _torch.stack(columns, dim=1)
        labels = _torch.from_numpy(as_floats(table.column(self.label)))
        if self.seed is not None:
            drawn = _torch.Generator().manual_seed(hash((self.seed, self.epoch, group, start)) % (1 << 62))
            order = _torch.randperm(len(labels), generator=drawn)
            features, labels = features[order], labels[order]
        return features, labels

    def _file(self) -> Any:
        parquet = _frames.library_of("pyarrow.parquet", "twinstore.torch")
        if not self.path.is_file():
            raise InputError(f"there is no file {self.path}: write one with `store.training_set(…, out=…)`")
        return parquet.ParquetFile(self.path)

    def _check(self, schema: Any) -> None:
        """Refuses columns that are not there, or that hold no numbers."""
        types = _frames.library_of("pyarrow", "twinstore.torch").types
        for name in [*self.features, self.label]:
            if name not in schema.names:
                raise InputError(f"{self.path} has no column `{name}`: its columns are {', '.join(schema.names)}")
            kind = schema.field(name).type
            if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
                raise InputError(f"the column `{name}` of {self.path} is {kind}, and tensors hold numbers: leave it out")


def as_floats(column: Any) -> Any:
    """A column as an array of float32 that may be written; a null is NaN."""
    compute = _frames.library_of("pyarrow.compute", "twinstore.torch")
    floats = compute.cast(column, "float32", safe=False).to_numpy()
    return floats.copy()
