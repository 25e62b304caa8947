//! No payment without the event that it was made of.

use shared::invariants::Invariant;

/// Executions are deleted 90 days after they ended (30 at the earliest, whatever the settings), and payments stay: only those of the last
/// 29 days are looked at.
pub const INVARIANT: Invariant = Invariant::new(
    "payment_orphaned",
    "
    SELECT p.invoice_id AS invoice, p.execution_id AS execution, p.recorded_at
      FROM payments p
     WHERE p.recorded_at > now() - interval '29 days'
       AND NOT EXISTS (SELECT FROM executions e WHERE e.id = p.execution_id AND e.event_type = 'invoice.paid')
     ORDER BY p.recorded_at DESC, p.invoice_id",
    "there is a payment that no event accounts for",
    "find out who wrote it (solo audit), and whether the invoice was paid at its provider; if it was not, delete the row",
);
