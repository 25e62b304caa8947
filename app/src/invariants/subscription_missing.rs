//! Every subscription that Stripe told of is known.

use shared::invariants::Invariant;

pub const INVARIANT: Invariant = Invariant::new(
    "subscription_missing",
    "
    SELECT e.subscription, max(e.id::text) AS execution
      FROM (SELECT id, payload #>> '{data,object,id}' AS subscription
              FROM executions
             WHERE source = 'stripe' AND handler = 'track_subscription' AND status = 'completed') e
     WHERE e.subscription IS NOT NULL
       AND NOT EXISTS (SELECT FROM subscriptions s WHERE s.id = e.subscription)
     GROUP BY e.subscription
     ORDER BY e.subscription",
    "an event of a subscription completed, but the subscription is not known",
    "handle it once more (solo replay <execution>)",
);
