//! Every completed `invoice.paid` has its payment.

use shared::invariants::Invariant;

/// Stripe's invoice is found by Stripe's id, which is kept in the payment's metadata; a first-party one by its own. An
/// execution whose payload was cleared names no invoice any more, and is left out. One without a handler asked for nothing.
pub const INVARIANT: Invariant = Invariant::new(
    "payment_missing",
    "
    SELECT e.id AS execution, e.invoice
      FROM (SELECT id, received_at,
                   CASE source WHEN 'stripe' THEN payload #>> '{data,object,id}' ELSE payload #>> '{data,id}' END AS invoice
              FROM executions
             WHERE event_type = 'invoice.paid' AND handler = 'record_payment' AND status = 'completed') e
     WHERE e.invoice IS NOT NULL
       AND NOT EXISTS (SELECT FROM payments p WHERE p.invoice_id::text = lower(e.invoice))
       AND NOT EXISTS (SELECT FROM payments p WHERE p.metadata ->> 'stripe_invoice' = e.invoice)
     ORDER BY e.received_at DESC, e.id",
    "an invoice was paid and its event completed, but there is no payment for it",
    "look at the execution (solo executions show <execution>), then handle it once more (solo replay <execution>): the payment is recorded, and nothing is recorded twice",
)
.critical();
