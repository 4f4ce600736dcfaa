use std::fs;

use super::*;
use crate::model::{ListSource, Timestamp};

const T1: Timestamp = Timestamp::from_millis(1000);
const T2: Timestamp = Timestamp::from_millis(2000);

fn list(kind: ListKind, entries: &[&str]) -> List {
    let (list, bad) = List::from_entries(kind, entries.iter().copied());
    assert_eq!(bad, BadLines::default());
    list
}

fn ip(text: &str) -> Value<'static> {
    Value::Address(text.parse().unwrap())
}

#[test]
fn addresses_are_found_by_prefix_in_either_family() {
    let entries =
        ["192.0.2.0/24", "198.51.100.7", "2001:db8::/32", "::ffff:203.0.113.0/120", "10.1.2.3/8"];
    let list = list(ListKind::Cidr, &entries);
    assert_eq!(list.len(), 5);
    let table = [
        ("192.0.2.0", true),
        ("192.0.2.255", true),
        ("192.0.3.0", false),
        ("::ffff:192.0.2.9", true),
        ("198.51.100.7", true),
        ("198.51.100.8", false),
        ("2001:db8:1::1", true),
        ("2001:db9::", false),
        ("203.0.113.77", true),
        ("::ffff:203.0.113.77", true),
        ("::ffff:203.0.114.1", false),
        ("10.255.0.1", true),
        ("::10.255.0.1", false),
    ];
    for (address, expected) in table {
        assert_eq!(list.contains(ip(address)), Value::Bool(expected), "{address}");
        assert_eq!(list.contains(Value::Text(address)), Value::Bool(expected), "{address}");
    }
    assert_eq!(list.contains(Value::Text("not an address")), Value::Missing);
    assert_eq!(list.contains(Value::Number(1.0)), Value::Missing);
    assert_eq!(list.contains(Value::Missing), Value::Missing);
    assert_eq!(list.contains(Value::None), Value::Bool(false));
}

#[test]
fn all_addresses_can_be_listed() {
    let list = list(ListKind::Cidr, &["0.0.0.0/0"]);
    assert_eq!(list.contains(ip("::ffff:1.2.3.4")), Value::Bool(true));
    assert_eq!(list.contains(ip("2001:db8::1")), Value::Bool(false));
}

#[test]
fn domains_are_found_by_their_parents() {
    let list = list(ListKind::Domain, &["Example.COM.", "*.spam.example", ".dotted.example", "co"]);
    let long = format!("{}.example.com", "a".repeat(300));
    let table = [
        ("example.com", true),
        ("EXAMPLE.com.", true),
        ("a.b.example.com", true),
        ("badexample.com", false),
        ("com", false),
        ("example.com.evil", false),
        ("x.spam.example", true),
        ("spam.example", true),
        ("dotted.example", true),
        ("anything.co", true),
        ("", false),
        (".", false),
        ("..", false),
        (long.as_str(), false),
        ("müller.example.com", true),
    ];
    for (name, expected) in table {
        assert_eq!(list.contains(Value::Text(name)), Value::Bool(expected), "{name}");
    }
}

#[test]
fn hashed_values_are_found_by_their_digest() {
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let list = list(ListKind::Sha256, &[abc, &abc.to_uppercase()]);
    assert_eq!(list.len(), 1);
    assert_eq!(list.contains(Value::Text("abc")), Value::Bool(true));
    assert_eq!(list.contains(Value::Text("abd")), Value::Bool(false));
}

/// As the sets of breached passwords come: the digest's first digits name its file, and
/// each line says how often it was seen.
#[test]
fn a_folder_of_prefix_files_is_one_list() {
    let folder = tempfile::tempdir().unwrap();
    let ranges = folder.path().join("breached");
    let spec = |kind, path: &std::path::Path| FeedSpec::List {
        name: "breached".into(),
        kind,
        source: ListSource::File(path.to_owned()),
        half_life: None,
    };
    let put = |name: &str, text: &str| fs::write(ranges.join(name), text).unwrap();
    fs::create_dir(&ranges).unwrap();
    let feeds = Feeds::new(vec![spec(ListKind::Sha1, &ranges)], None);
    assert_eq!(feeds.reload(T1), 0);
    assert!(feeds.states()[0].error.as_ref().unwrap().contains("without files by prefix"));

    // Of `password` and `abc`; padding stands for none.
    put(
        "5BAA6.txt",
        "1E4C9B93F3F0682250B6CF8331B7EE68FD8:10437277\r\n1E4C9B93F3F0682250B6CF8331B7EE68FD9:0\r\n",
    );
    put("A9993", "e364706816aba3e25717850c26c9cd0d89d:3\nnot one\n");
    put(".hidden", "");
    assert_eq!(feeds.reload(T1), 1, "{:?}", feeds.states());
    let state = &feeds.states()[0];
    assert_eq!((state.entries, state.bad_lines.count), (2, 1));
    let asked = |text| feeds.load().listed(0, Value::Text(text));
    assert_eq!((asked("password"), asked("abc")), (Value::Bool(true), Value::Bool(true)));
    assert_eq!(asked("correct horse battery staple"), Value::Bool(false));

    // What is in the folder changes with its files.
    put("README", "");
    assert_eq!(feeds.reload(T2), 0);
    let error = feeds.states()[0].error.clone().unwrap();
    assert!(error.contains("`README` in it is not named by a prefix"), "{error}");
    assert_eq!(asked("abc"), Value::Bool(true));
    fs::remove_file(ranges.join("README")).unwrap();
    fs::remove_file(ranges.join("A9993")).unwrap();
    assert_eq!(feeds.reload(T2), 1);
    assert_eq!((asked("password"), asked("abc")), (Value::Bool(true), Value::Bool(false)));

    let plain = Feeds::new(vec![spec(ListKind::Domain, &ranges)], None);
    assert_eq!(plain.reload(T1), 0);
    assert!(plain.states()[0].error.as_ref().unwrap().contains("sha1 and sha256"));
    let device = Feeds::new(vec![spec(ListKind::Sha1, "/dev/zero".as_ref())], None);
    assert_eq!(device.reload(T1), 0);
    assert!(device.states()[0].error.as_ref().unwrap().contains("no plain file"));
}

#[test]
fn a_line_is_bounded_and_a_digest_may_have_a_count() {
    let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
    let text = format!("{sha1}:7\n{}\n{}", "a".repeat(4095), "a".repeat(1_000_000));
    let (list, bad) = List::parse(ListKind::Sha1, text.as_bytes());
    assert_eq!((list.len(), bad.count), (1, 2));
    assert_eq!(bad.first[1].why, "longer than 4096 bytes");
    assert_eq!(list.contains(Value::Text("abc")), Value::Bool(true));
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad:12";
    assert_eq!(List::parse(ListKind::Sha256, sha256.as_bytes()).0.len(), 1);
    let strings = list_of_long_lines();
    assert_eq!((strings.0.len(), strings.1.count), (2, 1));
}

fn list_of_long_lines() -> (List, BadLines) {
    let text = format!("{}\n{}\nlast", "a".repeat(4095), "b".repeat(4096));
    List::parse(ListKind::Text, text.as_bytes())
}

#[test]
fn bad_lines_are_told_and_the_rest_is_used() {
    let text = b"\xef\xbb\xbf# header\r\n192.0.2.1 # known\r\n\n300.1.1.1\n10.0.0.0/33\n\xff\xfe\n10.0.0.1";
    let (list, bad) = List::parse(ListKind::Cidr, text);
    assert_eq!((list.len(), bad.count), (2, 3));
    assert_eq!(bad.first.iter().map(|bad| bad.line).collect::<Vec<_>>(), [4, 5, 6]);
    assert_eq!(bad.first[2].why, "not UTF-8");
    for (kind, wrong) in [
        (ListKind::Domain, "https://example.com/path"),
        (ListKind::Domain, "a..b"),
        (ListKind::Sha256, "ba78"),
        (ListKind::Sha256, "zz7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ] {
        assert_eq!(List::parse(kind, wrong.as_bytes()).1.count, 1, "{wrong}");
    }
}

#[test]
fn a_feed_is_read_again_when_its_file_changes_and_kept_when_it_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feed.txt");
    let spec = FeedSpec::List {
        name: "bad".into(),
        kind: ListKind::Cidr,
        source: ListSource::File(path.clone()),
        half_life: Some(86_400),
    };
    let feeds = Feeds::new(vec![spec.clone()], None);
    let asked = |feeds: &Feeds, address| feeds.load().listed(0, ip(address));
    let put = |text: &str| {
        let next = folder.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(&next, &path).unwrap();
    };

    assert_eq!(feeds.reload(T1), 0);
    assert_eq!(asked(&feeds, "192.0.2.1"), Value::Missing, "never loaded");
    assert!(feeds.states()[0].error.is_some());

    put("192.0.2.1\n");
    assert_eq!((feeds.reload(T1), feeds.reload(T1)), (1, 0));
    assert_eq!(asked(&feeds, "192.0.2.1"), Value::Bool(true));
    let state = &feeds.states()[0];
    assert_eq!((state.entries, state.loaded_at, &state.error), (1, Some(T1), &None));

    // Of the same length.
    put("192.0.2.2\n");
    assert_eq!(feeds.reload(T2), 1);
    assert_eq!(asked(&feeds, "192.0.2.1"), Value::Bool(false));

    put("<html>\n<body>not found</body>\n</html>\n");
    assert_eq!(feeds.reload(T2), 0);
    assert_eq!(feeds.states()[0].error.as_deref(), Some("it is a page, not a list"));
    put("not\nfound\n");
    assert_eq!(feeds.reload(T2), 0);
    assert_eq!(asked(&feeds, "192.0.2.2"), Value::Bool(true));
    let error = feeds.states()[0].error.clone().unwrap();
    assert_eq!(
        error,
        "more bad lines than good ones; line 1: not an address or prefix, as `192.0.2.0/24`"
    );

    fs::remove_file(&path).unwrap();
    assert_eq!(feeds.reload(T2), 0);
    assert_eq!(asked(&feeds, "192.0.2.2"), Value::Bool(true));

    // After a restart there is nothing to go on with: it is unknown who is in it.
    put("");
    let anew = Feeds::new(vec![spec.clone()], None);
    assert_eq!(anew.reload(T2), 0);
    assert_eq!(asked(&anew, "192.0.2.2"), Value::Missing);
    assert!(anew.states()[0].error.clone().unwrap().starts_with("it has no entries"));
    put("192.0.2.2\n");
    assert_eq!(feeds.reload(T2), 1);

    // The next catalog with the same feed goes on with what is loaded.
    let next = Feeds::new(vec![spec], Some(&feeds));
    assert_eq!(asked(&next, "192.0.2.2"), Value::Bool(true));

    put("");
    assert_eq!(next.reload(T2), 0);
    assert_eq!(asked(&next, "192.0.2.2"), Value::Bool(true), "suddenly empty: kept");
    let error = next.states()[0].error.clone().unwrap();
    assert!(error.contains("had 1 entries") && error.contains("`# empty`"), "{error}");

    put("# empty\n");
    assert_eq!(next.reload(T2), 1);
    assert_eq!(asked(&next, "192.0.2.2"), Value::Bool(false), "an empty list is a list");
    assert_eq!(next.load().listed(7, ip("192.0.2.2")), Value::Missing, "no such list");
}

#[test]
fn what_an_old_list_says_is_less_sure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feed.txt");
    fs::write(&path, "192.0.2.1\n").unwrap();
    let spec = |half_life| FeedSpec::List {
        name: "bad".into(),
        kind: ListKind::Cidr,
        source: ListSource::File(path.clone()),
        half_life,
    };
    let feeds = Feeds::new(vec![spec(Some(3600)), spec(None)], None);
    let now = Timestamp::now();
    feeds.reload(now);
    let written = feeds.states()[0].as_of.unwrap();
    let later = Timestamp::from_millis(written.millis() + 2 * 3_600_000);
    let loaded = feeds.load();
    assert_eq!((loaded.freshness(0, written), loaded.freshness(0, later)), (1.0, 0.25));
    assert_eq!((loaded.freshness(1, later), loaded.freshness(9, later)), (1.0, 1.0));
}
