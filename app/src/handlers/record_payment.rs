//! `invoice.paid` -> a row in `payments`, one an invoice.

use shared::{
    events::InvoicePaid,
    handlers::{Context, Handler, HandlerError},
};
use tokio_postgres::types::Json;

/// Records what a customer paid. The same invoice, heard of by another event, changes nothing.
pub struct RecordPayment;

impl Handler for RecordPayment {
    type Event = InvoicePaid;
    const NAME: &'static str = "record_payment";

    async fn handle(&self, invoice: InvoicePaid, context: &mut Context<'_>) -> Result<(), HandlerError> {
        const INSERT: &str = "
            INSERT INTO payments (invoice_id, customer_id, amount_cents, currency, paid_at, metadata, execution_id)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (invoice_id) DO NOTHING";
        let execution_id = context.execution_id();
        context
            .execute(
                INSERT,
                &[
                    &invoice.id.0,
                    &invoice.customer_id.0,
                    &invoice.amount.cents.get(),
                    &invoice.amount.currency.as_str(),
                    &invoice.paid_at.0,
                    &Json(&invoice.metadata.unwrap_or_default()),
                    &execution_id,
                ],
            )
            .await?;
        Ok(())
    }
}
