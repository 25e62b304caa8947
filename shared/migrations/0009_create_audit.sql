-- What people changed by hand: who, what, why. Rows are added and never changed.

CREATE TABLE audit (
    id         uuid        PRIMARY KEY DEFAULT uuidv7(),
    at         timestamptz NOT NULL DEFAULT now(),
    -- By the word of the caller's identity: an IAM principal, or the local user.
    actor      text        NOT NULL CHECK (actor <> ''),
    -- As in the operation's wire form: `replay`.
    operation  text        NOT NULL CHECK (operation <> ''),
    -- What was changed: an execution's id, an alert's key.
    subject    text        NOT NULL,
    reason     text        NOT NULL,
    detail     jsonb       NOT NULL DEFAULT '{}'
);

CREATE INDEX audit_at ON audit (at DESC, id DESC);
CREATE INDEX audit_of_subject ON audit (subject);

GRANT SELECT, INSERT ON audit TO solo_app;
GRANT SELECT ON audit TO solo_reader;
