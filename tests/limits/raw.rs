//! HTTP/2 and HTTP/1.1 as bytes: clients that do what none should.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use crate::support::PATIENCE;

pub const HEADERS: u8 = 1;
pub const DATA: u8 = 0;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// No frame is longer unless a server allows it (bytes).
const MAX_FRAME: usize = 16_384;

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A connection that has said that it speaks HTTP/2, and nothing else.
pub fn open(address: SocketAddr) -> TcpStream {
    let mut stream = connect(address);
    let hello = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat();
    stream.write_all(&hello).unwrap();
    stream
}

/// As `open`, and takes what the server allows: a client may send ahead as much as that.
pub fn open_wide(address: SocketAddr) -> TcpStream {
    let mut stream = open(address);
    let whole_connection = frame(WINDOW_UPDATE, 0, 0, &[0; 4]);
    read_until(&mut stream, |all| contains(all, &whole_connection[..9]));
    stream.write_all(&frame(SETTINGS, ACK, 0, &[])).unwrap();
    stream
}

/// The head of a gRPC call.
pub fn call(stream: u32, path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "test"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        // A literal that isn't indexed (RFC 7541, section 6.2.2), without Huffman codes.
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.bytes());
        }
    }
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// The body of a call, or a piece of it, that is not its end.
pub fn data(stream: u32, bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(MAX_FRAME).flat_map(|piece| frame(DATA, 0, stream, piece)).collect()
}

fn read(stream: &mut TcpStream, is: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let (mut all, mut some) = (Vec::new(), [0; 4096]);
    while !is(&all) {
        match stream.read(&mut some) {
            Ok(0) => break,
            Ok(read) => all.extend(&some[..read]),
            Err(why) if why.kind() == ErrorKind::ConnectionReset => break,
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(why) => panic!("{why} after {:?}", String::from_utf8_lossy(&all)),
        }
    }
    all
}

/// Reads to the end, which must come.
pub fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    read(stream, |_| false)
}

/// Reads until what was read `is` enough, which it must come to be.
pub fn read_until(stream: &mut TcpStream, is: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let all = read(stream, &is);
    assert!(is(&all), "it ended after {:?}", String::from_utf8_lossy(&all));
    all
}

/// Whether the server has closed it, once all that came before is read. The stream must not block.
pub fn has_ended(mut stream: &TcpStream) -> bool {
    let mut some = [0; 1024];
    loop {
        match stream.read(&mut some) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(why) => return why.kind() != ErrorKind::WouldBlock,
        }
    }
}

/// The frames in `all`: the kind and the stream of each.
pub fn frames(mut all: &[u8]) -> Vec<(u8, u32)> {
    let mut frames = Vec::new();
    while let [a, b, c, kind, _flags, stream @ ..] = all {
        let Some(stream) = stream.first_chunk::<4>() else { break };
        frames.push((*kind, u32::from_be_bytes(*stream)));
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        all = all.get(9 + length..).unwrap_or_default();
    }
    frames
}

pub fn contains(all: &[u8], piece: &[u8]) -> bool {
    all.windows(piece.len()).any(|window| window == piece)
}
