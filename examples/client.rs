//! An application that asks: `cargo run --example client -- http://127.0.0.1:9191`,
//! beside `plimsoll serve`.

use plimsoll::client::{Ask, Client, ClientError};
use plimsoll::proto::Decision;

#[tokio::main]
async fn main() -> Result<(), ClientError> {
    let address = std::env::args().nth(1);
    ask(address.as_deref().unwrap_or("http://127.0.0.1:9191")).await
}

/// Apart from `main`, so that a test runs it.
pub async fn ask(address: &str) -> Result<(), ClientError> {
    let client = Client::new(address)?;

    let taken = client.report("user", "alice", [("auth_count", 40.into())]).await?;
    println!("signals taken in: {}", taken.accepted);

    let ask = Ask::about("user", "alice")
        .to("transfer")
        .on("account", "a1")
        .with_entity("device", "d1")
        .with_context("amount", 250)
        .enforcing_limits();
    let answer = client.evaluate(ask.clone()).await?;
    match answer.decision() {
        Decision::Allow => println!("go ahead"),
        Decision::Restrict => println!("go ahead, within {:?}", answer.limits),
        Decision::StepUp => println!("authenticate first: {:?}", answer.step_up),
        Decision::Deny | Decision::Unspecified => println!("no: {:?}", answer.reason_user),
    }
    println!("score {} is {}, decision {}", answer.shown_score, answer.level, answer.id);

    let both = client.evaluate_batch([ask.clone(), ask.under("no-such-policy")]).await?;
    for each in both {
        match each {
            Ok(answer) => println!("{}", answer.level),
            Err(why) => println!("{why}"),
        }
    }
    Ok(())
}
