-- The newest state of each of Stripe's subscriptions. One row a subscription, whatever order its events come in.

CREATE TABLE subscriptions (
    -- Stripe's ids (sub_..., cus_..., price_...).
    id                    text        PRIMARY KEY CHECK (id <> ''),
    customer              text        NOT NULL CHECK (customer <> ''),
    -- As Stripe has it: trialing, active, past_due, canceled, ... It may have more than we know of.
    status                text        NOT NULL CHECK (status <> ''),
    -- Of the first item. Metered ones have no quantity.
    price                 text,
    quantity              bigint      CHECK (quantity >= 0),
    -- The earliest end of its items' periods.
    current_period_end    timestamptz,
    cancel_at_period_end  boolean     NOT NULL,
    -- The event that this is the state after: its time, and for events of one second 0 created, 1 updated, 2 deleted.
    changed_at            timestamptz NOT NULL,
    change                smallint    NOT NULL CHECK (change BETWEEN 0 AND 2),
    -- No foreign key: executions are deleted after their retention, subscriptions are not.
    execution_id          uuid        NOT NULL,
    recorded_at           timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX subscriptions_customer ON subscriptions (customer);

GRANT SELECT, INSERT, UPDATE ON subscriptions TO solo_app;
GRANT SELECT ON subscriptions TO solo_reader;
