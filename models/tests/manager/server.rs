//! A hub on the loopback interface: just enough HTTP/1.1, and all the ways to misbehave.

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What a request asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    pub range: Option<String>,
    pub authorization: Option<String>,
}

/// What to answer to the next request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// All of these bytes, or the range asked for.
    Serve(Vec<u8>),
    /// As `Serve`, but a range is not understood.
    ServeAll(Vec<u8>),
    /// As `Serve`, but the connection breaks after this many bytes of the body.
    BreakAfter(Vec<u8>, usize),
    /// As `Serve`, but with a wrong statement about where the range begins.
    LieAboutRange(Vec<u8>),
    /// As `Serve`, after a pause.
    ServeLate(Vec<u8>, Duration),
    /// Look there.
    Redirect(String),
    /// A status without content.
    Status(u16),
    /// Keep the connection open and say nothing.
    Silence,
}

/// The server; its thread ends with the process.
pub struct Server {
    address: SocketAddr,
    is_tls: bool,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// A connection, with or without TLS.
trait Connection: Read + Write + Send {}

impl<T: Read + Write + Send> Connection for T {}

impl Server {
    /// One that gives `answers` in turn, and the last one from then on.
    pub fn start(answers: Vec<Answer>) -> Self {
        Server::start_with(answers, None)
    }

    /// The same with TLS.
    pub fn start_with(answers: Vec<Answer>, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_tls = tls.is_some();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming() {
                let mut stream = connection(stream.unwrap(), tls.as_ref());
                let request = read(&mut stream);
                if request.path.is_empty() {
                    // The client did not like the certificate.
                    continue;
                }
                let mut seen = seen.lock().unwrap();
                let answer = answers[seen.len().min(answers.len() - 1)].clone();
                seen.push(request.clone());
                drop(seen);
                if let Answer::Silence = answer {
                    silent.push(stream);
                    continue;
                }
                // A client that has enough closes the connection: no fault of the server.
                let _ = write(&mut stream, &request, answer);
            }
        });
        Server { address, is_tls, requests }
    }

    pub fn endpoint(&self) -> String {
        if self.is_tls {
            format!("https://localhost:{}", self.address.port())
        } else {
            format!("http://{}", self.address)
        }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn connection(stream: TcpStream, tls: Option<&Arc<ServerConfig>>) -> Box<dyn Connection> {
    match tls {
        None => Box::new(stream),
        Some(tls) => Box::new(StreamOwned::new(ServerConnection::new(Arc::clone(tls)).unwrap(), stream)),
    }
}

fn read(stream: &mut dyn Connection) -> Request {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_string();
    let mut request = Request { path, range: None, authorization: None };
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = Some(value.to_string()),
            "authorization" => request.authorization = Some(value.to_string()),
            _ => {}
        }
    }
    request
}

fn write(stream: &mut dyn Connection, request: &Request, answer: Answer) -> std::io::Result<()> {
    let start = |request: &Request| {
        let range = request.range.as_deref()?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse::<usize>().ok()
    };
    let (content, from, said, until) = match answer {
        Answer::Redirect(location) => {
            return write!(
                stream,
                "HTTP/1.1 302 Found\r\nlocation: {location}\r\nx-linked-etag: \"e\"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
        }
        Answer::Silence => return Ok(()),
        Answer::Status(status) => {
            return write!(stream, "HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
        Answer::ServeAll(content) => (content, None, 0, usize::MAX),
        Answer::Serve(content) => (content, start(request), 0, usize::MAX),
        Answer::BreakAfter(content, bytes) => (content, start(request), 0, bytes),
        Answer::LieAboutRange(content) => (content, start(request), 1, usize::MAX),
        Answer::ServeLate(content, pause) => {
            thread::sleep(pause);
            (content, start(request), 0, usize::MAX)
        }
    };
    let body = &content[from.unwrap_or(0)..];
    match from {
        Some(from) => {
            let (from, last, all) = (from + said, content.len() - 1, content.len());
            write!(stream, "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {from}-{last}/{all}\r\n")?;
        }
        None => write!(stream, "HTTP/1.1 200 OK\r\n")?,
    }
    write!(stream, "etag: \"e\"\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body[..body.len().min(until)])?;
    stream.flush()
}
