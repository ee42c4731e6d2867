//! A way to a server on which the connection that tells of changes can fall silent: nothing is closed, and
//! nothing passes any more.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::spawn;

/// The way; its threads end with the connections.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    silent: Arc<AtomicBool>,
}

impl Proxy {
    /// A way to a port of this machine.
    pub(crate) fn start(to: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent = Arc::new(AtomicBool::new(false));
        let falls_silent = silent.clone();
        spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                let (back, forth) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let tells = Arc::new(AtomicBool::new(false));
                let way = Way { tells, silent: falls_silent.clone() };
                let other = way.clone();
                spawn(move || other.pass(client, forth));
                spawn(move || way.pass(server, back));
            }
        });
        Proxy { port, silent }
    }

    /// From now on nothing passes on the connections that tell of changes now.
    pub(crate) fn silence(&self) {
        self.silent.store(true, Ordering::Release);
    }
}

#[derive(Clone)]
struct Way {
    /// Whether it is the connection that tells of changes.
    tells: Arc<AtomicBool>,
    silent: Arc<AtomicBool>,
}

impl Way {
    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = [0; 1 << 16];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let bytes = &bytes[..count];
            let is_late = self.silent.load(Ordering::Acquire);
            if !is_late && bytes.windows(8).any(|word| word == b"TRACKING") {
                self.tells.store(true, Ordering::Release);
            }
            if is_late && self.tells.load(Ordering::Acquire) {
                continue;
            }
            if to.write_all(bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    }
}
