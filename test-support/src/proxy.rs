//! A TCP proxy whose connections can be slow, swallowed or cut while they are used, all of them or only those on which a
//! client sent a word.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// Bytes that one direction of a connection holds at most.
const BUFFER_BYTES: usize = 64 << 10;

/// What happens to bytes on their way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// They pass.
    Open,
    /// Those to the server arrive so much later.
    Slow(Duration),
    /// Nothing arrives and nothing is reported: what was sent arrives once the way is another.
    Swallow,
    /// Connections are reset, and new ones too.
    Cut,
}

/// A proxy in front of one port of this machine. Its threads end with it.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens.
    pub port: u16,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The word by which connections are marked.
    mark: &'static [u8],
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    way: Way,
    is_over: bool,
    is_marked_silent: bool,
    /// Both sides of the connections that were made since they were cut last.
    open: Vec<TcpStream>,
}

impl Proxy {
    /// Listens at a port of its own, in front of this one.
    pub fn before(server: u16) -> Self {
        Self::marking(server, b"")
    }

    /// The same, which marks the connections on which clients send this word.
    pub fn marking(server: u16, mark: &'static [u8]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { way: Way::Open, is_over: false, is_marked_silent: false, open: Vec::new() };
        let shared = Arc::new(Shared { mark, state: Mutex::new(state), changed: Condvar::new() });
        let accepting = shared.clone();
        thread::spawn(move || accept(&listener, server, &accepting));
        Self { port, shared }
    }

    /// Chooses what happens to all connections from now on.
    pub fn set(&self, way: Way) {
        let mut state = self.shared.state.lock().unwrap();
        state.way = way;
        if way == Way::Cut {
            state.cut();
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// From now on nothing arrives on the connections that are marked by now. They stay open.
    pub fn silence_marked(&self) {
        self.shared.state.lock().unwrap().is_marked_silent = true;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().is_over = true;
        self.set(Way::Cut);
        // It waits for a connection, and looks whether it is over when there is one.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl State {
    fn cut(&mut self) {
        for stream in self.open.drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Shared {
    /// Waits until bytes may pass; false where they never will.
    fn may_pass(&self, is_to_server: bool) -> bool {
        let swallows = |state: &mut State| state.way == Way::Swallow;
        let state = self.changed.wait_while(self.state.lock().unwrap(), swallows).unwrap();
        let way = state.way;
        drop(state);
        if let (Way::Slow(by), true) = (way, is_to_server) {
            thread::sleep(by);
        }
        way != Way::Cut
    }
}

fn accept(listener: &TcpListener, server: u16, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        let Ok(client) = client else { continue };
        let mut state = shared.state.lock().unwrap();
        if state.is_over {
            return;
        }
        if state.way == Way::Cut {
            continue;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
        let is_marked = Arc::new(AtomicBool::new(false));
        for (from, to, is_to_server) in [(&client, &server, true), (&server, &client, false)] {
            to.set_nodelay(true).unwrap();
            let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            let direction = Direction { is_to_server, is_marked: is_marked.clone(), shared: shared.clone() };
            thread::spawn(move || direction.pump(from, to));
        }
        state.open.extend([client, server]);
    }
}

/// One direction of a connection.
struct Direction {
    is_to_server: bool,
    /// Shared with the other direction.
    is_marked: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl Direction {
    /// Moves bytes until one side is gone.
    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut bytes = vec![0; BUFFER_BYTES];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            let bytes = &bytes[..length];
            if self.is_silent(bytes) {
                continue;
            }
            if !self.shared.may_pass(self.is_to_server) || to.write_all(bytes).is_err() {
                break;
            }
        }
        drop(from.shutdown(Shutdown::Both));
        drop(to.shutdown(Shutdown::Both));
    }

    /// Whether these bytes are dropped. A connection is marked only before the marked ones are silent.
    fn is_silent(&self, bytes: &[u8]) -> bool {
        let mark = self.shared.mark;
        if mark.is_empty() {
            return false;
        }
        let is_marked_silent = self.shared.state.lock().unwrap().is_marked_silent;
        if !is_marked_silent && self.is_to_server && bytes.windows(mark.len()).any(|word| word == mark) {
            self.is_marked.store(true, Ordering::Release);
        }
        is_marked_silent && self.is_marked.load(Ordering::Acquire)
    }
}
