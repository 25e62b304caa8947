-- Where in its trace an effect is: W3C's traceparent, of 55 characters. Null for what belongs to none.

ALTER TABLE outbox ADD COLUMN trace_parent text
    CHECK (trace_parent ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$');
