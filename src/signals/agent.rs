//! What a user agent says of itself: a browser, an operating system, a kind of device.
//!
//! This is read on a decision's way, from texts that anybody may write: once through a text
//! that is cut, without regular expressions and without allocation. It need not be right,
//! only the same for the same client: what is told apart here is compared with
//! what the same entity came with before.

/// Of longer ones the beginning counts (bytes).
pub(super) const MAX_AGENT: usize = 512;
/// Of an unknown client's name, so much counts (bytes).
const MAX_NAME: usize = 32;

/// What a user agent says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agent<'a> {
    pub(super) browser: &'a str,
    /// The version before its first dot; 0 where there is none.
    pub(super) major: u32,
    pub(super) os: Os,
    pub(super) device: Device,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Os {
    Unknown,
    Windows,
    Android,
    Ios,
    Chromebook,
    Mac,
    Linux,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
    Other,
    Desktop,
    Phone,
    Tablet,
    Bot,
}

/// Browsers say that they are others as well: the one that says the most counts.
fn browser(name: &str) -> Option<(u8, &'static str)> {
    Some(match name {
        "Edg" | "EdgA" | "EdgiOS" | "Edge" => (3, "Edge"),
        "OPR" | "OPT" | "Opera" => (3, "Opera"),
        "SamsungBrowser" => (3, "Samsung"),
        "Vivaldi" => (3, "Vivaldi"),
        "YaBrowser" => (3, "Yandex"),
        "UCBrowser" => (3, "UC"),
        "DuckDuckGo" | "Ddg" => (3, "DuckDuckGo"),
        "GSA" => (3, "Google app"),
        "FxiOS" | "Firefox" => (3, "Firefox"),
        "CriOS" | "Chrome" => (2, "Chrome"),
        "HeadlessChrome" => (2, "HeadlessChrome"),
        "MSIE" | "Trident" => (2, "Internet Explorer"),
        "Version" => (1, "Safari"),
        _ => return None,
    })
}

/// An Android says that it is a Linux, and an iPhone that it is like a Mac.
fn system(word: &str) -> Option<(u8, Os)> {
    Some(match word {
        "Windows" => (4, Os::Windows),
        "Android" => (4, Os::Android),
        "iPhone" | "iPad" | "iPod" => (4, Os::Ios),
        "CrOS" => (3, Os::Chromebook),
        "Mac" | "Macintosh" => (2, Os::Mac),
        "Linux" | "X11" => (1, Os::Linux),
        _ => return None,
    })
}

/// `Googlebot`, `bingbot`, `Baiduspider`
fn is_bot(name: &str) -> bool {
    ["bot", "spider", "crawler", "HeadlessChrome"].iter().any(|sign| {
        let end = name.len().checked_sub(sign.len()).and_then(|from| name.get(from..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(sign))
    })
}

impl<'a> Agent<'a> {
    /// Reads a text of which [`cut`] has left at most [`MAX_AGENT`] bytes, once through.
    pub(super) fn parse(text: &'a str) -> Self {
        let (mut client, mut os) = ((0, "", ""), (0, Os::Unknown));
        let (mut is_mobile, mut is_tablet, mut is_automatic) = (false, false, false);
        let mut version_is_next = false;
        for word in text.split([' ', ';', '(', ')']).filter(|word| !word.is_empty()) {
            let (name, version) = word.split_once('/').unwrap_or((word, ""));
            if std::mem::take(&mut version_is_next) {
                client.2 = word;
            }
            if client.1.is_empty() {
                // `curl/8.5.0`, `okhttp/4.9.3`
                client = (0, beginning(name, MAX_NAME), version);
            }
            if let Some((rank, browser)) = browser(name)
                && rank > client.0
            {
                client = (rank, browser, version);
                // `MSIE 9.0`
                version_is_next = name == "MSIE";
            }
            if let Some((rank, system)) = system(word)
                && rank > os.0
            {
                os = (rank, system);
            }
            is_mobile |= name.starts_with("Mobi");
            is_tablet |= matches!(word, "iPad" | "Tablet");
            is_automatic |= is_bot(name);
        }
        let device = match os.1 {
            _ if is_automatic => Device::Bot,
            _ if is_tablet => Device::Tablet,
            Os::Ios => Device::Phone,
            _ if is_mobile => Device::Phone,
            Os::Android => Device::Tablet,
            Os::Unknown => Device::Other,
            Os::Windows | Os::Chromebook | Os::Mac | Os::Linux => Device::Desktop,
        };
        Agent { browser: client.1, major: major(client.2), os: os.1, device }
    }
}

/// At most [`MAX_AGENT`] bytes of a text, to the end of a character.
pub(super) fn cut(text: &str) -> &str {
    beginning(text, MAX_AGENT)
}

fn beginning(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

fn major(version: &str) -> u32 {
    let digits = version.bytes().take_while(u8::is_ascii_digit).take(6);
    digits.fold(0, |major, digit| major * 10 + u32::from(digit - b'0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn well_known_user_agents_are_told_apart() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
            Chrome/126.0.0.0 Safari/537.36";
        let edge = format!("{chrome} Edg/127.0.2651.74");
        let opera = format!("{chrome} OPR/112.0.0.0");
        for (text, browser, major, os, device) in [
            (chrome, "Chrome", 126, Os::Windows, Device::Desktop),
            (edge.as_str(), "Edge", 127, Os::Windows, Device::Desktop),
            (opera.as_str(), "Opera", 112, Os::Windows, Device::Desktop),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "Firefox",
                128,
                Os::Linux,
                Device::Desktop,
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like \
                 Gecko) Version/17.5 Safari/605.1.15",
                "Safari",
                17,
                Os::Mac,
                Device::Desktop,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, \
                 like Gecko) CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
                "Chrome",
                126,
                Os::Ios,
                Device::Phone,
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                 SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
                "Samsung",
                25,
                Os::Android,
                Device::Phone,
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; SM-X906C) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/126.0.0.0 Safari/537.36",
                "Chrome",
                126,
                Os::Android,
                Device::Tablet,
            ),
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "Mozilla",
                5,
                Os::Unknown,
                Device::Bot,
            ),
            (
                "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)",
                "Internet Explorer",
                9,
                Os::Windows,
                Device::Desktop,
            ),
            ("curl/8.5.0", "curl", 8, Os::Unknown, Device::Other),
            ("", "", 0, Os::Unknown, Device::Other),
        ] {
            assert_eq!(Agent::parse(text), Agent { browser, major, os, device }, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_somebody_writes_is_read(text in "\\PC{0,700}", sign in "(|Edg/|MSIE |/|;;|Chrome/9{3})") {
            let text = format!("{sign}{text}");
            let text = cut(&text);
            prop_assert!(text.len() <= MAX_AGENT);
            let agent = Agent::parse(text);
            prop_assert!(agent.major < 1_000_000 && agent.browser.len() <= MAX_NAME);
        }
    }
}
