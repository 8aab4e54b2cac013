//! A client that costs next to nothing: one connection, no parsing beyond what tells where an answer ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    /// Lines of each request's head.
    head: String,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the hub listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream: BufReader::with_capacity(1 << 16, stream), head: String::new() }
    }

    /// As a person who logs in.
    pub(crate) fn log_in(address: SocketAddr, username: &str, password: &str) -> Self {
        let mut client = Self::connect(address);
        let body = format!(r#"{{"username":"{username}","password":"{password}"}}"#);
        let mut token = String::new();
        let answer = client.exchange("POST", "/api/auth/login", body.as_bytes(), |name, value| {
            if name == "x-jwt-token" {
                value.clone_into(&mut token);
            }
        });
        assert_eq!(answer.0, 200);
        client.head = format!("authorization: {token}\r\n");
        client
    }

    /// The status, and how many bytes the answer has.
    pub(crate) fn ask(&mut self, method: &str, resource: &str, body: &[u8]) -> (u16, usize) {
        self.exchange(method, resource, body, |_, _| {})
    }

    fn exchange(
        &mut self,
        method: &str,
        resource: &str,
        body: &[u8],
        mut header: impl FnMut(&str, &str),
    ) -> (u16, usize) {
        let head = format!(
            "{method} {resource} HTTP/1.1\r\nhost: hub\r\n{}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.head,
            body.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request).expect("the hub reads");
        let status = self.line()[9..12].parse().expect("a status");
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line();
            let Some((name, value)) = line.split_once(':') else { break };
            let (name, value) = (name.to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "content-length" => length = value.parse().expect("a length"),
                "transfer-encoding" => chunked = true,
                _ => header(&name, value),
            }
        }
        if !chunked {
            self.skip(length);
            return (status, length);
        }
        loop {
            let piece = usize::from_str_radix(&self.line(), 16).expect("a length");
            length += piece;
            self.skip(piece);
            self.line();
            if piece == 0 {
                return (status, length);
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("the hub answers");
        line.truncate(line.trim_end().len());
        line
    }

    fn skip(&mut self, length: usize) {
        let skipped = std::io::copy(&mut (&mut self.stream).take(length as u64), &mut std::io::sink());
        assert_eq!(skipped.expect("the hub answers"), length as u64);
    }
}
