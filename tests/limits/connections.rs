//! Connections that do nothing.

use std::io::Write as _;
use std::net::TcpStream;

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;

use crate::house::{Asker, House, short, short_and, wait_for};
use crate::raw::{connect, has_ended, open, read_to_end};

/// As many files as the system gives this process, and no more than are wanted.
fn files(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let most = limit.current.map_or(usize::MAX, |most| usize::try_from(most).unwrap());
    setrlimit(Resource::Nofile, limit).unwrap();
    wanted.min(most - 256)
}

#[test]
fn ten_thousand_idle_connections() {
    let wanted = 10_000;
    let count = files(wanted);
    if count < wanted {
        println!("only {count} connections: the hard limit on open files gives no more");
    }
    let house = House::open(&json!({}));
    let (before, _) = house.memory();
    let asker = Asker::start(&house);
    let idle: Vec<TcpStream> = (0..count).map(|_| open(house.grpc)).collect();
    house
        .wait_for("all are open", |house| house.metric("plimsoll_open_connections") > count as u64);
    asker.goes_on();
    let (now, _) = house.memory();
    println!("an idle connection takes {} bytes", (now - before) / count as u64);
    house.assert_memory_below(&format!("{count} idle connections"), before, 320);
    assert_eq!(house.refused_connections("too_many"), 0);
    drop(idle);
    house.wait_for("all are gone", |house| house.metric("plimsoll_open_connections") < 5);
    asker.stop();
}

#[test]
fn one_connection_too_many_is_closed() {
    let house = House::open(&json!({"max_connections": 20}));
    let asker = Asker::start(&house);
    let idle: Vec<TcpStream> = (0..30).map(|_| open(house.grpc)).collect();
    for stream in &idle {
        stream.set_nonblocking(true).unwrap();
    }
    // Nineteen of twenty may be here, one of them who asks.
    wait_for("the last are closed", || {
        idle.iter().filter(|stream| has_ended(stream)).count() == 12
    });
    // Probes and metrics have a place of their own.
    assert_eq!(house.refused_connections("too_many"), 12);
    asker.goes_on();
    drop(idle);
    house.wait_for("their places are free", |house| house.metric("plimsoll_open_connections") < 5);
    Asker::start(&house).stop();
    asker.stop();
}

/// They connect and say nothing, or not enough.
#[test]
fn connections_that_never_begin() {
    let house = House::open(&short());
    let (before, _) = house.memory();
    let asker = Asker::start(&house);
    let mut silent = Vec::new();
    for said in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
        for address in [house.grpc, house.http] {
            for _ in 0..20 {
                let mut stream = connect(address);
                stream.write_all(said).unwrap();
                silent.push(stream);
            }
        }
    }
    for stream in &mut silent {
        read_to_end(stream);
    }
    assert_eq!(house.refused_connections("handshake_slow"), 120);
    asker.stop();
    house.assert_memory_below("120 connections that never begin", before, 96);
}

/// The peer's kernel is there, and acknowledges; nobody else is.
#[test]
fn half_open_connections() {
    let house = House::open(&short_and(&json!({"ping_seconds": 2.0})));
    let (before, _) = house.memory();
    let asker = Asker::start(&house);
    let mut gone: Vec<TcpStream> =
        [house.grpc, house.http].iter().flat_map(|at| (0..100).map(|_| open(*at))).collect();
    // Nothing answers the pings. An end comes though nobody writes.
    for stream in &mut gone {
        read_to_end(stream);
    }
    house.wait_for("their places are free", |house| house.metric("plimsoll_open_connections") < 5);
    // Who answers pings is kept, however often it was asked meanwhile.
    asker.stop();
    house.assert_memory_below("200 half-open connections", before, 96);
}
