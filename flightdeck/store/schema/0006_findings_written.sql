-- When a finding was written, so that it is kept no longer than spans are (store/landing.py says how long): once the
-- spans are gone, nothing can be made of their trace any more. The lower 43 bits of a version are milliseconds
-- (store/precedence.py), which dates the rows that were there before this column, too.
ALTER TABLE findings
    ADD COLUMN IF NOT EXISTS written DateTime('UTC') DEFAULT toDateTime(intDiv(bitAnd(version, 8796093022207), 1000), 'UTC');
