use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Limits, Load, Shed};
use crate::api::transport::{Peer, Speaks};

fn load(limits: Limits) -> Arc<Load> {
    Arc::new(Load::new(limits, Arc::default()))
}

fn at(address: &str) -> Peer {
    Peer { address: Some(address.parse().unwrap()), names: Vec::new() }
}

#[test]
fn requests_and_bytes_have_a_bound_and_are_given_back() {
    let load = load(Limits { max_requests: 2, max_body_bytes: 100_000, ..Limits::default() });
    let (one, two) = (load.hold().unwrap(), load.hold().unwrap());
    assert_eq!(load.hold().err(), Some(Shed::Requests));
    assert_eq!(load.requests(), 2);
    // Operators see how things are.
    drop(load.hold_anyway());
    drop(two);
    one.set(100_000).unwrap();
    let two = load.hold().unwrap();
    two.set(8192).unwrap();
    assert_eq!(two.set(8193).err(), Some(Shed::Bytes));
    drop(two);
    one.set(5).unwrap();
    assert_eq!(load.body_bytes(), 5);
    drop(one);
    assert_eq!((load.requests(), load.body_bytes()), (0, 0));
    let refused = &load.metrics.refused;
    assert_eq!((refused.overloaded_requests.read(), refused.overloaded_bytes.read()), (1, 1));
}

#[test]
fn connections_have_a_bound_in_all_and_by_peer() {
    let limits = Limits { max_connections: 4, max_connections_per_peer: 1, ..Limits::default() };
    let load = load(limits);
    let grpc = |peer: &str| load.seat(Speaks::Grpc, &at(peer));
    let one = grpc("2001:db8::1").unwrap();
    // The same /64.
    assert!(grpc("2001:db8::ffff:1").is_none());
    let _other = grpc("2001:db8:0:1::1").unwrap();
    // This machine's own are only counted.
    let local = grpc("127.0.0.1").unwrap();
    assert!(load.seat(Speaks::Grpc, &Peer::default()).is_none(), "the last is for HTTP");
    let http = load.seat(Speaks::Http, &Peer::default()).unwrap();
    assert!(load.seat(Speaks::Http, &Peer::default()).is_none());
    drop((one, local, http));
    assert_eq!(load.connections(), 1);
    assert!(grpc("2001:db8::1").is_some(), "a place that is free again");
    let refused = &load.metrics.refused_connections;
    assert_eq!((refused.all.read(), refused.peer.read()), (2, 1));
}

#[tokio::test]
async fn the_handshake_that_has_taken_longest_makes_room() {
    let load = load(Limits { max_handshakes: 2, ..Limits::default() });
    let never = || std::future::pending::<io::Result<()>>();
    let begin = || load.begin_handshake(Speaks::Grpc);
    let probe = load.begin_handshake(Speaks::Http);
    let (first, second) = (begin(), begin());
    let first = tokio::spawn(first.finish(never()));
    let third = begin();
    assert_eq!(first.await.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    assert_eq!(second.finish(async { Ok(2) }).await.unwrap(), 2);
    assert_eq!(third.finish(async { Ok(3) }).await.unwrap(), 3);
    assert_eq!(probe.finish(async { Ok(4) }).await.unwrap(), 4, "the other listener's stay");
    assert_eq!(load.metrics.refused_connections.handshake_evicted.read(), 1);
}

#[tokio::test]
async fn a_handshake_has_a_deadline() {
    let load = load(Limits { handshake: Duration::from_millis(5), ..Limits::default() });
    let ended =
        load.begin_handshake(Speaks::Http).finish(std::future::pending::<io::Result<()>>()).await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(load.metrics.refused_connections.handshake_slow.read(), 1);
}

#[test]
fn short_memory_refuses_and_ample_memory_does_not() {
    // A process is larger than one byte and smaller than an exabyte.
    for (limit, refuses) in [(1, true), (1 << 60, false)] {
        let load = load(Limits { max_resident_bytes: Some(limit), ..Limits::default() });
        let (stop, stopped) = std::sync::mpsc::channel();
        drop(stop);
        load.watch_memory(&stopped);
        assert_eq!(load.memory_is_short.load(Relaxed), refuses);
        assert_eq!(load.hold().is_err(), refuses);
    }
}

#[test]
fn peers_elsewhere_are_pinged_and_all_where_configured() {
    let secs = Duration::from_secs;
    let ping = |ping, local| Limits { ping, ..Limits::default() }.ping(local);
    assert_eq!(ping(None, true), None);
    assert_eq!(ping(None, false), Some((secs(60), secs(20))));
    assert_eq!(ping(Some(secs(5)), true), Some((secs(5), secs(5))));
    assert_eq!(ping(Some(Duration::ZERO), false), None);
}

mod bodies {
    use bytes::Bytes;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::{BodyExt as _, StreamBody};
    use tokio_stream::StreamExt as _;

    use super::{Arc, Duration, Limits, load};
    use crate::api::load::{BodyError, Kind, LimitedBody};

    fn framed(message: &[u8]) -> Vec<u8> {
        [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
    }

    /// After each frame, how much is held.
    async fn held(frames: Vec<Vec<u8>>, kind: Kind) -> Vec<usize> {
        let load = load(Limits::default());
        let frames = frames.into_iter().map(|f| Ok::<_, std::io::Error>(Frame::data(f.into())));
        let body = StreamBody::new(stream::iter(frames));
        let mut body = LimitedBody::new(body, Arc::new(load.hold_anyway()), kind);
        let mut seen = Vec::new();
        while let Some(frame) = body.frame().await {
            frame.unwrap();
            seen.push(load.body_bytes());
        }
        drop(body);
        assert_eq!((load.body_bytes(), load.requests()), (0, 0));
        seen
    }

    #[tokio::test]
    async fn a_body_is_held_whole_and_a_stream_by_the_message() {
        let whole = held(vec![vec![0; 3], vec![0; 4]], Kind::Whole).await;
        assert_eq!(whole, [3, 7]);
        let two = [framed(b"hello"), framed(b"there")].concat();
        let messages = || Kind::Messages(Default::default());
        assert_eq!(held(vec![two.clone()], messages()).await, [0]);
        let bytes = two.iter().map(|byte| vec![*byte]).collect();
        let one = [1, 2, 3, 4, 5, 6, 7, 8, 9, 0];
        assert_eq!(held(bytes, messages()).await, [one, one].concat());
        // The end of one message and the beginning of the next.
        assert_eq!(
            held(vec![two[..4].into(), two[4..13].into(), two[13..].into()], messages()).await,
            [4, 3, 0]
        );
        assert_eq!(held(vec![framed(b"")], messages()).await, [0]);
    }

    #[tokio::test]
    async fn a_message_that_has_begun_has_a_deadline_and_silence_has_none() {
        let limits = Limits { request: Duration::from_millis(20), ..Limits::default() };
        let load = load(limits);
        let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
        let frames = tokio_stream::wrappers::ReceiverStream::new(receiver)
            .map(|data| Ok::<_, std::io::Error>(Frame::data(data)));
        let kind = Kind::Messages(Default::default());
        let mut body =
            LimitedBody::new(StreamBody::new(frames), Arc::new(load.hold_anyway()), kind);
        let longer = Duration::from_millis(60);
        assert!(tokio::time::timeout(longer, body.frame()).await.is_err());
        sender.send(framed(b"x").into()).await.unwrap();
        body.frame().await.unwrap().unwrap();
        assert!(tokio::time::timeout(longer, body.frame()).await.is_err());
        sender.send(Bytes::from_static(&[0, 0])).await.unwrap();
        body.frame().await.unwrap().unwrap();
        let began = std::time::Instant::now();
        let ended = body.frame().await.unwrap();
        assert!(matches!(ended, Err(BodyError::TooSlow)), "{ended:?}");
        assert!(began.elapsed() >= Duration::from_millis(20), "{:?}", began.elapsed());
    }
}
