-- What outbox_kept of migration 0021 replaces. No statement is left that looks for it.

DROP INDEX outbox_settled;
