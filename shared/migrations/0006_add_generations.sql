-- Replays: each is a new generation of the same execution, with the history of the earlier ones kept.

ALTER TABLE executions
    ADD COLUMN generation  smallint NOT NULL DEFAULT 1 CHECK (generation > 0),
    -- A dead letter that a person has dealt with.
    ADD COLUMN resolved_at timestamptz,
    ADD CHECK (resolved_at IS NULL OR status = 'dead'),
    -- Null while it is claimed as one of a batch and not begun: a crash then is not an attempt of its own.
    ALTER COLUMN started_at DROP NOT NULL;

ALTER TABLE attempts ADD COLUMN generation smallint NOT NULL DEFAULT 1;
