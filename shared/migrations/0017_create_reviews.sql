-- The monthly reviews of operations (shared/src/reviews.rs): what to rotate, prune and mend, and the figures that it was seen by.
-- Rows are added and never changed; twelve a year are not worth deleting.

CREATE TABLE reviews (
    id        uuid        PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    -- What was looked at, for a person: `2026-10-22 to 2026-11-22`.
    period    text        NOT NULL CHECK (length(period) BETWEEN 1 AND 100),
    -- A list of {area, severity, what, todo}, the worst first.
    findings  jsonb       NOT NULL CHECK (jsonb_typeof(findings) = 'array'),
    -- What was counted; the next review compares with it.
    figures   jsonb       NOT NULL CHECK (jsonb_typeof(figures) = 'object')
);

CREATE INDEX reviews_at ON reviews (at DESC, id DESC);

GRANT SELECT, INSERT ON reviews TO solo_app;
GRANT SELECT ON reviews TO solo_reader;
