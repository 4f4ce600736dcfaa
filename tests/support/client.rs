//! HTTP/1.1 as bytes: a client that repairs nothing, as attackers' clients do.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

/// A request, byte for byte.
#[derive(Clone)]
pub struct Request {
    method: &'static str,
    target: Vec<u8>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
}

impl Request {
    pub fn get(target: impl AsRef<[u8]>) -> Self {
        let target = target.as_ref().to_vec();
        Request { method: "GET", target, headers: Vec::new(), body: Vec::new() }
    }

    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        let length = body.into();
        Request { method: "POST", body: length, ..Request::get(target) }
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.as_bytes().to_vec(), value.as_ref().to_vec()));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.method.as_bytes().to_vec();
        bytes.push(b' ');
        bytes.extend(&self.target);
        bytes.extend(b" HTTP/1.1\r\nhost: app.test\r\n");
        for (name, value) in &self.headers {
            bytes.extend(name);
            bytes.extend(b": ");
            bytes.extend(value);
            bytes.extend(b"\r\n");
        }
        bytes.extend(format!("content-length: {}\r\n\r\n", self.body.len()).bytes());
        bytes.extend(&self.body);
        bytes
    }
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    /// The one header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} came twice");
        value
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// A header as the upstream has seen it, all of that name joined.
    pub fn upstream_saw(&self, name: &str) -> Option<String> {
        assert_eq!(self.status, 200, "{self:?}");
        let echo = self.json();
        let headers = echo["headers"].as_array().unwrap();
        let values: Vec<&str> = headers
            .iter()
            .filter(|header| header[0] == name)
            .map(|header| header[1].as_str().unwrap())
            .collect();
        (!values.is_empty()).then(|| values.join(","))
    }
}

/// A connection that is kept.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection(BufReader::new(stream))
    }

    /// Bytes in front of all requests.
    pub fn say(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    pub fn send(&mut self, request: &Request) -> Response {
        self.0.get_mut().write_all(&request.bytes()).unwrap();
        self.receive()
    }

    fn receive(&mut self) -> Response {
        let status_line = self.line();
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {status_line:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| &**v);
        let body = match (header("content-length"), header("transfer-encoding")) {
            (Some(length), _) => self.take(length.parse().unwrap()),
            (None, Some("chunked")) => self.chunks(),
            (None, _) => Vec::new(),
        };
        Response { status, headers, body: String::from_utf8(body).unwrap() }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let length = usize::from_str_radix(&self.line(), 16).unwrap();
            bytes.extend(self.take(length));
            assert_eq!(self.line(), "", "after a chunk");
            if length == 0 {
                return bytes;
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.0.read_until(b'\n', &mut line).unwrap();
        let line = line.strip_suffix(b"\r\n").unwrap_or_else(|| {
            panic!("the connection broke off after {:?}", String::from_utf8_lossy(&line))
        });
        String::from_utf8_lossy(line).into_owned()
    }
}

/// Sends on a connection of its own.
pub fn send(address: SocketAddr, request: &Request) -> Response {
    Connection::to(address).send(request)
}
