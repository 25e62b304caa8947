-- What the founder should know. Raised where it belongs, batched by the worker, sent through the outbox, and marked as sent
-- when that says so. Written by shared/src/alerts.

CREATE TABLE alerts (
    id              uuid        PRIMARY KEY DEFAULT uuidv7(),
    -- Names the condition. While it is open (not resolved), raising it again counts and does not repeat.
    key             text        NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    severity        text        NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    -- The latest words.
    message         text        NOT NULL,
    occurrences     integer     NOT NULL DEFAULT 1 CHECK (occurrences > 0),
    raised_at       timestamptz NOT NULL DEFAULT now(),
    last_raised_at  timestamptz NOT NULL DEFAULT now(),
    resolved_at     timestamptz,
    -- There is something to say about it, since then. Null when all is said, or is being said.
    pending_since   timestamptz DEFAULT now(),
    -- When it was last delivered, as raised and as resolved.
    sent_at         timestamptz,
    resolution_sent_at timestamptz,
    CHECK (resolution_sent_at IS NULL OR resolved_at IS NOT NULL)
);

CREATE UNIQUE INDEX alerts_open ON alerts (key) WHERE resolved_at IS NULL;
CREATE INDEX alerts_pending ON alerts (pending_since) WHERE pending_since IS NOT NULL;

-- Which messages carry an alert: one for each channel.
CREATE TABLE alert_deliveries (
    alert_id   uuid NOT NULL REFERENCES alerts ON DELETE CASCADE,
    outbox_id  uuid NOT NULL REFERENCES outbox ON DELETE CASCADE,
    -- Whether it tells of the alert's end.
    resolution boolean NOT NULL,
    PRIMARY KEY (outbox_id, alert_id)
);
CREATE INDEX alert_deliveries_of_alert ON alert_deliveries (alert_id);

CREATE TABLE alert_silences (
    id          uuid        PRIMARY KEY DEFAULT uuidv7(),
    -- An alert's key; `*` stands for anything.
    pattern     text        NOT NULL CHECK (pattern <> ''),
    until       timestamptz NOT NULL,
    reason      text        NOT NULL,
    created_by  text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- Raises an alert, or counts it when it is open already. One that was sent is sent again after 4 hours (what Alertmanager
-- does), or at once when it has become worse.
CREATE FUNCTION raise_alert(key text, severity text, message text) RETURNS uuid
LANGUAGE sql AS $$
    INSERT INTO alerts AS a (key, severity, message)
    VALUES (left($1, 200), $2, left(replace($3, chr(10), ' '), 2000))
        ON CONFLICT (key) WHERE resolved_at IS NULL DO UPDATE
       SET occurrences = a.occurrences + 1, last_raised_at = now(), message = excluded.message,
           severity = CASE WHEN array_position('{info,warning,critical}'::text[], excluded.severity)
                              > array_position('{info,warning,critical}'::text[], a.severity)
                           THEN excluded.severity ELSE a.severity END,
           pending_since = CASE
               WHEN a.pending_since IS NOT NULL AND excluded.severity = 'critical' AND a.severity <> 'critical'
                   THEN least(a.pending_since, now())
               WHEN a.pending_since IS NOT NULL THEN a.pending_since
               WHEN a.sent_at < now() - interval '4 hours' THEN now()
               -- A message was made of it, and nothing was heard of that.
               WHEN a.sent_at IS NULL AND a.raised_at < now() - interval '8 hours' THEN now()
               WHEN array_position('{info,warning,critical}'::text[], excluded.severity)
                      > array_position('{info,warning,critical}'::text[], a.severity) THEN now() END
    RETURNING id
$$;

GRANT SELECT, INSERT, UPDATE ON alerts TO solo_app;
GRANT SELECT, INSERT ON alert_deliveries TO solo_app;
GRANT SELECT, INSERT, UPDATE ON alert_silences TO solo_app;
GRANT SELECT ON alerts, alert_deliveries, alert_silences TO solo_reader;
