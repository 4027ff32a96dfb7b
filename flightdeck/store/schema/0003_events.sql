-- RunEvents have no table of their own: they are written into `runs` and `run_index` (store/events.py). Stores of
-- development versions had a table and a view in between.
DROP TABLE IF EXISTS event_rows_to_run_rows;
DROP TABLE IF EXISTS event_rows;
