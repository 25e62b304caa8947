-- What failed (shared/src/errors, docs/decisions/0017-errors.md): a row for each kind of failure, not for each time. Recorded by the
-- statement that records the failure itself, told to the error tracker by the worker.

CREATE TABLE errors (
    id              uuid        PRIMARY KEY DEFAULT uuidv7(),
    -- What makes two failures the same: kind, culprit and title (`error_fingerprint`).
    fingerprint     text        NOT NULL UNIQUE CHECK (fingerprint ~ '^[0-9a-f]{32}$'),
    -- handler, panic, timeout, crash, invalid_data, job. What else there will be is not this table's to know.
    kind            text        NOT NULL CHECK (length(kind) BETWEEN 1 AND 63),
    -- A handler, a job; of data that nobody handled, its source and type.
    culprit         text        NOT NULL CHECK (length(culprit) BETWEEN 1 AND 200),
    -- The first line, without numbers, ids and quoted texts.
    title           text        NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    -- The latest words, as they were. Never a payload.
    message         text        NOT NULL CHECK (length(message) <= 2000),
    -- Of the latest time. No foreign key: executions are deleted earlier.
    source          text        CHECK (length(source) <= 255),
    event_type      text        CHECK (length(event_type) <= 255),
    execution_id    uuid,
    correlation_id  text        CHECK (length(correlation_id) <= 255),
    first_seen      timestamptz NOT NULL DEFAULT now(),
    last_seen       timestamptz NOT NULL DEFAULT now(),
    count           bigint      NOT NULL DEFAULT 1 CHECK (count > 0),
    -- What was deployed then, by the word of who recorded it.
    first_release   text        CHECK (length(first_release) <= 64),
    last_release    text        CHECK (length(last_release) <= 64),
    -- How often it came again after a person had said that it would not.
    regressions     integer     NOT NULL DEFAULT 0 CHECK (regressions >= 0),
    resolved_at     timestamptz,
    resolved_by     text        CHECK (resolved_by <> ''),
    -- There is something to tell the tracker, since then.
    tell_since      timestamptz DEFAULT now(),
    told_at         timestamptz,
    CHECK ((resolved_at IS NULL) = (resolved_by IS NULL))
-- A row is changed by every failure of its kind. No index has what changes then, and pages have room for it.
) WITH (fillfactor = 70);

-- How many kinds are new.
CREATE INDEX errors_new ON errors (kind, first_seen);
CREATE INDEX errors_of_culprit ON errors (kind, culprit, first_seen);

CREATE FUNCTION error_fingerprint(kind text, culprit text, title text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT left(encode(sha256(convert_to(concat_ws(chr(10), $1, $2, $3), 'UTF8')), 'hex'), 32)
$$;

-- Counts a failure, in the transaction and the statement of its record, which must not fail or wait for this: what goes wrong in here
-- is a warning in the server's log. `title` is without what differs from time to time; `times` is for several at once.
--
-- A stranger may be able to vary errors' texts. So a culprit has 20 new rows of a kind in 24 hours and 100 in all; the rest is
-- counted in one row of its own, and other culprits' errors beside it. A kind has 100 and 1,000, and one row for the rest, too. Failures at the same moment may make it some more.
--
-- There is something to tell when it is new, when it comes again though it was resolved, and when its count has one digit more.
CREATE FUNCTION record_error(kind text, culprit text, title text, message text, source text, event_type text,
                             execution uuid, correlation text, times bigint DEFAULT 1) RETURNS text
LANGUAGE plpgsql SET search_path = public, pg_temp SET lock_timeout = '500ms' AS $$
#variable_conflict use_column
DECLARE
    blamed   text;
    headline text;
    print    text;
    released text;
BEGIN
    released := left(NULLIF(current_setting('solo.release', true), ''), 64);
    blamed := left(COALESCE(NULLIF($2, ''), 'unknown'), 200);
    headline := left(COALESCE(NULLIF($3, ''), 'no words'), 200);
    print := error_fingerprint($1, blamed, headline);
    IF NOT EXISTS (SELECT FROM errors e WHERE e.fingerprint = print)
       AND ((SELECT count(*) FROM (SELECT FROM errors e WHERE e.kind = $1 AND e.culprit = blamed
                                      AND e.first_seen > now() - interval '1 day' LIMIT 20) AS new) >= 20
            OR (SELECT count(*) FROM (SELECT FROM errors e WHERE e.kind = $1 AND e.culprit = blamed LIMIT 100) AS kept) >= 100)
    THEN
        headline := 'more errors than are kept apart';
        print := error_fingerprint($1, blamed, headline);
    END IF;
    IF NOT EXISTS (SELECT FROM errors e WHERE e.fingerprint = print)
       AND ((SELECT count(*) FROM (SELECT FROM errors e WHERE e.kind = $1 AND e.first_seen > now() - interval '1 day'
                                    LIMIT 100) AS new) >= 100
            OR (SELECT count(*) FROM (SELECT FROM errors e WHERE e.kind = $1 LIMIT 1000) AS kept) >= 1000)
    THEN
        blamed := 'several';
        headline := 'more errors than are kept apart';
        print := error_fingerprint($1, blamed, headline);
    END IF;
    INSERT INTO errors AS e (fingerprint, kind, culprit, title, message, source, event_type, execution_id, correlation_id, count,
                             first_release, last_release)
    VALUES (print, $1, blamed, headline, left(COALESCE($4, ''), 2000), left($5, 255), left($6, 255), $7, left($8, 255), $9,
            released, released)
        ON CONFLICT (fingerprint) DO UPDATE
       SET message = excluded.message, source = excluded.source, event_type = excluded.event_type,
           execution_id = excluded.execution_id, correlation_id = excluded.correlation_id, last_seen = now(),
           count = e.count + excluded.count, last_release = excluded.last_release,
           regressions = e.regressions + CASE WHEN e.resolved_at IS NULL THEN 0 ELSE 1 END,
           resolved_at = NULL, resolved_by = NULL,
           tell_since = CASE WHEN e.resolved_at IS NOT NULL
                               OR length((e.count + excluded.count)::text) > length(e.count::text)
                             THEN COALESCE(e.tell_since, now()) ELSE e.tell_since END;
    RETURN print;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'an error was not counted: % (SQLSTATE %)', SQLERRM, SQLSTATE;
    RETURN NULL;
END
$$;

-- As those of migration 0016. The table is small, so no index is walked along.
CREATE FUNCTION remove_errors(days integer, most integer, after_at timestamptz, after_id uuid,
                              OUT changed bigint, OUT seen bigint, OUT last_at timestamptz, OUT last_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET jit = off AS $$
DECLARE
    before timestamptz := retention_limit('errors', days, 30);
    batch integer := retention_batch(most);
BEGIN
    WITH walked AS MATERIALIZED (
        SELECT id, last_seen AS at
          FROM errors
         WHERE last_seen < before AND first_seen < before AND (resolved_at IS NULL OR resolved_at < before)
           AND (last_seen, id) > (after_at, after_id)
         ORDER BY last_seen, id
         LIMIT batch
           FOR UPDATE SKIP LOCKED
    ),
    removed AS (
        DELETE FROM errors WHERE id = ANY (ARRAY(SELECT id FROM walked)) RETURNING id
    )
    SELECT (SELECT count(*) FROM removed), (SELECT count(*) FROM walked),
           (SELECT at FROM walked ORDER BY at DESC, id DESC LIMIT 1), (SELECT id FROM walked ORDER BY at DESC, id DESC LIMIT 1)
      INTO changed, seen, last_at, last_id;
END
$$;
REVOKE ALL ON FUNCTION remove_errors(integer, integer, timestamptz, uuid) FROM PUBLIC;

-- What an error is, and when it was first seen, does not change.
GRANT SELECT, INSERT ON errors TO solo_app;
GRANT UPDATE (message, source, event_type, execution_id, correlation_id, last_seen, count, last_release, regressions, resolved_at,
              resolved_by, tell_since, told_at) ON errors TO solo_app;
GRANT EXECUTE ON FUNCTION remove_errors(integer, integer, timestamptz, uuid) TO solo_app;
GRANT SELECT ON errors TO solo_reader;
