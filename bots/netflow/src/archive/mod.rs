//! Raw flows in Parquet files.
