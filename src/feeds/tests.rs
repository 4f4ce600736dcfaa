//! Against a real HTTPS server. Time between fetches is an argument; only what hangs
//! takes its time.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Deciding, Keeper, next};
use crate::fetch::Bounds;
use crate::idp::{Behaviour, Idp, Served};
use crate::model::{ListKind, ListSource, ListUrl, Timestamp, Value};
use crate::signals::{Due, FeedSpec, FeedState, Feeds, Keep};

/// Far above what anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

const EVERY: u64 = 3600;

const BOUNDS: Bounds = Bounds {
    bytes: 4096,
    connect: Duration::from_secs(10),
    begin: Duration::from_secs(10),
    whole: Duration::from_secs(20),
};

struct House {
    idp: Idp,
    folder: tempfile::TempDir,
    kind: ListKind,
    token_file: Option<PathBuf>,
    feeds: Arc<Feeds>,
    bounds: Bounds,
}

/// A feed of addresses, kept in a folder, before the first fetch.
fn house(behaviour: Behaviour) -> House {
    let (idp, ca) = Idp::vouched_for(behaviour);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.pem"), ca).unwrap();
    let feeds = Arc::new(Feeds::new(Vec::new(), None));
    let mut house =
        House { idp, folder, kind: ListKind::Cidr, token_file: None, feeds, bounds: BOUNDS };
    house.restart();
    house
}

fn serves(body: &str) -> Served {
    Served { body: body.as_bytes().to_vec(), ..Served::default() }
}

fn tagged(body: &str, etag: &'static str) -> Behaviour {
    Behaviour::Serves(Served { etag: Some(etag), ..serves(body) })
}

impl House {
    fn spec(&self, half_life: Option<u64>) -> FeedSpec {
        let from = ListUrl {
            url: self.idp.url().into(),
            every: EVERY,
            ca: Some(self.folder.path().join("ca.pem")),
            token_file: self.token_file.clone(),
        };
        let source = ListSource::Url(Arc::new(from));
        FeedSpec::List { name: "bad".into(), kind: self.kind, source, half_life }
    }

    fn keep(&self) -> Keep {
        Keep::in_folder(self.folder.path().join("data/lists"))
    }

    /// As a process begins: with what is on disk.
    fn restart(&mut self) {
        self.feeds =
            Arc::new(Feeds::new(vec![self.spec(Some(EVERY))], None).kept_in(Some(self.keep())));
    }

    fn deciding(&self) -> Deciding {
        let feeds = Arc::clone(&self.feeds);
        Arc::new(move || Some(Arc::clone(&feeds)))
    }

    /// Looks at this time; says whether that fetched.
    fn look(&self, now: Timestamp) -> bool {
        self.feeds.reload(now);
        let due = self.feeds.due(now);
        for due in &due {
            let keep = self.keep();
            super::fetching::fetch(due, Some(&keep), self.bounds, &self.deciding(), now);
        }
        !due.is_empty()
    }

    fn state(&self) -> FeedState {
        self.feeds.states().remove(0)
    }

    fn error(&self) -> String {
        self.state().error.unwrap_or_default()
    }

    fn lists(&self, text: &str) -> Value<'static> {
        self.feeds.load().listed(0, Value::Text(text))
    }

    fn kept(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.path().join("data/lists")).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn kept_content(&self) -> PathBuf {
        let names = self.kept();
        let name = names.iter().find(|name| name.ends_with(".list")).unwrap();
        self.folder.path().join("data/lists").join(name)
    }

    /// What the last request said in this header.
    fn asked_with(&self, header: &str) -> Option<String> {
        let last = self.idp.requests().pop().unwrap();
        Some(last.headers().get(header)?.to_str().unwrap().to_owned())
    }
}

/// Later than the next fetch, by so many of the times between two.
fn later(from: Timestamp, times: u32) -> Timestamp {
    from.plus(EVERY as f64 * f64::from(times))
}

#[test]
fn it_is_fetched_asked_for_changes_and_changed() {
    let house = house(tagged("192.0.2.1\n", "\"1\""));
    let began = Timestamp::now();
    assert_eq!(house.lists("192.0.2.1"), Value::Missing, "before the first fetch");
    assert_eq!(house.state().loaded_at, None);
    assert!(house.look(began));
    assert_eq!(house.lists("192.0.2.1"), Value::Bool(true));
    assert_eq!((house.state().entries, house.state().as_of), (1, Some(began)));
    assert!(!house.look(began.plus(60.0)), "not before its time");

    // What has not changed was confirmed.
    let (second, third) = (later(began, 1), later(began, 2));
    assert_eq!(house.feeds.load().freshness(0, second), 0.5);
    assert!(house.look(second));
    assert_eq!(house.asked_with("if-none-match").as_deref(), Some("\"1\""));
    assert_eq!((house.state().loaded_at, house.state().as_of), (Some(second), Some(second)));
    assert_eq!(house.feeds.load().freshness(0, second), 1.0);
    assert_eq!(house.lists("192.0.2.1"), Value::Bool(true));

    house.idp.behave(tagged("198.51.100.0/24\n203.0.113.7\n", "\"2\""));
    assert!(house.look(third));
    assert_eq!(house.lists("192.0.2.1"), Value::Bool(false));
    assert_eq!(house.lists("198.51.100.9"), Value::Bool(true));
    assert_eq!((house.state().entries, house.error()), (2, String::new()));
    assert_eq!(house.kept().len(), 2, "the old content is gone: {:?}", house.kept());
}

#[test]
fn without_an_etag_it_is_asked_by_time_and_without_both_compared() {
    let date = "Fri, 20 Nov 2026 10:00:00 GMT";
    let served = Served { modified: Some(date), ..serves("192.0.2.1\n") };
    let house = house(Behaviour::Serves(served));
    let began = Timestamp::now();
    assert!(house.look(began) && house.look(later(began, 1)));
    assert_eq!(house.asked_with("if-modified-since").as_deref(), Some(date));
    assert_eq!(house.state().as_of, Some(later(began, 1)));
    house.idp.behave(Behaviour::Serves(serves("192.0.2.1\n")));
    for times in 2..4 {
        assert!(house.look(later(began, times)));
        assert_eq!(house.state().as_of, Some(later(began, times)), "{}", house.error());
    }
    assert_eq!(house.asked_with("if-modified-since"), None);
}

#[test]
fn what_cannot_be_used_keeps_the_last_good_list() {
    let house = house(tagged("192.0.2.1\n", "\"1\""));
    let began = Timestamp::now();
    assert!(house.look(began));
    let (content, elsewhere) = (house.kept_content(), format!("{}?x", house.idp.url()));
    let page = "<!DOCTYPE html>\n<html><body>not found</body></html>\n";
    let media = |body, media| Behaviour::Serves(Served { media: Some(media), ..serves(body) });
    let packed = Served { encoding: Some("gzip"), ..serves("192.0.2.9\n") };
    for (times, (behaviour, why)) in (1..).zip([
        (Behaviour::Answers(404, Vec::new()), "404"),
        (Behaviour::Answers(500, b"192.0.2.9\n".to_vec()), "500"),
        (Behaviour::Answers(206, b"192.0.2.9\n".to_vec()), "206"),
        (Behaviour::Answers(304, Vec::new()), ""),
        (Behaviour::Redirects(elsewhere), "redirects are not followed"),
        (Behaviour::Answers(200, page.as_bytes().to_vec()), "it is a page"),
        (media(page, "text/html; charset=utf-8"), "text/html"),
        (media("{\"error\": \"quota\"}", "application/problem+json"), "problem+json"),
        (Behaviour::Answers(200, b"quota exceeded\n".to_vec()), "more bad lines than good ones"),
        (Behaviour::Answers(200, Vec::new()), "had 1 entries and has none"),
        (Behaviour::Answers(200, b"# comments only\n".to_vec()), "`# empty`"),
        (Behaviour::Answers(200, "192.0.2.9\n".repeat(500).into_bytes()), "limit"),
        (Behaviour::CutsOff(b"192.0.2.9\n".to_vec()), "closed connection"),
        (Behaviour::Serves(packed), "gzip"),
    ]) {
        house.idp.behave(behaviour);
        assert!(house.look(later(began, times)), "{why}");
        let error = house.error();
        assert!(error.contains(why), "{why}: {error}");
        assert!(why.is_empty() || error.contains(&house.idp.url()), "{error}");
        assert_eq!(house.lists("192.0.2.1"), Value::Bool(true), "{why}");
        assert_eq!(house.lists("192.0.2.9"), Value::Bool(false), "{why}");
        assert_eq!(house.kept_content(), content, "{why}");
        assert_eq!(house.kept().len(), 2, "nothing is left lying about: {:?}", house.kept());
    }
    // 304 was no failure; the age is since then.
    assert_eq!(house.state().as_of, Some(later(began, 4)));
    house.idp.behave(Behaviour::Answers(200, b"# empty\n".to_vec()));
    assert!(house.look(later(began, 100)));
    assert_eq!((house.error(), house.state().entries), (String::new(), 0));
    assert_eq!(house.lists("192.0.2.1"), Value::Bool(false));
}

/// Among strings every line is an entry, so what is no list has to be known by more.
#[test]
fn a_page_is_no_list_of_strings() {
    let mut house = house(Behaviour::Answers(200, b"\n<HTML>\n<body>down</body>\n".to_vec()));
    house.kind = ListKind::Text;
    house.restart();
    assert!(house.look(Timestamp::now()));
    assert!(house.error().contains("it is a page"), "{}", house.error());
    assert_eq!(house.lists("<body>down</body>"), Value::Missing);
}

#[test]
fn a_server_that_hangs_is_given_up_and_holds_up_nothing() {
    let mut house = house(tagged("192.0.2.1\n", "\"1\""));
    house.bounds.begin = Duration::from_millis(300);
    house.bounds.connect = Duration::from_millis(300);
    house.bounds.whole = Duration::from_millis(600);
    let began = Timestamp::now();
    assert!(house.look(began));
    let hanging =
        [Behaviour::Hangs, Behaviour::HangsBeforeTls, Behaviour::Stalls(b"192.0.2.9\n".to_vec())];
    for (times, behaviour) in (1..).zip(hanging) {
        house.idp.behave(behaviour.clone());
        let mut keeper = Keeper::new(house.deciding(), Some(house.keep()), house.bounds);
        let before = house.idp.connections();
        let asked = Instant::now();
        keeper.look(later(began, times));
        keeper.look(later(began, times));
        assert!(asked.elapsed() < house.bounds.begin, "a look waits for no server");
        house.idp.wait_for_more_than(before);
        assert_eq!(house.lists("192.0.2.1"), Value::Bool(true));
        let deadline = Instant::now() + PATIENCE;
        while !keeper.under_way.lock().is_empty() {
            assert!(Instant::now() < deadline, "{behaviour:?} is still under way");
            std::thread::yield_now();
        }
        assert_eq!(house.idp.connections(), before + 1, "one at a time");
        assert!(house.error().contains("timeout"), "{behaviour:?}: {}", house.error());
        assert_eq!(house.lists("192.0.2.1"), Value::Bool(true));
        assert_eq!(house.lists("192.0.2.9"), Value::Bool(false));
    }
}

#[test]
fn a_restart_without_the_server_goes_on_with_the_last_good_list() {
    let mut house = house(tagged("192.0.2.1\n", "\"1\""));
    let began = Timestamp::now();
    assert!(house.look(began) && house.look(later(began, 1)));
    house.restart();
    house.idp.behave(Behaviour::Answers(503, Vec::new()));
    // Before anything is asked of the server.
    let soon = later(began, 1).plus(60.0);
    assert_eq!(house.feeds.reload(soon), 1);
    assert_eq!(house.lists("192.0.2.1"), Value::Bool(true));
    let state = house.state();
    assert_eq!((state.entries, state.error), (1, None));
    // As old as it is, to the half-life too.
    assert_eq!((state.loaded_at, state.as_of), (Some(later(began, 1)), Some(later(began, 1))));
    assert_eq!(house.feeds.load().freshness(0, later(began, 3)), 0.25);
    assert!(!house.look(soon), "it is not due");
    assert!(house.look(later(began, 3)));
    assert!(house.error().contains("503"));
    assert_eq!(house.lists("192.0.2.1"), Value::Bool(true));
    // The version is known still.
    house.idp.behave(tagged("192.0.2.1\n", "\"1\""));
    assert!(house.look(later(began, 4)));
    assert_eq!(house.asked_with("if-none-match").as_deref(), Some("\"1\""));
    assert_eq!(house.state().as_of, Some(later(began, 4)));
}

#[test]
fn a_kept_copy_that_was_changed_is_not_used() {
    let mut house = house(tagged("192.0.2.1\n", "\"1\""));
    let began = Timestamp::now();
    assert!(house.look(began));
    let (content, note) = (house.kept_content(), house.folder.path().join("data/lists/bad.json"));
    let good = (fs::read(&content).unwrap(), fs::read_to_string(&note).unwrap());
    let timeless = good.1.replace("confirmed_at\": \"", "confirmed_at\": \"soon");
    for (body, told, why) in [
        ("192.0.2.2\n", &*good.1, "is not what was fetched"),
        ("192.0.2.1", &*good.1, "is not what was fetched"),
        ("", &*good.1, "is not what was fetched"),
        ("192.0.2.1\n", "", "EOF"),
        ("192.0.2.1\n", "{\"url\": 1}", "expected"),
        ("192.0.2.1\n", &*timeless, "`confirmed_at` is no time"),
        ("192.0.2.1\n", &*good.1.replace("sha256\": \"", "sha256\": \"../../x"), "damaged"),
    ] {
        fs::write(&content, body).unwrap();
        fs::write(&note, told).unwrap();
        house.restart();
        assert_eq!(house.feeds.reload(began), 0, "{why}");
        assert!(house.error().contains(why), "{why}: {}", house.error());
        assert!(house.error().contains("kept copy"), "{}", house.error());
        assert_eq!(house.lists("192.0.2.1"), Value::Missing, "{why}");
        assert_eq!(house.lists("192.0.2.2"), Value::Missing, "{why}");
    }
    fs::remove_file(&content).unwrap();
    fs::write(&note, &good.1).unwrap();
    house.restart();
    assert_eq!(house.feeds.reload(began), 0);
    // It is fetched at once, whole.
    assert!(house.look(began));
    assert_eq!(house.asked_with("if-none-match"), None);
    assert_eq!((house.error(), house.lists("192.0.2.1")), (String::new(), Value::Bool(true)));
    assert_eq!(fs::read(house.kept_content()).unwrap(), good.0);
    // One of the future is of now.
    let ahead = good.1.replace("confirmed_at\": \"2", "confirmed_at\": \"9");
    fs::write(&note, ahead).unwrap();
    house.restart();
    assert_eq!(house.feeds.reload(began), 1);
    assert_eq!(house.state().as_of, Some(began));
}

#[test]
fn a_kept_copy_of_another_url_is_not_taken_for_this_one() {
    let mut house = house(tagged("192.0.2.1\n", "\"1\""));
    assert!(house.look(Timestamp::now()));
    let (other, _) = Idp::vouched_for(Behaviour::Answers(503, Vec::new()));
    house.idp = other;
    house.restart();
    assert_eq!(house.feeds.reload(Timestamp::now()), 0);
    assert_eq!((house.error(), house.lists("192.0.2.1")), (String::new(), Value::Missing));
}

#[test]
fn a_token_is_read_anew_for_each_fetch_and_not_told() {
    let secret = |token: &str, body: &str| {
        Behaviour::Serves(Served { token: Some(token.to_owned()), ..serves(body) })
    };
    let mut house = house(secret("first-secret", "192.0.2.1\n"));
    let path = house.folder.path().join("token");
    house.token_file = Some(path.clone());
    house.restart();
    let began = Timestamp::now();
    assert!(house.look(began));
    assert!(house.error().contains("token` can't be read"), "{}", house.error());
    assert_eq!(house.idp.connections(), 0, "it is not asked without");

    fs::write(&path, "first-secret\n").unwrap();
    assert!(house.look(later(began, 1)));
    assert_eq!(house.error(), "");
    house.idp.behave(secret("second-secret", "192.0.2.2\n"));
    assert!(house.look(later(began, 2)));
    let error = house.error();
    assert!(error.contains("401") && !error.contains("secret"), "{error}");
    assert_eq!(house.lists("192.0.2.1"), Value::Bool(true));
    fs::write(&path, "second-secret").unwrap();
    assert!(house.look(later(began, 3)));
    assert_eq!((house.error(), house.lists("192.0.2.2")), (String::new(), Value::Bool(true)));

    // Files that are no tokens are not sent, whoever has named them.
    let asked = house.idp.connections();
    let long = "x".repeat(9000);
    for (times, text) in (4..).zip(["", "two words", "secret-1\nsecret-2\n", "sécret", &*long]) {
        fs::write(&path, text).unwrap();
        assert!(house.look(later(began, times)));
        let error = house.error();
        assert!(error.contains("token`") && !error.contains("secret-"), "{error}");
    }
    assert_eq!(house.idp.connections(), asked);
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_believed() {
    let house = house(tagged("192.0.2.1\n", "\"1\""));
    let path = house.folder.path().join("ca.pem");
    let good = fs::read(&path).unwrap();
    let (_, other) = Idp::vouched_for(Behaviour::Hangs);
    let began = Timestamp::now();
    fs::write(&path, other).unwrap();
    assert!(house.look(began));
    assert!(house.error().contains("certificate"), "{}", house.error());
    assert_eq!(house.lists("192.0.2.1"), Value::Missing);
    // The CA's file is read anew each time.
    fs::write(&path, good).unwrap();
    assert!(house.look(later(began, 1)));
    assert_eq!((house.error(), house.lists("192.0.2.1")), (String::new(), Value::Bool(true)));
}

#[test]
fn without_a_folder_nothing_is_written_and_a_full_disk_keeps_no_list_away() {
    let house = house(tagged("192.0.2.1\n", "\"1\""));
    let now = Timestamp::now();
    let due = house.feeds.due(now).remove(0);
    super::fetching::fetch(&due, None, BOUNDS, &house.deciding(), now);
    assert_eq!(house.lists("192.0.2.1"), Value::Bool(true));
    assert!(!house.folder.path().join("data").exists());
    // A file in the folder's place.
    fs::write(house.folder.path().join("data"), "").unwrap();
    house.idp.behave(tagged("192.0.2.2\n", "\"2\""));
    assert!(house.look(later(now, 1)));
    assert_eq!((house.error(), house.lists("192.0.2.2")), (String::new(), Value::Bool(true)));
}

#[test]
fn a_new_catalog_goes_on_with_what_was_fetched() {
    let mut house = house(tagged("192.0.2.1\n", "\"1\""));
    let began = Timestamp::now();
    let early = house.feeds.due(began).remove(0);
    assert!(house.look(began));
    let published = Feeds::new(vec![house.spec(None)], Some(&house.feeds));
    assert_eq!(published.load().listed(0, Value::Text("192.0.2.1")), Value::Bool(true));
    assert_eq!(published.states()[0].as_of, Some(began));
    // Nobody asks any more for what arrives: another URL, or no such list.
    house.feeds = Arc::new(Feeds::new(Vec::new(), Some(&published)));
    assert!(!house.feeds.failed(&early, "late".to_owned(), began));
}

#[test]
fn failures_are_tried_again_ever_later_and_never_all_at_once() {
    let due = |failures| Due {
        name: "bad".into(),
        kind: ListKind::Cidr,
        from: Arc::new(ListUrl { url: "".into(), every: EVERY, ca: None, token_file: None }),
        version: None,
        entries: 0,
        failures,
    };
    let after = |failures, failed, chance| {
        next(&due(failures), Timestamp::EPOCH, failed, chance).millis() / 1000
    };
    for (failures, longest) in [(0, 10), (1, 20), (4, 160), (8, 2560), (9, 3600), (u32::MAX, 3600)]
    {
        assert_eq!(after(failures, true, 0.0), longest);
        assert_eq!(after(failures, true, 1.0), longest / 2);
    }
    assert_eq!((after(0, false, 0.0), after(0, false, 1.0)), (3600, 3240));
}
