//! A payment has the amount and the currency that its event said.

use shared::invariants::Invariant;

/// Only of the event that made the payment: another one of the same invoice changes nothing.
pub const INVARIANT: Invariant = Invariant::new(
    "payment_amount",
    "
    SELECT p.invoice_id AS invoice, p.amount_cents AS recorded, p.currency, e.cents AS paid, e.currency AS paid_in,
           e.id AS execution
      FROM (SELECT id,
                   COALESCE(payload #> '{data,object,amount_paid}', payload #> '{data,amount,cents}',
                            payload #> '{data,amount_cents}') AS cents,
                   upper(COALESCE(payload #>> '{data,object,currency}', payload #>> '{data,amount,currency}',
                                  payload #>> '{data,currency}')) AS currency
              FROM executions
             WHERE event_type = 'invoice.paid' AND handler = 'record_payment' AND status = 'completed') e
      JOIN payments p ON p.execution_id = e.id
     WHERE e.cents <> to_jsonb(p.amount_cents) OR e.currency <> p.currency
     ORDER BY p.recorded_at DESC, p.invoice_id",
    "a payment has another amount or currency than the event that it was made of",
    "nothing in the code changes a payment, so somebody did by hand, or a handler's new version reads the event \
     otherwise: compare with the invoice at its provider, and correct the row",
)
.critical();
