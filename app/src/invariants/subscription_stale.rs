//! A subscription has the state after its newest event.

use shared::invariants::Invariant;

/// Newest as the handler has it: by the event's time, and of one second created, updated, deleted.
pub const INVARIANT: Invariant = Invariant::new(
    "subscription_stale",
    "
    SELECT s.id AS subscription, s.changed_at AS known_until, max(e.occurred_at) AS newest
      FROM (SELECT payload #>> '{data,object,id}' AS subscription, occurred_at,
                   CASE event_type WHEN 'customer.subscription.created' THEN 0
                                   WHEN 'customer.subscription.updated' THEN 1 ELSE 2 END AS change
              FROM executions
             WHERE source = 'stripe' AND handler = 'track_subscription' AND status = 'completed') e
      JOIN subscriptions s ON s.id = e.subscription
     WHERE (e.occurred_at, e.change) > (s.changed_at, s.change)
     GROUP BY s.id
     ORDER BY newest DESC, s.id",
    "a subscription has an older state than its newest event",
    "see what Stripe has of it, and handle its newest event once more (solo executions list --source stripe, solo replay \
     <execution>)",
);
