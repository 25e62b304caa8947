//! `invoice.paid` -> a row in `payments`, one an invoice.

use serde_json::json;
use shared::{
    events::InvoicePaid,
    handlers::{Context, Handler, HandlerError},
    outbox::HttpRequest,
};
use tokio_postgres::types::Json;
use url::Url;

/// Records what a customer paid, and tells `tell` of it. The same invoice, heard of by another event, changes nothing.
#[derive(Clone, Debug, Default)]
pub struct RecordPayment {
    /// Gets `{"invoice_id", "customer_id", "amount_cents", "currency"}` for each payment, once. (At least once over the
    /// network: always under the same `Idempotency-Key`.)
    pub tell: Option<Url>,
}

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
        if let Some(url) = &self.tell {
            let payment = json!({
                "invoice_id": invoice.id, "customer_id": invoice.customer_id, "amount_cents": invoice.amount.cents.get(),
                "currency": invoice.amount.currency.as_str(),
            });
            let key = format!("payment:{}", invoice.id.0);
            context.send_once(&key, HttpRequest::post(url.clone(), payment)).await?;
        }
        Ok(())
    }
}
