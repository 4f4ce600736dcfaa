//! Five chapters. Days pass in seconds: a source reports what it would have seen
//! by then, and ages are told by times that lie back as far.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value as Json, json};

use super::{Chapter, Step, step};
use crate::model::Decision::{Allow, Deny, Restrict, StepUp};

pub(in crate::cli::demo) fn story(now: Timestamp) -> Vec<Chapter> {
    // To the second, as people read times.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    vec![ordinary(now), stolen(now), insider(now), applicant(), earned(now)]
}

fn hours_ago(now: Timestamp, hours: i64) -> Json {
    now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(now).to_string().into()
}

fn days_ago(now: Timestamp, days: i64) -> Json {
    hours_ago(now, 24 * days)
}

/// What an identity provider tells of a sign-in on a device that it knows.
fn usual_session(started: Json, method: &str) -> Json {
    json!({
        "acr": "aal2", "amr": ["otp", "mfa"], "mfa_method": method,
        "authenticated_at": started, "started_at": started,
        "new_device": false, "new_country": false, "impossible_travel": false,
        "idp_risk": "none", "attack_signatures": 0,
    })
}

fn at_home() -> Json {
    json!({"entities": {"device": "sams-phone", "session": "s1", "address": "203.0.113.10"}})
}

fn ordinary(now: Timestamp) -> Chapter {
    let steps = vec![
        step("Sam, a customer of a bank, looks at the account on the phone")
            .knows("user", "sam", json!({"typical_transfer": 120, "failed_logins_1h": 0}))
            .knows("session", "s1", usual_session(hours_ago(now, 3), "totp"))
            .knows("address", "203.0.113.10", json!({"abuse_score": 0}))
            .asks("session", "sam", "read", ("account", "sam-1"))
            .sensitivity("medium")
            .context(at_home())
            .expects(Allow, "low"),
        step("and pays 80 for groceries")
            .asks("session", "sam", "transfer", ("account", "sam-1"))
            .sensitivity("high")
            .context(at_home())
            .amount(80)
            .expects(Allow, "low"),
        step("The rent is more than usual, and still no reason to ask anything")
            .asks("session", "sam", "transfer", ("account", "sam-1"))
            .sensitivity("high")
            .context(at_home())
            .amount(240)
            .expects(Allow, "low"),
    ];
    Chapter { title: "An ordinary day", steps }
}

fn stolen(now: Timestamp) -> Chapter {
    let elsewhere = |address: &str| json!({"entities": {"device": "somebodys-laptop", "session": "s1", "address": address}});
    let again =
        json!({"entities": {"device": "sams-phone", "session": "s2", "address": "203.0.113.10"}});
    let steps = vec![
        step("Sam's session turns up on a device that nobody knows")
            .knows("session", "s1", json!({"new_device": true}))
            .knows("address", "203.0.113.77", json!({"abuse_score": 5}))
            .asks("session", "sam", "read", ("account", "sam-1"))
            .sensitivity("medium")
            .context(elsewhere("203.0.113.77"))
            .expects(StepUp, "medium"),
        step("then in a country where Sam has never been; the app can limit what it shows")
            .knows("session", "s1", json!({"new_country": true}))
            .knows("address", "198.51.100.20", json!({"abuse_score": 20}))
            .asks("session", "sam", "read", ("account", "sam-1"))
            .sensitivity("medium")
            .context(elsewhere("198.51.100.20"))
            .enforces_limits()
            .expects(Restrict, "high"),
        step("and whoever holds it wants 4000 sent away")
            .asks("session", "sam", "transfer", ("account", "sam-1"))
            .sensitivity("high")
            .context(elsewhere("198.51.100.20"))
            .amount(4000)
            .enforces_limits()
            .expects(Deny, "very_high"),
        step("Sam signs in anew, with a passkey: only the stolen session is shut")
            .knows("session", "s2", usual_session(hours_ago(now, 0), "webauthn"))
            .asks("session", "sam", "read", ("account", "sam-1"))
            .sensitivity("medium")
            .context(again)
            .expects(Allow, "low"),
    ];
    Chapter { title: "The same user's session, stolen", steps }
}

/// One day of an employee as DLP and access governance see it.
struct Day {
    copied: f64,
    usb: f64,
    cloud: f64,
    last_28d: f64,
    after_hours: f64,
    new_systems: u32,
    out_of_scope: u32,
    dlp_blocks: u32,
}

impl Day {
    fn signals(&self) -> Json {
        json!({
            "copied_bytes_24h": self.copied,
            "usb_bytes_24h": self.usb,
            "cloud_upload_bytes_24h": self.cloud,
            "copied_bytes_28d": self.last_28d,
            "after_hours_share": self.after_hours,
            "new_systems_7d": self.new_systems,
            "out_of_scope_access_7d": self.out_of_scope,
            "dlp_blocks_7d": self.dlp_blocks,
        })
    }
}

fn insider(now: Timestamp) -> Chapter {
    let works = |step: Step, day: Day| {
        step.knows("user", "robin", day.signals()).asks(
            "insider",
            "robin",
            "read",
            ("repository", "designs"),
        )
    };
    let office = json!({"entities": {
        "device": "robins-laptop", "session": "s3", "address": "192.0.2.30",
    }});
    let healthy = json!({
        "managed": true, "os_patched": true, "disk_encrypted": true, "antivirus_active": true,
    });
    let usual = Day {
        copied: 210e6,
        usb: 0.0,
        cloud: 0.0,
        last_28d: 5.0e9,
        after_hours: 0.1,
        new_systems: 1,
        out_of_scope: 0,
        dlp_blocks: 0,
    };
    let more = Day { copied: 1.0e9, usb: 1.0e9, last_28d: 7.5e9, after_hours: 0.35, ..usual };
    let much = Day {
        copied: 1.6e9,
        usb: 3.0e9,
        last_28d: 10e9,
        after_hours: 0.5,
        new_systems: 4,
        ..usual
    };
    let all = Day {
        copied: 2.4e9,
        usb: 9.0e9,
        cloud: 5.0e9,
        last_28d: 14e9,
        after_hours: 0.7,
        new_systems: 7,
        out_of_scope: 4,
        dlp_blocks: 2,
    };
    let steps = vec![
        works(
            step("Monday: Robin, an engineer, copies what the work takes").knows(
                "user",
                "robin",
                json!({
                    "role": "member", "department": "engineering",
                    "copied_bytes_typical": 200e6, "copied_bytes_prior_28d": 5.0e9,
                    "privilege_escalations_7d": 0, "policy_violations_30d": 0,
                }),
            ),
            usual,
        )
        .expects(Allow, "low"),
        works(step("Wednesday: five times as much, some of it to a USB stick"), more)
            .expects(Allow, "moderate"),
        works(step("Friday: eight times, in the evenings, from systems new to Robin"), much)
            .expects(StepUp, "high"),
        works(step("Sunday: everything, and to a private cloud; DLP stops some of it"), all)
            .expects(Deny, "critical"),
        step("The session policy reads that score: Robin's good laptop doesn't help")
            .knows("session", "s3", usual_session(hours_ago(now, 0), "webauthn"))
            .knows("device", "robins-laptop", healthy)
            .asks("session", "robin", "read", ("repository", "designs"))
            .sensitivity("medium")
            .context(office)
            .expects(Deny, "high"),
    ];
    Chapter { title: "An insider who copies more each day", steps }
}

fn applicant() -> Chapter {
    let goes_on = |step: Step| step.asks("onboarding", "ava", "continue", ("application", "ava-1"));
    let opens =
        |step: Step| step.asks("onboarding", "ava", "open_account", ("application", "ava-1"));
    let steps = vec![
        goes_on(step("Ava applies, and confirms an e-mail address").knows(
            "user",
            "ava",
            json!({"idv_email": 0.8}),
        ))
        .expects(Allow, "low_risk"),
        opens(step("A good score, but of how much? To open an account takes more than a mailbox"))
            .expects(StepUp, "low_risk"),
        goes_on(step("The phone number is a prepaid one of last week").knows(
            "user",
            "ava",
            json!({"idv_phone": 0.4}),
        ))
        .expects(StepUp, "medium_risk"),
        goes_on(step("Ava shows a passport, and it is good").knows(
            "user",
            "ava",
            json!({"idv_document": 0.96}),
        ))
        .expects(Allow, "low_risk"),
        opens(step("The selfie is of the same face: the account opens").knows(
            "user",
            "ava",
            json!({"idv_selfie": 0.9}),
        ))
        .expects(Allow, "low_risk"),
    ];
    Chapter { title: "An applicant, step by step", steps }
}

fn earned(now: Timestamp) -> Chapter {
    // A little ahead, within what clocks may differ by: while the story is told,
    // nobody should lose trust for not signing in.
    let just_now = hours_ago(now.saturating_add(SignedDuration::from_mins(4)).unwrap_or(now), 0);
    let aged = |step: Step, days: i64, signed_in: u32, apps: u32, devices: u32| {
        let signals = json!({
            "account_created_at": days_ago(now, days), "last_auth_at": just_now,
            "auth_count": signed_in, "unique_apps": apps, "device_count": devices,
        });
        step.knows("user", "noor", signals)
    };
    let wants =
        |step: Step, action: &str| step.asks("reputation", "noor", action, ("account", "noor-1"));
    let steps = vec![
        wants(aged(step("Day 1: Noor has an account, and reads"), 0, 1, 1, 1), "read_public")
            .expects(Allow, "minimal"),
        wants(step("and would like to post"), "post_content").expects(Deny, "minimal"),
        wants(aged(step("Day 30: in use, with two apps"), 30, 10, 2, 1), "post_content")
            .expects(Allow, "basic"),
        wants(aged(step("Day 90: five apps, two passkeys"), 90, 50, 5, 2), "send_messages")
            .expects(Allow, "standard"),
        wants(step("and tries to withdraw"), "withdraw_funds").expects(Deny, "standard"),
        wants(aged(step("Day 180: a power user withdraws"), 180, 100, 10, 3), "withdraw_funds")
            .expects(Allow, "maximum"),
    ];
    Chapter { title: "An account that earns trust", steps }
}
