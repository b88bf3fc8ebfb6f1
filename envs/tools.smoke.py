"""Run by the environment's own Python, at its final path, before it is published. Needs no network."""

import io

import dask
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import s3fs
import zarr

buffer = io.BytesIO()
pq.write_table(pa.table({"x": [1, 2, 3]}), buffer, compression="zstd")
buffer.seek(0)
assert pd.read_parquet(buffer)["x"].sum() == 6, "pandas does not read what pyarrow wrote"
buffer.seek(0)
assert pl.read_parquet(buffer)["x"].sum() == 6, "polars does not read what pyarrow wrote"
print("pyarrow", pa.__version__, "polars", pl.__version__, "pandas", pd.__version__)
print("dask", dask.__version__, "zarr", zarr.__version__)
