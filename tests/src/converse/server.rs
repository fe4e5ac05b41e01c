//! A real socket that answers every request with the same bytes, and counts them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server on loopback; its thread ends with the process.
pub struct Server {
    pub endpoint: String,
    requests: Arc<AtomicUsize>,
}

/// What the server does once it has read a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Sends these bytes, and closes the connection.
    Bytes(Vec<u8>),
    /// Nothing, ever.
    Silence,
}

/// An HTTP response with a JSON body, as Bedrock sends them.
pub fn json_reply(status: u16, error_type: Option<&str>, body: &str) -> Reply {
    let error_type = error_type.map(|name| format!("x-amzn-errortype: {name}\r\n")).unwrap_or_default();
    let head = format!("HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\nconnection: close\r\n{error_type}");
    Reply::Bytes(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

impl Server {
    pub fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for mut stream in listener.incoming().flatten() {
                if !read_request(&mut stream) {
                    continue;
                }
                count.fetch_add(1, Ordering::SeqCst);
                match &reply {
                    Reply::Bytes(bytes) => stream.write_all(bytes).unwrap_or_default(),
                    Reply::Silence => silent.push(stream),
                }
            }
        });
        Self { endpoint, requests }
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Reads one request to the end of its body; whether there was one.
fn read_request(stream: &mut TcpStream) -> bool {
    let (mut request, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return false,
            Ok(count) => request.extend_from_slice(&buffer[..count]),
        }
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
        if body.len() >= length {
            return true;
        }
    }
}
