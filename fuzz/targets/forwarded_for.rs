//! Any bytes as `x-forwarded-for`: who stands left of the trusted hops may write what it
//! likes, and changes nothing.

use std::net::IpAddr;

use bumpalo::Bump;
use plimsoll::api::ext_authz::Header;
use plimsoll::api::identity::{Evidence, Identity, Malformed};
use plimsoll::config::{IdentityConfig, IdentitySource};
use plimsoll::model::Vocabulary;

const MOST: usize = 4;

thread_local! {
    /// One that trusts a hop, one that trusts two, and so on.
    static IDENTITIES: Vec<Identity> = (1..=MOST)
        .map(|trusted_hops| {
            let sources = vec![IdentitySource::ForwardedFor { trusted_hops }];
            let config = IdentityConfig([("address".to_owned(), sources)].into());
            Identity::new(&config, &Vocabulary::new()).unwrap()
        })
        .collect();
}

/// The first byte says how many hops are trusted.
pub fn run(bytes: &[u8]) {
    let Some((first, value)) = bytes.split_first() else { return };
    let trusted = 1 + usize::from(*first) % MOST;
    let found = of(trusted, value);
    if let Ok(Some(found)) = found {
        let hop = value.rsplit(|byte| *byte == b',').nth(trusted - 1);
        let hop = std::str::from_utf8(hop.expect("no more hops than there are")).unwrap();
        assert_eq!(Some(found), address(hop.trim()), "{hop:?} of {value:?}");
    }
    // What a client puts in front, where the hops are all there.
    if found.is_ok() {
        for lie in [&b"10.6.6.6, "[..], b",", b"unknown,", b"10.6.6.6:1, [::1],"] {
            assert_eq!(of(trusted, &[lie, value].concat()), found, "{lie:?} before {value:?}");
        }
    }
}

/// The address that so many trusted hops lead to.
pub fn of(trusted: usize, value: &[u8]) -> Result<Option<IpAddr>, Malformed> {
    let arena = Bump::new();
    let headers = [Header { name: "x-forwarded-for", value, repeated: false }];
    let evidence = Evidence { headers: &headers, ..Evidence::default() };
    IDENTITIES.with(|all| Ok(all[trusted - 1].of(&evidence, &arena)?.address))
}

fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse().ok().map(|socket: std::net::SocketAddr| socket.ip()))
        .or_else(bare)
        .map(|ip| ip.to_canonical())
}
