//! A backup from end to end, against what `pg_dump` does by itself: with its own compression into a file, and through the `zstd`
//! program into a file. All three on the same database, in turn.
//!
//! Ours counts and checksums every table meanwhile, and sends its parts over HTTP: to a bucket in this process that takes them as S3
//! does and throws them away. The emulator would be what is measured otherwise. It runs in a process of its own, as the function
//! does, whose peak memory is its own.
//!
//! `SOLO_BENCH_MEGABYTES` sets the size of the database; 1,200 unless it is set.

use std::{
    path::PathBuf,
    pin::Pin,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ::backup::{
    dump::{self, Dump},
    programs::Programs,
    upload::{Bucket, Patience},
};
use axum::{
    Router,
    body::{Body, HttpBody as _},
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse as _, Response},
};
use secrecy::ExposeSecret as _;
use shared::{
    config::Env,
    db::{DatabaseUrl, TlsMode},
};
use testkit::{TestDatabase, variable};
use tokio::time::Instant;

use crate::{median, restore};

/// Where the process that takes one backup finds its database.
const CHILD: &str = "SOLO_BENCH_BACKUP_OF";
const ROUNDS: usize = 3;

/// Events as they are stored: keys that repeat, names and numbers of all sorts, identifiers that are noise. About 1.6 kB each.
const FILL: &str = "
    CREATE TABLE events (id bigint PRIMARY KEY, source text, key text, received_at timestamptz, payload jsonb);
    INSERT INTO events
    SELECT i, (ARRAY['stripe', 'github', 'shopify'])[1 + i % 3], 'evt_' || substr(md5(i::text), 1, 24), now() - i * interval '1 s',
           jsonb_build_object(
               'id', 'evt_' || md5(i::text), 'object', 'event', 'api_version', '2025-09-30.clover', 'created', 1763000000 + i,
               'type', (ARRAY['invoice.paid', 'charge.succeeded', 'customer.updated', 'payment_intent.created'])[1 + i % 4],
               'request', jsonb_build_object('id', 'req_' || substr(md5('r' || i), 1, 14), 'idempotency_key', gen_random_uuid()),
               'data', jsonb_build_object('object', jsonb_build_object(
                   'id', 'in_' || md5('in' || i), 'customer', 'cus_' || substr(md5('c' || i % 5000), 1, 14), 'currency', 'eur',
                   'amount_due', (random() * 100000)::int, 'amount_paid', (random() * 100000)::int, 'status', 'paid',
                   'customer_email', 'customer' || (i % 5000) || '@example.com', 'attempted', true, 'livemode', true,
                   'hosted_invoice_url', 'https://invoice.example.com/i/acct_1/' || md5('u' || i) || md5('v' || i),
                   'lines', (SELECT jsonb_agg(jsonb_build_object(
                       'id', 'il_' || md5(i || 'l' || n), 'object', 'line_item', 'quantity', n, 'amount', (random() * 10000)::int,
                       'description', 'Subscription to the plan number ' || n || ' (from 1 to 30 November)', 'proration', false,
                       'period', jsonb_build_object('start', 1763000000 + i, 'end', 1765592000 + i))) FROM generate_series(1, 4) n))))
      FROM generate_series($from, $to) i";

pub fn is_child() -> bool {
    Env::of_process().optional(CHILD).is_some()
}

/// One backup, in this process. Says how long it took, what was stored, and how much memory that needed.
pub async fn take_one() {
    let began = Instant::now();
    let url = Env::of_process().optional(CHILD).unwrap();
    let programs = Programs::find(Some(variable("PG_PROGRAMS").as_ref())).await.unwrap();
    let dump = Dump {
        url: DatabaseUrl::parse(&url).unwrap(),
        programs: &programs,
        bucket: &Bucket::new(&shared::aws::sdk_config().await, "bench".into(), Patience::default()),
        release: None,
        pace: None,
        deadline: began + Duration::from_mins(15),
    };
    let taken = dump::take(&dump, async |_| ()).await.unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{} {} {}", began.elapsed().as_secs_f64(), taken.bytes, peak / 1024.0);
}

pub async fn report() -> String {
    let megabytes: u64 = Env::of_process().optional("SOLO_BENCH_MEGABYTES").map_or(1_200, |text| text.parse().unwrap());
    let database = filled(megabytes).await;
    let size = database.count("SELECT pg_database_size(current_database())").await / 1_000_000;
    let (sink, taken) = bucket();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("dump");
    let zstd = Command::new("zstd").arg("--version").output().is_ok_and(|output| output.status.success());

    let url = database.admin_url();
    let (mut ours, mut own, mut piped) = (Vec::new(), Vec::new(), Vec::new());
    let (mut stored, mut own_bytes, mut piped_bytes, mut peak) = (0.0, 0.0, 0.0, 0.0_f64);
    for _ in 0..ROUNDS {
        let [seconds, bytes, memory] = ours_once(&url, &sink).await;
        assert!(taken.swap(0, Ordering::SeqCst) as f64 >= bytes, "the bucket got less than was stored");
        ours.push(seconds);
        (stored, peak) = (bytes, peak.max(memory));
        own.push(shell(&url, &file, r#"exec "$PG_DUMP" -Fc -f "$FILE""#));
        own_bytes = std::fs::metadata(&file).unwrap().len() as f64;
        if zstd {
            piped.push(shell(&url, &file, r#""$PG_DUMP" -Fc -Z0 | zstd -3 -T2 -q -f -o "$FILE""#));
            piped_bytes = std::fs::metadata(&file).unwrap().len() as f64;
        }
    }
    let ratios = |of: &[f64], to: &[f64]| of.iter().zip(to).map(|(one, other)| one / other).collect::<Vec<_>>();
    let first = words(&ratios(&own, &ours));
    let second =
        if zstd { words(&ratios(&ours, &piped)) } else { "not measured: there is no zstd program here".into() };
    let (ours, own) = (median(&ours), median(&own));
    shell(&url, &file, r#"exec "$PG_DUMP" -Fc -Z0 -f "$FILE""#);
    let restored = restore::report(&database, &file).await;
    format!(
        "{restored}\nbackup of {size} MB, medians of {ROUNDS} rounds in turn: ours {ours:.1} s, {:.0} MB stored, peak memory {peak:.0} MiB; pg_dump -Fc \
         {own:.1} s, {:.0} MB: ours is {first} times as fast, with an archive of {:.2} times its size; pg_dump -Fc -Z0 | zstd -3 -T2 \
         {:.1} s, {:.0} MB: ours takes {second} of its time",
        stored / 1e6,
        own_bytes / 1e6,
        stored / own_bytes,
        if zstd { median(&piped) } else { 0.0 },
        piped_bytes / 1e6,
    )
}

pub fn words(ratios: &[f64]) -> String {
    let (least, most) =
        (ratios.iter().copied().fold(f64::INFINITY, f64::min), ratios.iter().copied().fold(0.0, f64::max));
    format!("{:.2} ({least:.2} to {most:.2})", median(ratios))
}

async fn filled(megabytes: u64) -> TestDatabase {
    let database = TestDatabase::empty().await;
    let rows = megabytes * 1_000_000 / 1_750;
    let (create, insert) = FILL.split_once(';').unwrap();
    database.execute(create).await;
    for from in (1..=rows).step_by(50_000) {
        let to = rows.min(from + 49_999);
        database.execute(&insert.replace("$from", &from.to_string()).replace("$to", &to.to_string())).await;
    }
    database.execute("VACUUM ANALYZE").await;
    database.execute("CHECKPOINT").await;
    database
}

/// Seconds, bytes stored, peak memory in MiB.
async fn ours_once(url: &DatabaseUrl, sink: &str) -> [f64; 3] {
    assert_eq!(url.tls, TlsMode::Disabled);
    let password = url.password.as_ref().unwrap().expose_secret();
    let user = url.user.as_deref().unwrap();
    let from = format!("postgres://{user}:{password}@{}:{}/{}", url.host, url.port, url.database);
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    let output =
        child.env(CHILD, from).env("AWS_ENDPOINT_URL_S3", sink).stderr(Stdio::inherit()).output().await.unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = said.split_whitespace().map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// How long it takes, in seconds.
fn shell(url: &DatabaseUrl, file: &std::path::Path, script: &str) -> f64 {
    let began = Instant::now();
    let status = Command::new("sh")
        .args(["-c", script])
        .env("PG_DUMP", PathBuf::from(variable("PG_PROGRAMS")).join("pg_dump"))
        .env("FILE", file)
        .envs(restore::login(url))
        .env("PGDATABASE", &url.database)
        .status()
        .unwrap();
    assert!(status.success());
    began.elapsed().as_secs_f64()
}

/// A bucket that takes everything and keeps nothing, on a thread of its own; and what it got.
fn bucket() -> (String, Arc<AtomicU64>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let taken = Arc::new(AtomicU64::new(0));
    let app = Router::new().fallback(answer).with_state(Arc::clone(&taken));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await.unwrap();
        });
    });
    (url, taken)
}

async fn answer(State(taken): State<Arc<AtomicU64>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let mut body = body;
    while let Some(Ok(some)) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        taken.fetch_add(some.data_ref().map_or(0, |data| data.len() as u64), Ordering::SeqCst);
    }
    match parts.method {
        Method::POST if query.contains("uploadId=") => {
            "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>".into_response()
        }
        Method::POST => {
            "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>".into_response()
        }
        Method::DELETE => StatusCode::NO_CONTENT.into_response(),
        _ => Response::builder().header("etag", "\"e\"").body(Body::empty()).unwrap(),
    }
}
