//! What a request comes from and with.

use super::*;
use crate::model::ContextFrom;
use crate::signals::{Lifts, SeenContext};

#[test]
fn a_context_is_held_against_what_is_known_of_it() {
    let house = house();
    let measure = MeasureId(1);
    let from = |otherwise| ContextFrom {
        address: SlotId(0),
        country: SlotId(1),
        asn: SlotId(2),
        user_agent: SlotId(3),
        otherwise,
    };
    let query = GeoQuery { index: 0, address: SlotId(0) };
    let sources = |otherwise| {
        let agent = Source::Property { owner: Owner::Context, key: "user_agent".into() };
        [
            Source::AddressIp,
            Source::Geo { query, field: GeoField::Country },
            Source::Geo { query, field: GeoField::Asn },
            Source::Header("user-agent".into()),
            agent,
            Source::Rarity { kind: USER, measure, from: from(otherwise) },
        ]
    };
    let seen = |request: &Request<'_>, otherwise| {
        let slots: Vec<Slot> = sources(otherwise).map(slot).into();
        let wanted: Vec<SlotId> = (0..5).map(SlotId).collect();
        let records = house.cache.fetch(&request.entities, Kinds::NONE, request.now);
        let (cache, feeds, arena) = (&house.cache, &house.feeds, &house.arena);
        let sources = Sources { cache, records: &records, feeds, arena };
        let mut view = View::new(slots.len(), request.now, false);
        look_up(&slots, &wanted, request, &[], &sources, &mut view);
        SeenContext::of(&view, &from(otherwise), &house.cache)
    };
    let ask = |request: &Request<'_>| house.look_up(request, sources(None), &[]).0[5].clone();
    let firefox = [("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0")];
    let home = request(&[], &firefox);
    assert_eq!(ask(&home).0, "Missing", "nothing was learned of anybody");
    house.cache.set_priors(Priors::default().with_contexts(vec![measure]));
    assert_eq!(ask(&home), (format!("{:?}", Value::Number(1.0 / 11.0)), 0.0), "like anybody");

    let SeenContext(levels) = seen(&home, None);
    assert!(levels.iter().all(|hash| *hash != 0));
    let values = levels.iter().map(|hash| (*hash, 8.0)).collect();
    house.knows(1, &Summary::Context(Lifts { weights: [127.0; 7], values }.into()));
    let number = |text: &str| -> f64 {
        text.trim_start_matches("Number(").trim_end_matches(')').parse().unwrap_or(f64::NAN)
    };
    // Both features eight times as likely as for anybody, but for what is drawn to all.
    let prior = (4.0f64 / 131.0).powi(2);
    let likely = 0.02 + 0.98 * (prior + (1.0 - prior) * 8.0);
    let expected = 1.0 / (1.0 + 10.0 * likely * likely);
    let asked = ask(&home);
    assert!((number(&asked.0) - expected).abs() < 1e-9, "{asked:?}, not {expected}");
    assert!((asked.1 - 127.0 / 131.0).abs() < 1e-9, "{asked:?}");

    // Each change says which levels it touches.
    let changed = |request: &Request<'_>, otherwise| {
        let SeenContext(now) = seen(request, otherwise);
        (0..7).filter(|level| now[*level] != levels[*level]).collect::<Vec<_>>()
    };
    let mut elsewhere = home.clone();
    elsewhere.address = Some("192.0.2.77".parse().unwrap());
    assert_eq!(changed(&elsewhere, None), [0], "the same operator and country");
    elsewhere.address = Some("198.51.100.77".parse().unwrap());
    assert_eq!(changed(&elsewhere, None), [0, 1, 2], "in no database: its /24, no country");
    let newer = [("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:129.0) Firefox/129.0")];
    assert_eq!(changed(&request(&[], &newer), None), [3, 4]);
    let other = [("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.1) Firefox/128.0")];
    assert_eq!(changed(&request(&[], &other), None), [3]);
    let phone = [("user-agent", "Mozilla/5.0 (Android 15; Mobile; rv:128.0) Firefox/128.0")];
    assert_eq!(changed(&request(&[], &phone), None), [3, 5, 6]);
    assert_eq!(changed(&request(&[], &[]), None), [3, 4, 5, 6], "none is one as well");
    let sent =
        [Property { owner: Owner::Context, key: "user_agent", value: Value::Text(firefox[0].1) }];
    assert_eq!(changed(&request(&sent, &[]), Some(SlotId(4))), [0usize; 0], "sent in its place");
    let mut risks = vec![number(&asked.0)];
    risks.push(number(&ask(&request(&[], &newer)).0));
    risks.push(number(&ask(&request(&[], &[])).0));
    elsewhere.http = None;
    risks.push(number(&ask(&elsewhere).0));
    assert!(risks.windows(2).all(|pair| pair[0] < pair[1]), "{risks:?}");

    let v6 = |ip: &str| {
        let mut request = home.clone();
        request.address = Some(ip.parse().unwrap());
        seen(&request, None).0
    };
    assert_eq!(v6("2001:db8::1"), v6("2001:db8::ffff:2"), "one /64");
    assert_eq!(v6("2001:db8::1")[1..], v6("2001:db8:0:7::1")[1..], "one /48");
    assert_ne!(v6("2001:db8::1")[1], v6("2001:db8:1::1")[1]);
    let mut nowhere = request(&[], &[]);
    nowhere.address = None;
    assert_eq!(seen(&nowhere, None), SeenContext::default());
    assert_eq!(ask(&nowhere).0, "Missing");
}
