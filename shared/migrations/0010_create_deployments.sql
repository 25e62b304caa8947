-- What was released, and what came of it. Rows are added by `solo deploy` and `solo rollback` through ops, and never changed.

CREATE TABLE deployments (
    -- Made by who deploys, so that telling it twice is telling it once.
    id           uuid        PRIMARY KEY,
    kind         text        NOT NULL CHECK (kind IN ('deploy', 'rollback')),
    -- What the stage was brought to; of a rollback: what it was rolled back to.
    release      text        NOT NULL CHECK (length(release) BETWEEN 1 AND 200),
    -- What it had before, if that is known; of a rollback: what it was rolled back from.
    previous     text        CHECK (length(previous) BETWEEN 1 AND 200),
    -- rolled_back: something was activated, and then taken back.
    outcome      text        NOT NULL CHECK (outcome IN ('succeeded', 'failed', 'rolled_back')),
    detail       text        CHECK (length(detail) BETWEEN 1 AND 4000),
    actor        text        NOT NULL CHECK (actor <> ''),
    -- By the clock of who deployed, and by this one when that is ahead.
    started_at   timestamptz NOT NULL,
    finished_at  timestamptz NOT NULL DEFAULT now(),
    CHECK (started_at <= finished_at)
);

CREATE INDEX deployments_finished ON deployments (finished_at DESC, id DESC);

-- The functions delete nothing, with one exception: the event that a deployment's smoke test sent. It goes through here, with
-- its attempts, and nothing else can.
CREATE FUNCTION remove_smoke_test(execution uuid) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH removed AS (DELETE FROM executions WHERE id = $1 AND event_type = 'solo.smoke_test' RETURNING id)
    SELECT EXISTS (SELECT FROM removed)
$$;
REVOKE ALL ON FUNCTION remove_smoke_test(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION remove_smoke_test(uuid) TO solo_app;
GRANT SELECT, INSERT ON deployments TO solo_app;
GRANT SELECT ON deployments TO solo_reader;
