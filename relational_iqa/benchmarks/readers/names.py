"""Names of the rated data sets, in a module that imports nothing: help texts list them without any reader."""

from typing import Literal, get_args

DataSet = Literal[
    "kadid10k", "tid2013", "tid2008", "csiq", "live", "live-wild", "koniq10k", "spaq", "pipal", "agiqa3k", "pieapp",
    "pieapp-2afc", "bapps", "csv",
]  # fmt: skip
"""A key of `relational_iqa.benchmarks.readers.catalog.READERS`."""
DATA_SETS: tuple[DataSet, ...] = get_args(DataSet)
