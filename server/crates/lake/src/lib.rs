//! Immutable Parquet, ingest, allocation plan, cube: the only crate with polars and object_store.
