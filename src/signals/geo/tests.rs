use super::*;
use crate::model::Timestamp;
use crate::signals::GeoSource;
use crate::signals::{FeedSpec, Feeds};

/// A value of a MaxMind database: what the tests need of it.
#[derive(Clone)]
enum Field {
    Text(&'static str),
    Double(f64),
    U16(u16),
    U32(u32),
    U64(u64),
    List(Vec<Field>),
    Map(Vec<(&'static str, Field)>),
}

fn control(out: &mut Vec<u8>, kind: u8, len: usize) {
    assert!(len < 29 + 256, "longer values need more bytes of length");
    let short = len.min(29) as u8;
    if kind <= 7 {
        out.push(kind << 5 | short);
    } else {
        out.extend([short, kind - 7]);
    }
    if short == 29 {
        out.push((len - 29) as u8);
    }
}

impl Field {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Field::Text(text) => {
                control(out, 2, text.len());
                out.extend(text.as_bytes());
            }
            Field::Double(x) => {
                control(out, 3, 8);
                out.extend(x.to_be_bytes());
            }
            Field::U16(x) => {
                control(out, 5, 2);
                out.extend(x.to_be_bytes());
            }
            Field::U32(x) => {
                control(out, 6, 4);
                out.extend(x.to_be_bytes());
            }
            Field::U64(x) => {
                control(out, 9, 8);
                out.extend(x.to_be_bytes());
            }
            Field::List(fields) => {
                control(out, 11, fields.len());
                fields.iter().for_each(|field| field.write(out));
            }
            Field::Map(fields) => {
                control(out, 7, fields.len());
                for (key, field) in fields {
                    Field::Text(key).write(out);
                    field.write(out);
                }
            }
        }
    }
}

/// Writes a database of IPv4 prefixes (MaxMind DB format 2.0, 24-bit records).
fn database(kind: &'static str, entries: &[(&str, Field)]) -> Vec<u8> {
    #[derive(Clone, Copy)]
    enum Child {
        Nothing,
        Node(usize),
        Data(usize),
    }
    let mut nodes = vec![[Child::Nothing; 2]];
    let mut data = Vec::new();
    for (prefix, field) in entries {
        let prefix: ipnet::Ipv4Net = prefix.parse().unwrap();
        let at = data.len();
        field.write(&mut data);
        let bits = u32::from(prefix.network());
        let mut node = 0;
        for depth in 0..prefix.prefix_len() {
            let side = (bits >> (31 - depth) & 1) as usize;
            if depth + 1 == prefix.prefix_len() {
                nodes[node][side] = Child::Data(at);
            } else if let Child::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([Child::Nothing; 2]);
                nodes[node][side] = Child::Node(nodes.len() - 1);
                node = nodes.len() - 1;
            }
        }
    }
    let mut out = Vec::new();
    for child in nodes.iter().flatten() {
        let record = match child {
            Child::Nothing => nodes.len(),
            Child::Node(node) => *node,
            Child::Data(at) => nodes.len() + 16 + at,
        };
        out.extend(&(record as u32).to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    Field::Map(vec![
        ("node_count", Field::U32(nodes.len() as u32)),
        ("record_size", Field::U16(24)),
        ("ip_version", Field::U16(4)),
        ("database_type", Field::Text(kind)),
        ("languages", Field::List(vec![Field::Text("en")])),
        ("binary_format_major_version", Field::U16(2)),
        ("binary_format_minor_version", Field::U16(0)),
        ("build_epoch", Field::U64(1_780_000_000)),
        ("description", Field::Map(vec![("en", Field::Text("made by a test"))])),
    ])
    .write(&mut out);
    out
}

fn city() -> Vec<u8> {
    let names = |en, de| Field::Map(vec![("de", Field::Text(de)), ("en", Field::Text(en))]);
    let munich = Field::Map(vec![
        ("city", Field::Map(vec![("geoname_id", Field::U32(1)), ("names", names("Munich", "Mü"))])),
        ("country", Field::Map(vec![("iso_code", Field::Text("DE"))])),
        (
            "location",
            Field::Map(vec![
                ("accuracy_radius", Field::U16(20)),
                ("latitude", Field::Double(48.1375)),
                ("longitude", Field::Double(11.575)),
                ("time_zone", Field::Text("Europe/Berlin")),
            ]),
        ),
        ("subdivisions", Field::List(vec![Field::Map(vec![("iso_code", Field::Text("BY"))])])),
    ]);
    let country_only =
        Field::Map(vec![("country", Field::Map(vec![("iso_code", Field::Text("FR"))]))]);
    database("Test-City", &[("192.0.2.0/24", munich), ("198.51.100.0/25", country_only)])
}

fn asn() -> Vec<u8> {
    let entry = Field::Map(vec![
        ("autonomous_system_number", Field::U32(64_496)),
        ("autonomous_system_organization", Field::Text("Example Net")),
    ]);
    database("Test-ASN", &[("192.0.2.0/24", entry)])
}

const FIELDS: [GeoField; 7] = [
    GeoField::Country,
    GeoField::City,
    GeoField::Asn,
    GeoField::Org,
    GeoField::Latitude,
    GeoField::Longitude,
    GeoField::RadiusKm,
];

fn fields<'g>(geo: &'g Geo, ip: &str) -> [Value<'g>; 7] {
    let place = geo.place(ip.parse().unwrap());
    FIELDS.map(|field| place.field(field))
}

#[test]
fn databases_answer_field_by_field() {
    let mut geo = Geo::default();
    assert_eq!(fields(&geo, "192.0.2.1"), [Value::Missing; 7], "no database");
    geo.set_city(Arc::new(GeoFile::parse(city()).unwrap()));
    geo.set_asn(Arc::new(GeoFile::parse(asn()).unwrap()));
    let munich = [
        Value::Text("DE"),
        Value::Text("Munich"),
        Value::Number(64_496.0),
        Value::Text("Example Net"),
        Value::Number(48.1375),
        Value::Number(11.575),
        Value::Number(20.0),
    ];
    assert_eq!(fields(&geo, "192.0.2.200"), munich);
    assert_eq!(fields(&geo, "::ffff:192.0.2.200"), munich);
    let mut france = [Value::Missing; 7];
    france[0] = Value::Text("FR");
    assert_eq!(fields(&geo, "198.51.100.1"), france);
    assert_eq!(fields(&geo, "198.51.100.200"), [Value::Missing; 7]);
    assert_eq!(fields(&geo, "2001:db8::1"), [Value::Missing; 7], "an IPv4 database");
}

#[test]
fn broken_databases_are_refused_when_they_are_read() {
    let whole = city();
    assert!(GeoFile::parse(Vec::new()).is_err());
    assert!(GeoFile::parse(b"not a database".to_vec()).is_err());
    for cut in [1, 10, 100, 200] {
        let part = whole[..whole.len() - cut].to_vec();
        // It may still be readable, for the metadata stands at the end. It must
        // never make a look-up fail.
        if let Ok(file) = GeoFile::parse(part) {
            let mut geo = Geo::default();
            geo.set_city(Arc::new(file));
            fields(&geo, "192.0.2.1");
        }
    }
    let mut pointing_outside = whole;
    pointing_outside[0] = 0xff;
    assert!(GeoFile::parse(pointing_outside).is_err());
}

#[test]
fn tables_answer_with_the_longest_prefix() {
    let place = |country: &str| OwnedPlace { country: Some(country.into()), ..Default::default() };
    let mut table = GeoTable::default();
    assert!(table.insert("192.0.2.0/24", place("DE")));
    assert!(table.insert("192.0.2.7", place("FR")));
    assert!(table.insert("2001:db8::/32", place("JP")));
    assert!(!table.insert("nowhere", place("XX")));
    let geo = Geo::table(table);
    let country = |ip: &str| geo.place(ip.parse().unwrap()).country;
    assert_eq!(country("192.0.2.6"), Some("DE"));
    assert_eq!(country("::ffff:192.0.2.7"), Some("FR"));
    assert_eq!(country("2001:db8::1"), Some("JP"));
    assert_eq!(country("10.0.0.1"), None);
}

#[test]
fn databases_are_feeds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("city.mmdb");
    let source = GeoSource { path: path.clone(), optional: false };
    let feeds = Feeds::new(vec![FeedSpec::GeoCity(source)], None);
    assert_eq!(feeds.reload(Timestamp::EPOCH), 0);
    assert!(feeds.states()[0].error.is_some() && !feeds.states()[0].absent);
    std::fs::write(&path, b"garbage").unwrap();
    assert_eq!(feeds.reload(Timestamp::EPOCH), 0);
    assert!(feeds.states()[0].error.is_some());
    std::fs::write(&path, asn()).unwrap();
    assert_eq!(feeds.reload(Timestamp::EPOCH), 0, "whose an address is is not where it is");
    let error = feeds.states()[0].error.clone().unwrap();
    assert_eq!(error, "it knows no places: it is a database `Test-ASN`");
    std::fs::write(&path, city()).unwrap();
    assert_eq!(feeds.reload(Timestamp::EPOCH), 1);
    let source = GeoSource { path: path.clone(), optional: false };
    let asn = Feeds::new(vec![FeedSpec::GeoAsn(source)], None);
    assert_eq!(asn.reload(Timestamp::EPOCH), 0);
    assert!(asn.states()[0].error.clone().unwrap().contains("no autonomous systems"));
    let loaded = feeds.load();
    assert_eq!(loaded.geo().place("192.0.2.1".parse().unwrap()).city, Some("Munich"));
}

#[test]
fn an_optional_database_that_is_not_there_is_absent_and_a_broken_one_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("city.mmdb");
    let spec = |optional| vec![FeedSpec::GeoCity(GeoSource { path: path.clone(), optional })];
    let feeds = Feeds::new(spec(true), None);
    let fares = |feeds: &Feeds| {
        feeds.reload(Timestamp::EPOCH);
        let state = feeds.states().remove(0);
        (state.absent, state.error.is_some(), state.entries > 0)
    };
    assert_eq!(fares(&feeds), (true, false, false));
    std::fs::write(&path, b"garbage").unwrap();
    assert_eq!(fares(&feeds), (false, true, false));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(fares(&feeds), (true, false, false));
    std::fs::write(&path, city()).unwrap();
    assert_eq!(fares(&feeds), (false, false, true));
    // What was in use is missed, and goes on to be used.
    std::fs::remove_file(&path).unwrap();
    assert_eq!(fares(&feeds), (false, true, true));
    // A new catalog that says otherwise has the same content.
    let feeds = Feeds::new(spec(false), Some(&feeds));
    assert_eq!(fares(&feeds), (false, true, true));
}
