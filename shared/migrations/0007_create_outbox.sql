-- What leaves the system: written in the transaction of the handler that wants it, put on the queue by the worker's relay,
-- performed by courier. Written by shared/src/outbox; docs/architecture.md walks through it.

CREATE TABLE outbox (
    id               uuid        PRIMARY KEY,
    -- Whose handler asked for it; null for the platform's own. No foreign key: executions are deleted earlier.
    execution_id     uuid,
    -- Sent along, so that the other side can tell a repetition. The same key is never stored twice.
    idempotency_key  text        NOT NULL UNIQUE CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    effect           jsonb       NOT NULL,
    -- The host, or the channel: for people and for statistics.
    destination      text        NOT NULL,
    correlation_id   text        NOT NULL,
    -- pending: not on the queue yet. sent: on the queue. failed: tried, and to be tried again.
    status           text        NOT NULL DEFAULT 'pending'
                                 CHECK (status IN ('pending', 'sent', 'failed', 'delivered', 'dead')),
    created_at       timestamptz NOT NULL DEFAULT now(),
    -- When it goes on the queue; when it is there already, when it does so again because nothing was heard of it.
    relay_at         timestamptz DEFAULT now(),
    relays           smallint    NOT NULL DEFAULT 0 CHECK (relays >= 0),
    -- How often courier tried, by its word.
    attempts         smallint    NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    finished_at      timestamptz,
    -- Of the latest answer: its status, and the start of its body.
    response_status  smallint,
    response_body    text,
    last_error       text,
    CHECK ((status IN ('delivered', 'dead')) = (finished_at IS NOT NULL)),
    CHECK ((relay_at IS NULL) = (finished_at IS NOT NULL)),
    CHECK (status NOT IN ('failed', 'dead') OR last_error IS NOT NULL)
);

CREATE INDEX outbox_due ON outbox (relay_at) WHERE relay_at IS NOT NULL;
-- The platform's own, which go first.
CREATE INDEX outbox_own ON outbox (relay_at) WHERE relay_at IS NOT NULL AND execution_id IS NULL;
-- How many the queue has.
CREATE INDEX outbox_sent ON outbox (status) WHERE status IN ('sent', 'failed');
CREATE INDEX outbox_of_execution ON outbox (execution_id);
CREATE INDEX outbox_dead ON outbox (finished_at) WHERE status = 'dead';

GRANT SELECT, INSERT, UPDATE ON outbox TO solo_app;
GRANT SELECT ON outbox TO solo_reader;
