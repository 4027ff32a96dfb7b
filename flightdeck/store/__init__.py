"""ClickHouse, embedded or served: the only package that speaks to it."""
