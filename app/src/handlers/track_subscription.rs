//! Stripe's `customer.subscription.*` -> the subscription's row in `subscriptions`, which has its newest state.
//!
//! Events come in any order, and a retry may be days late. The event's own time decides: an older one changes nothing.
//! Stripe's times are whole seconds, so two events may share one. Then created < updated < deleted; of two updates the one
//! that was handled later stays, which is right unless Stripe sent them the wrong way round within that second.

use shared::handlers::{Context, Handler, HandlerError};

use crate::events::Subscription;

/// Keeps the newest state of a subscription.
pub struct TrackSubscription;

impl Handler for TrackSubscription {
    type Event = Subscription;
    const NAME: &'static str = "track_subscription";

    async fn handle(&self, subscription: Subscription, context: &mut Context<'_>) -> Result<(), HandlerError> {
        const UPSERT: &str = "
            INSERT INTO subscriptions AS known (id, customer, status, price, quantity, current_period_end,
                                                cancel_at_period_end, changed_at, change, execution_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                ON CONFLICT (id) DO UPDATE
               SET (customer, status, price, quantity, current_period_end,
                    cancel_at_period_end, changed_at, change, execution_id, recorded_at)
                 = (excluded.customer, excluded.status, excluded.price, excluded.quantity, excluded.current_period_end,
                    excluded.cancel_at_period_end, excluded.changed_at, excluded.change, excluded.execution_id, now())
             WHERE (known.changed_at, known.change) <= (excluded.changed_at, excluded.change)";
        let execution_id = context.execution_id();
        let Subscription { id, customer, status, price, quantity, .. } = &subscription;
        let Subscription { current_period_end, cancel_at_period_end, changed_at, change, .. } = &subscription;
        let change = *change as i16;
        let changed = context
            .execute(
                UPSERT,
                &[
                    id,
                    customer,
                    status,
                    price,
                    quantity,
                    current_period_end,
                    cancel_at_period_end,
                    changed_at,
                    &change,
                    &execution_id,
                ],
            )
            .await?;
        if changed == 0 {
            tracing::info!("a newer state of the subscription is known already");
        }
        Ok(())
    }
}
