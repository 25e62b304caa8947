-- One row for each event that was ever accepted, and one for each attempt to handle it.
-- Written by shared/src/executions; see docs/architecture.md for the walk through them.

CREATE TABLE executions (
    id               uuid        PRIMARY KEY,
    -- Who sent it (`stripe`, `events`) and that sender's key for it: the pair makes a delivery a duplicate.
    source           text        NOT NULL CHECK (source <> ''),
    idempotency_key  text        NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    event_type       text        NOT NULL CHECK (event_type <> ''),
    schema_version   smallint    NOT NULL CHECK (schema_version > 0),
    -- The handler that it was given to; null when there was none for its type (it is kept all the same).
    handler          text,
    status           text        NOT NULL CHECK (status IN ('processing', 'completed', 'failed', 'dead')),
    -- How often it was tried, the running attempt included.
    attempt          smallint    NOT NULL CHECK (attempt >= 0),
    -- Grows with every change of owner. Who holds an older one may change nothing any more.
    fence            bigint      NOT NULL CHECK (fence >= 0),
    payload          jsonb       NOT NULL,
    -- SHA-256 of the type, version and data in canonical JSON: tells a repeated key with other contents.
    fingerprint      bytea       NOT NULL CHECK (length(fingerprint) = 32),
    correlation_id   text        NOT NULL,
    -- When it happened, by the sender's word.
    occurred_at      timestamptz,
    received_at      timestamptz NOT NULL DEFAULT now(),
    -- The running or latest attempt.
    started_at       timestamptz NOT NULL DEFAULT now(),
    lease_until      timestamptz,
    next_attempt_at  timestamptz,
    finished_at      timestamptz,
    last_error       text,
    UNIQUE (source, idempotency_key),
    CHECK ((status = 'processing') = (lease_until IS NOT NULL)),
    CHECK ((status = 'failed') = (next_attempt_at IS NOT NULL)),
    CHECK ((status IN ('completed', 'dead')) = (finished_at IS NOT NULL)),
    CHECK (status NOT IN ('failed', 'dead') OR last_error IS NOT NULL)
);

-- What is due, stuck or waiting for a person; small, because nearly every row is completed.
CREATE INDEX executions_unfinished ON executions (status, COALESCE(next_attempt_at, lease_until, finished_at))
    WHERE status <> 'completed';
-- `solo executions list`, newest first. The id breaks ties, so that paging neither skips nor repeats.
CREATE INDEX executions_received ON executions (received_at DESC, id DESC);

CREATE TABLE attempts (
    execution_id  uuid        NOT NULL REFERENCES executions ON DELETE CASCADE,
    fence         bigint      NOT NULL,
    attempt       smallint    NOT NULL,
    started_at    timestamptz NOT NULL,
    finished_at   timestamptz NOT NULL,
    outcome       text        NOT NULL CHECK (outcome IN ('completed', 'failed', 'dead', 'crashed')),
    error         text,
    PRIMARY KEY (execution_id, fence),
    CHECK ((outcome = 'completed') = (error IS NULL))
);

GRANT SELECT, INSERT, UPDATE ON executions TO solo_app;
GRANT SELECT, INSERT ON attempts TO solo_app;
GRANT SELECT ON executions, attempts TO solo_reader;
