-- What was pushed to GitHub: which commit a branch was at, and since when. One row a push.

CREATE TABLE pushes (
    -- owner/name
    repository    text        NOT NULL CHECK (repository <> ''),
    branch        text        NOT NULL CHECK (branch <> ''),
    head_commit   text        NOT NULL CHECK (head_commit ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'),
    -- How many commits came with it; GitHub lists 2,048 at most.
    commits       integer     NOT NULL CHECK (commits >= 0),
    pusher        text        NOT NULL,
    pushed_at     timestamptz NOT NULL,
    -- No foreign key: executions are deleted after their retention, pushes are not.
    execution_id  uuid        NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    -- The delivery's id is not signed, and may differ for one push. Its time tells a push from the same one, done again
    -- after a force-push back. In this order it also finds a branch's newest push.
    PRIMARY KEY (repository, branch, pushed_at, head_commit)
);

GRANT SELECT, INSERT ON pushes TO solo_app;
GRANT SELECT ON pushes TO solo_reader;
