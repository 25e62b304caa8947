-- Finds an event that came again under another key, for senders that do not sign theirs (shared/src/replays.rs). Not for
-- those that do: they are most of the traffic, and nobody asks about them. The query repeats this condition.

CREATE INDEX executions_fingerprint ON executions (source, fingerprint)
    WHERE source NOT IN ('events', 'slack', 'standard', 'stripe');
