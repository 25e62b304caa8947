//! Every completed push to a branch is recorded.

use shared::invariants::Invariant;

/// By repository, branch and commit. Its time may be GitHub's or the head commit's, and is left out.
pub const INVARIANT: Invariant = Invariant::new(
    "push_missing",
    "
    SELECT e.id AS execution, e.head_commit
      FROM (SELECT id, received_at, payload #>> '{repository,full_name}' AS repository, payload ->> 'after' AS head_commit,
                   substr(payload ->> 'ref', length('refs/heads/') + 1) AS branch
              FROM executions
             WHERE source = 'github' AND event_type = 'push' AND handler = 'record_push' AND status = 'completed') e
     WHERE e.head_commit IS NOT NULL
       AND NOT EXISTS (SELECT FROM pushes p
                        WHERE p.repository = e.repository AND p.branch = e.branch AND p.head_commit = e.head_commit)
     ORDER BY e.received_at DESC, e.id",
    "a push to GitHub was handled, but it is not in pushes",
    "handle it once more (solo replay <execution>)",
);
