-- The first handler's table: what customers paid. One row an invoice, however often and by whichever way we hear of it.

CREATE TABLE payments (
    invoice_id    uuid        PRIMARY KEY,
    customer_id   uuid        NOT NULL,
    amount_cents  bigint      NOT NULL CHECK (amount_cents > 0),
    currency      text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    paid_at       timestamptz NOT NULL,
    metadata      jsonb       NOT NULL DEFAULT '{}',
    -- No foreign key: executions are deleted after their retention, payments are not.
    execution_id  uuid        NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT, INSERT ON payments TO solo_app;
GRANT SELECT ON payments TO solo_reader;
