"""History past the database: reports as Parquet files, a folder a day, and questions asked of those by DuckDB."""
