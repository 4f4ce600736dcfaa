//! Fills a running server with users of ten signals each, and with the device,
//! session and address that the request of `floor_server` names.
//!
//!     load 127.0.0.1:9191 1000000

use std::time::{Instant, SystemTime};

use plimsoll::proto::signal_service_client::SignalServiceClient;
use plimsoll::proto::{Entity, Report, ReportRequest};
use prost_types::Value;
use prost_types::value::Kind;

/// Reports in one message.
const BATCH: usize = 500;

fn number(x: f64) -> Value {
    Value { kind: Some(Kind::NumberValue(x)) }
}

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn yes() -> Value {
    Value { kind: Some(Kind::BoolValue(true)) }
}

fn report(kind: &str, id: String, signals: impl IntoIterator<Item = (String, Value)>) -> Report {
    Report {
        entity: Some(Entity { r#type: kind.to_owned(), id }),
        signals: signals.into_iter().collect(),
        observed_at: Some(SystemTime::now().into()),
    }
}

fn user(at: usize) -> Report {
    let id = format!("u-{at}");
    let signals = (0..10).map(|n| {
        let value =
            if n == 8 { text("2026-01-01T00:00:00Z") } else { number(((at + n) % 40) as f64) };
        (format!("s{n}"), value)
    });
    report("user", id, signals)
}

fn others() -> Vec<Report> {
    let named = |pairs: &[(&str, Value)]| -> Vec<(String, Value)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let device = [
        ("managed", yes()),
        ("os_patched", yes()),
        ("disk_encrypted", yes()),
        ("antivirus", yes()),
    ];
    let now = jiff::Timestamp::now().to_string();
    let session = [("mfa", text("totp")), ("started_at", text(&now)), ("escalations", number(0.0))];
    let address = [("abuse", number(3.0)), ("country", text("DE")), ("reports", number(0.0))];
    vec![
        report("device", "d-5f1c2a77".to_owned(), named(&device)),
        report("session", "s-91d0b7f2-4f0a-4a4e-9d1c-52d2a7f3c0be".to_owned(), named(&session)),
        report("address", "203.0.113.9".to_owned(), named(&address)),
    ]
}

#[tokio::main(flavor = "current_thread")]
async fn load(address: &str, users: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut client = SignalServiceClient::connect(format!("http://{address}")).await?;
    let began = Instant::now();
    let batches = (0..users.div_ceil(BATCH)).map(move |batch| {
        let from = batch * BATCH;
        let reports = (from..(from + BATCH).min(users)).map(user).collect();
        ReportRequest { reports, sequence: batch as u64, durable: false }
    });
    let last = ReportRequest { reports: others(), sequence: u64::MAX, durable: false };
    let stream = tokio_stream::iter(batches.chain([last]));
    let mut answers = client.report_stream(stream).await?.into_inner();
    let (mut accepted, mut rejected) = (0, 0);
    while let Some(answer) = answers.message().await? {
        accepted += answer.accepted;
        rejected += answer.rejected.len();
        if let Some(first) = answer.rejected.first().filter(|_| rejected < 5) {
            eprintln!("{}: {}", first.signal, first.reason);
        }
    }
    println!(
        "{users} users, {accepted} signals accepted, {rejected} rejected, {:.1} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [address, users] => load(address, users.parse()?),
        // `cargo bench` and `cargo test --benches` start every bench: there is nothing to do then.
        _ => Ok(()),
    }
}
