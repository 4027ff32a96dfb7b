-- Rows that take others back are written into `runs` and `run_index` like all others (store/runindex.py). They used to go
-- through a table that kept nothing, and three views of it.
DROP TABLE IF EXISTS run_rows_to_runs;
DROP TABLE IF EXISTS run_rows_to_index;
DROP TABLE IF EXISTS run_rows_to_releases;
DROP TABLE IF EXISTS run_rows;
