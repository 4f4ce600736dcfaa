use std::net::TcpListener;
use std::time::Duration;

use plimsoll::client::{Ask, Client, ClientError};
use plimsoll::proto::Decision;

use super::support::{House, PATIENCE};

#[path = "../../examples/client.rs"]
#[allow(dead_code, reason = "its main")]
mod example;

#[tokio::test]
async fn the_example_runs() {
    example::ask(&House::open().url()).await.unwrap();
}

fn paying(amount: i64) -> Ask {
    Ask::about("user", "u1").to("pay").on("account", "a1").with_context("amount", amount)
}

#[tokio::test]
async fn the_client_reports_and_asks() {
    let house = House::open();
    let client = Client::new(&house.url()).unwrap().with_deadline(PATIENCE);
    let signals = [("auth_count", 90.into()), ("role", "chief".into())];
    let taken = client.report("user", "u1", signals).await.unwrap();
    assert_eq!((taken.accepted, taken.rejected.len()), (1, 1));
    client.report("device", "d1", [("managed", true.into())]).await.unwrap();

    let reading =
        Ask::about("user", "u1").to("read").on("record", "r1").with_entity("device", "d1");
    let answer = client.evaluate(reading.clone()).await.unwrap();
    assert_eq!((answer.decision(), answer.score, &*answer.level), (Decision::Allow, 100.0, "high"));
    let stern = client.evaluate(reading.under("stern")).await.unwrap();
    assert_eq!(stern.policy.unwrap().name, "stern");

    let export = Ask::about("user", "u1").to("export").on("record", "r1");
    let answers = [paying(10), paying(5000), export.clone(), export.enforcing_limits()];
    let answers = client.evaluate_batch(answers).await.unwrap();
    let decisions: Vec<_> = answers.iter().map(|a| a.as_ref().unwrap().decision()).collect();
    let expected = [Decision::StepUp, Decision::Deny, Decision::Deny, Decision::Restrict];
    assert_eq!(decisions, expected);
}

#[tokio::test]
async fn the_client_tells_errors_apart() {
    let house = House::open();
    let client = Client::new(&house.url()).unwrap().with_deadline(PATIENCE);
    let wrong = client.evaluate(paying(1).under("mian")).await.unwrap_err();
    assert_eq!(wrong.to_string(), "unknown policy `mian`: did you mean `main`?");
    let nothing = client.evaluate(Ask::about("user", "u1")).await.unwrap_err();
    assert!(matches!(nothing, ClientError::Question(_)), "{nothing:?}");
    let mixed = client.evaluate_batch([paying(1), paying(1).under("mian")]).await.unwrap();
    assert!(mixed[0].is_ok() && mixed[1].is_err());

    let empty = House::empty();
    let client = Client::new(&empty.url()).unwrap().with_deadline(PATIENCE);
    let unavailable = client.evaluate(paying(1)).await.unwrap_err();
    assert!(matches!(unavailable, ClientError::Unavailable(_)), "{unavailable:?}");
    assert!(matches!(Client::new("not a URL"), Err(ClientError::Address { .. })));
}

/// Who listens and never answers costs no more than the deadline.
#[tokio::test]
async fn the_client_keeps_its_deadline() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let client = Client::new(&address).unwrap().with_deadline(Duration::from_millis(50));
    let late = client.evaluate(paying(1)).await.unwrap_err();
    assert!(matches!(late, ClientError::Deadline), "{late:?}");
}
