//! A TCP proxy whose connections can be slow, swallowed or cut while they are used.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// Bytes that one direction of a connection holds at most.
const HELD_BYTES: usize = 64 << 10;

/// What becomes of bytes on their way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// They pass.
    Open,
    /// Those to the server arrive so much later.
    Slow(Duration),
    /// Nothing arrives, and nobody is told: what was sent goes on once the way is another.
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
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    way: Way,
    is_over: bool,
    /// Both sides of the connections that were made since they were cut last.
    open: Vec<TcpStream>,
}

impl Proxy {
    /// Listens at a port of its own, in front of this one.
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { way: Way::Open, is_over: false, open: Vec::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let accepting = shared.clone();
        thread::spawn(move || accept(&listener, server, &accepting));
        Self { port, shared }
    }

    /// Chooses what becomes of all connections from now on.
    pub fn set(&self, way: Way) {
        let mut state = self.shared.state.lock().unwrap();
        state.way = way;
        if way == Way::Cut {
            state.cut();
        }
        drop(state);
        self.shared.changed.notify_all();
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
        for (from, to, is_to_server) in [(&client, &server, true), (&server, &client, false)] {
            to.set_nodelay(true).unwrap();
            let (from, to, shared) = (from.try_clone().unwrap(), to.try_clone().unwrap(), shared.clone());
            thread::spawn(move || pump(from, to, is_to_server, &shared));
        }
        state.open.extend([client, server]);
    }
}

/// Moves bytes in one direction until one side is gone.
fn pump(mut from: TcpStream, mut to: TcpStream, is_to_server: bool, shared: &Shared) {
    let mut bytes = vec![0; HELD_BYTES];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if !shared.may_pass(is_to_server) || to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}
