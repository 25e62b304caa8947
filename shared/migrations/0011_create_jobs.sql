-- What runs by the clock (shared/src/jobs): which jobs there are, and each of their runs. A job that does not run is worse than
-- one that fails, since nobody hears of it: the tick looks at these rows and says so.

CREATE TABLE jobs (
    name            text        PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 63),
    -- How far apart runs are, and how late one may be, as the deployed code says.
    period          interval    NOT NULL CHECK (period > interval '0'),
    grace           interval    NOT NULL CHECK (grace > interval '0'),
    -- A job that has never succeeded is late so long after this.
    watched_since   timestamptz NOT NULL DEFAULT now(),
    last_success_at timestamptz
);

CREATE TABLE job_runs (
    id           uuid        PRIMARY KEY,
    job          text        NOT NULL CHECK (length(job) BETWEEN 1 AND 63),
    -- Who started it by hand; null when the schedule did.
    actor        text        CHECK (actor <> ''),
    started_at   timestamptz NOT NULL DEFAULT now(),
    -- A run that has not ended by then never will: its function was killed.
    stuck_at     timestamptz NOT NULL,
    finished_at  timestamptz,
    outcome      text        CHECK (outcome IN ('succeeded', 'failed', 'stuck')),
    -- How far it is, by its own word.
    progress     jsonb,
    -- What it did.
    result       jsonb,
    error        text,
    CHECK ((finished_at IS NULL) = (outcome IS NULL)),
    CHECK (outcome IS NULL OR (outcome = 'succeeded') = (error IS NULL)),
    CHECK (stuck_at > started_at)
);

-- One run of a job at a time.
CREATE UNIQUE INDEX job_runs_running ON job_runs (job) WHERE finished_at IS NULL;
CREATE INDEX job_runs_of_job ON job_runs (job, started_at DESC, id DESC);
CREATE INDEX job_runs_started ON job_runs (started_at DESC, id DESC);

GRANT SELECT, INSERT, UPDATE ON jobs, job_runs TO solo_app;
GRANT SELECT ON jobs, job_runs TO solo_reader;
