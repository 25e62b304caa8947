//! The load: distinct events, some of them sent several times, from several senders that repeat what was not accepted, as
//! providers do.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::{
    clock,
    providers::{self, About},
};
use tokio::time::{Instant, sleep, sleep_until};

use super::lambda::Lambda;
use crate::stack::Invoke as _;

/// After this many refusals a sender gives up, and the event is nobody's but his.
const MOST_TRIES: u32 = 12;
const FIRST_WAIT: Duration = Duration::from_millis(200);

pub struct Event {
    pub key: String,
    body: Value,
    /// Authentic, and not what its type promises: it must end in the dead letters.
    pub is_misfit: bool,
}

/// What the senders have to say in the end.
#[derive(Debug, Default)]
pub struct Sent {
    pub deliveries: usize,
    pub refused: usize,
    pub queued: usize,
    /// Keys of events that got a 2xx at least once.
    pub accepted: BTreeSet<String>,
}

/// Paid invoices in Stripe's shape; every hundredth has no amount.
pub fn events(count: usize) -> Vec<Event> {
    let sample = |index: usize| {
        let unique = clock::new_id().simple().to_string();
        let mut body = providers::find("stripe")
            .map_or(Value::Null, |stripe| stripe.sample("invoice.paid", &unique, clock::now()));
        let is_misfit = index % 100 == 99;
        if is_misfit {
            body["data"]["object"]["amount_paid"] = json!("a lot");
        }
        Event { key: format!("evt_{unique}"), body, is_misfit }
    };
    (0..count).map(sample).collect()
}

/// Which events are sent in which order: each once, three in ten of them once more, soon after.
pub fn order(random: &mut fastrand::Rng, count: usize) -> Vec<usize> {
    let mut order = Vec::new();
    let mut later: Vec<usize> = Vec::new();
    for index in 0..count {
        order.push(index);
        if random.u8(0..10) < 3 {
            later.push(index);
        }
        if later.len() > random.usize(0..20) {
            order.append(&mut later);
        }
    }
    order.append(&mut later);
    order
}

/// Sends `order` evenly over `time`.
pub async fn send(
    lambda: &Lambda,
    secret: &SecretString,
    events: &[Event],
    order: &[usize],
    senders: usize,
    time: Duration,
) -> Sent {
    let (next, sent) = (Mutex::new(0_usize), Mutex::new(Sent::default()));
    let started = Instant::now();
    let take = || {
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = *next;
        *next += 1;
        order.get(mine).map(|index| (mine, &events[*index]))
    };
    let sender = async || {
        while let Some((number, event)) = take() {
            let share = time.mul_f64(number_as_fraction(number, order.len()));
            sleep_until(started + share).await;
            deliver(lambda, secret, event, &sent).await;
        }
    };
    join_all((0..senders).map(|_| sender())).await;
    sent.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[allow(clippy::cast_precision_loss)]
fn number_as_fraction(number: usize, of: usize) -> f64 {
    number as f64 / of.max(1) as f64
}

/// Until it is accepted.
async fn deliver(lambda: &Lambda, secret: &SecretString, event: &Event, sent: &Mutex<Sent>) {
    let mut wait = FIRST_WAIT;
    for _ in 0..MOST_TRIES {
        let answer = lambda.invoke("webhooks", request(event, secret)).await;
        let status = answer.as_ref().and_then(|answer| answer["statusCode"].as_u64()).unwrap_or(0);
        {
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.deliveries += 1;
            if (200..300).contains(&status) {
                let body = answer.as_ref().and_then(|answer| answer["body"].as_str()).unwrap_or_default();
                sent.queued += usize::from(body.contains("\"queued\""));
                sent.accepted.insert(event.key.clone());
                return;
            }
            sent.refused += 1;
        }
        sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(5));
    }
}

/// As API Gateway hands it over (payload format 2.0).
fn request(event: &Event, secret: &SecretString) -> Value {
    let (mut body, mut headers) = (event.body.to_string(), json!({"content-type": "application/json"}));
    if let Some(stripe) = providers::find("stripe") {
        let about = About { id: &event.key, event_type: "invoice.paid" };
        let delivery = stripe.sign(body.into_bytes(), &about, secret, clock::now());
        for (name, value) in &delivery.headers {
            headers[name.as_str()] = value.to_str().unwrap_or_default().into();
        }
        body = String::from_utf8_lossy(&delivery.body).into_owned();
    }
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/webhooks/stripe", "rawQueryString": "", "headers": headers,
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "localhost", "domainPrefix": "a", "requestId": "r",
            "routeKey": "$default", "stage": "$default", "time": "", "timeEpoch": 0,
            "http": {"method": "POST", "path": "/webhooks/stripe", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": ""},
        },
        "body": body, "isBase64Encoded": false,
    })
}
