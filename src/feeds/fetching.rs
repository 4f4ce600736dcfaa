//! One fetch of one list.

use std::io::{self, BufReader, Read, Write as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{Deciding, next};
use crate::fetch::{self, Answer, Ask, Bounds, Content};
use crate::model::{ListUrl, Timestamp};
use crate::signals::{BadLines, Due, Fresh, Keep, List, Media, Version, Writing};

/// What is read of an answer at a time (bytes).
const PIECE: usize = 64 * 1024;

/// A token is not longer (bytes).
const MAX_TOKEN: u64 = 8 * 1024;

/// What came of it.
enum Outcome {
    Unchanged(Version),
    New(List, BadLines, Version),
}

/// Fetches a list, and gives it to the feeds that decide by then.
pub(super) fn fetch(
    due: &Due,
    keep: Option<&Keep>,
    bounds: Bounds,
    deciding: &Deciding,
    now: Timestamp,
) {
    let outcome = ask(due, keep, bounds, now);
    let Some(feeds) = deciding() else { return };
    // Counted from now: what took long to fail is not asked again at once.
    let next = next(due, Timestamp::now().max(now), outcome.is_err(), fastrand::f64());
    match outcome {
        Ok(Outcome::Unchanged(version)) => {
            feeds.confirmed(due, now, next);
            if let Some(keep) = keep
                && let Err(error) = keep.confirm(&due.name, &due.from.url, &version, now)
            {
                tracing::warn!(list = %due.name, %error, "that a list is up to date can't be kept: after a restart it will be older");
            }
        }
        Ok(Outcome::New(list, bad_lines, version)) => {
            let entries = list.len();
            if feeds.arrived(due, (list, bad_lines), version, now, next) {
                tracing::info!(list = %due.name, entries, "a list was fetched and is in use");
            }
        }
        Err(why) => {
            feeds.failed(due, format!("`{}`: {why}", shown(&due.from.url)), next);
        }
    }
}

fn ask(due: &Due, keep: Option<&Keep>, bounds: Bounds, now: Timestamp) -> Result<Outcome, String> {
    let ListUrl { url, ca, token_file, .. } = &*due.from;
    let token = token_file.as_deref().map(token).transpose()?;
    let version = due.version.as_ref();
    let answer = fetch::ask(&Ask {
        url,
        ca: ca.as_deref(),
        accept: "text/plain, */*;q=0.5",
        bearer: token.as_deref(),
        etag: version.and_then(|version| version.etag.as_deref()),
        modified: version.and_then(|version| version.modified.as_deref()),
        bounds,
    })?;
    match (answer, version) {
        (Answer::Unchanged, Some(version)) => Ok(Outcome::Unchanged(version.clone())),
        (Answer::Unchanged, None) => Err("it answers 304 to what was not conditional".to_owned()),
        (Answer::Content(content), _) => take(content, due, keep, now),
    }
}

/// Reads what was sent; what can be used is kept.
fn take(
    content: Content,
    due: &Due,
    keep: Option<&Keep>,
    now: Timestamp,
) -> Result<Outcome, String> {
    Media(content.media_type.as_deref()).check()?;
    let writing = keep.and_then(|keep| match keep.begin(&due.name) {
        Ok(writing) => Some(writing),
        Err(error) => {
            not_kept(due, &error);
            None
        }
    });
    let mut body = Copying { body: content.body, hash: Sha256::new(), writing, failed: None };
    let fresh = Fresh::read(due.kind, BufReader::with_capacity(PIECE, &mut body), content.length);
    let Copying { hash, writing, failed, .. } = body;
    if let Some(error) = &failed {
        not_kept(due, error);
    }
    let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let version = Version { etag: content.etag, modified: content.modified, sha256 };
    let usable = fresh.and_then(|fresh| fresh.usable(due.entries));
    let (list, bad_lines) = match usable {
        Ok(usable) => usable,
        Err(why) => {
            if let Some(writing) = writing {
                writing.abandon();
            }
            return Err(why);
        }
    };
    if let Some(writing) = writing
        && let Err(error) = writing.commit(&due.from.url, &version, now)
    {
        not_kept(due, &error);
    }
    // From a server that tells versions badly, or not at all.
    if due.version.as_ref() == Some(&version) {
        return Ok(Outcome::Unchanged(version));
    }
    Ok(Outcome::New(list, bad_lines, version))
}

fn not_kept(due: &Due, error: &io::Error) {
    tracing::warn!(list = %due.name, %error, "a list can't be kept: a restart will have the one before, or none until it is fetched");
}

/// What is shown to the server. Read anew for each fetch, so that it may change.
fn token(path: &Path) -> Result<String, String> {
    let text = fetch::read_file(path, MAX_TOKEN)?;
    let token = text.trim_ascii();
    if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
        return Err(format!(
            "`{}` must have one line, the token, of visible ASCII without spaces",
            path.display()
        ));
    }
    Ok(String::from_utf8_lossy(token).into_owned())
}

/// A URL without its query, in which some services want a key.
fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// Hashes and copies what is read through it. A disk that fails ends the copy, not the
/// reading.
struct Copying<'k> {
    body: Box<dyn Read + Send>,
    hash: Sha256,
    writing: Option<Writing<'k>>,
    failed: Option<io::Error>,
}

impl Read for Copying<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(into)?;
        let bytes = into.get(..count).unwrap_or_default();
        self.hash.update(bytes);
        if let Some(writing) = &mut self.writing
            && let Err(why) = writing.write_all(bytes)
        {
            self.failed = Some(why);
            if let Some(writing) = self.writing.take() {
                writing.abandon();
            }
        }
        Ok(count)
    }
}
