//! Stands between the view and the server, and breaks the connection at a request that is named.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// When the connection breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The server never sees the request.
    Before,
    /// The server does as asked; its answer is lost.
    After,
}

/// The request at which it breaks, once: the one after `passed` others like it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) passed: u32,
    pub(super) cut: Cut,
}

impl Fault {
    fn is_at(&self, head: &str) -> bool {
        let mut parts = head.split_ascii_whitespace();
        parts.next() == Some(self.method)
            && parts.next().is_some_and(|path| path.contains(self.path))
    }
}

pub(super) struct Proxy {
    pub(super) address: String,
    fault: Arc<Mutex<Option<Fault>>>,
}

impl Proxy {
    pub(super) fn new(server: &str) -> Self {
        let server = server
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());

        let fault = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&fault);
        // It ends with the test's process.
        thread::spawn(move || {
            for client in listener.incoming() {
                connect(
                    client.unwrap(),
                    TcpStream::connect(&server).unwrap(),
                    &shared,
                );
            }
        });

        Proxy { address, fault }
    }

    pub(super) fn arm(&self, fault: Fault) {
        *self.fault.lock().unwrap() = Some(fault);
    }

    pub(super) fn has_struck(&self) -> bool {
        self.fault.lock().unwrap().is_none()
    }
}

fn connect(client: TcpStream, server: TcpStream, fault: &Arc<Mutex<Option<Fault>>>) {
    let answer_is_lost = Arc::new(AtomicBool::new(false));

    let (from_server, to_client, lost) = (
        server.try_clone(),
        client.try_clone(),
        Arc::clone(&answer_is_lost),
    );
    let (from_server, to_client) = (from_server.unwrap(), to_client.unwrap());
    thread::spawn(move || pass(from_server, to_client, |_| !lost.load(Ordering::SeqCst)));

    let fault = Arc::clone(fault);
    thread::spawn(move || {
        pass(client, server, |sent| match strike(&fault, sent) {
            Some(Cut::Before) => false,
            Some(Cut::After) => {
                answer_is_lost.store(true, Ordering::SeqCst);
                true
            }
            None => true,
        });
    });
}

/// A request begins what is read together: the one before it has been answered.
fn strike(fault: &Mutex<Option<Fault>>, sent: &[u8]) -> Option<Cut> {
    let mut fault = fault.lock().unwrap();
    let waiting = fault.as_mut()?;
    let head = String::from_utf8_lossy(sent.split(|byte| *byte == b'\r').next()?);
    if !waiting.is_at(&head) {
        return None;
    }
    if waiting.passed > 0 {
        waiting.passed -= 1;
        return None;
    }
    fault.take().map(|fault| fault.cut)
}

/// Hands on what comes, as long as `may_pass` says so; then both connections end.
fn pass(mut from: TcpStream, mut to: TcpStream, may_pass: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !may_pass(&buffer[..length]) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // Either may have ended already.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
