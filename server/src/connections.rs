//! The connections of one protocol: up to a bound, over all and of each peer. Where there is no space for one more, the
//! one that has been without a request for longest is ended, so that idle connections never keep others out. Those
//! that say nothing, or too slowly, are ended.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep, timeout};

use crate::limits::Limits;

/// How often connections are checked.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is checked whether one that is in use has become free, at least.
const SPACE_EVERY: Duration = Duration::from_millis(20);
/// How long after the last byte of an answer a connection counts as idle, in milliseconds.
const WRITTEN_AFTER_MS: u64 = 1_000;
/// What HTTP/2 begins with, in bytes, and less than a request of HTTP/1.1 has.
const OPENING_BYTES: u64 = 24;

/// What is counted of connections.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCounts {
    open: AtomicUsize,
    ended: AtomicU64,
    broken: AtomicU64,
}

impl ConnectionCounts {
    /// How many are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// How many the server has ended.
    pub fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// How many ended by a fault of the server.
    pub fn broken(&self) -> u64 {
        self.broken.load(Ordering::Relaxed)
    }
}

/// A listener that takes on a bounded number of connections.
pub(crate) struct Connections {
    listener: TcpListener,
    book: Arc<Book>,
}

/// The connections that are open.
pub(crate) struct Book {
    limits: Limits,
    began: Instant,
    counts: Arc<ConnectionCounts>,
    open: Mutex<HashMap<u64, Arc<Open>>>,
    /// One has become free, or is gone.
    space: Notify,
}

/// A connection that is open.
#[derive(Debug)]
pub(crate) struct Open {
    id: u64,
    peer: IpAddr,
    /// Bytes that came.
    bytes: AtomicU64,
    /// Moments are in milliseconds since the listener began. When something last came or was taken.
    heard_ms: AtomicU64,
    /// When the first byte came that is of no request yet; 0 where there is none.
    head_ms: AtomicU64,
    requests: AtomicUsize,
    /// Whether there was a request: its answer may still be on its way.
    had_request: AtomicBool,
    end: Notify,
}

/// The bytes of a connection.
pub(crate) struct Connection {
    stream: TcpStream,
    tracked: Tracked,
}

/// A connection among the others, for as long as it is open.
#[derive(Clone)]
pub(crate) struct Tracked {
    pub open: Arc<Open>,
    book: Arc<Book>,
}

/// Whether there is space for one more.
enum Space {
    Taken(Arc<Open>),
    /// Once another is free.
    Later,
    /// None for this peer.
    Never,
}

impl Connections {
    /// Takes on as many connections at once as the limits say.
    pub fn new(listener: TcpListener, limits: Limits, counts: Arc<ConnectionCounts>) -> Self {
        let book =
            Book { limits, began: Instant::now(), counts, open: Mutex::default(), space: Notify::new() };
        Self { listener, book: Arc::new(book) }
    }

    /// The connections that are open.
    pub fn book(&self) -> Arc<Book> {
        Arc::clone(&self.book)
    }

    /// The next one.
    pub async fn next(&self) -> Connection {
        loop {
            let (stream, address) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause(&error).await;
                    continue;
                }
            };
            let Some(open) = self.space_for(address).await else { continue };
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%address, %error, "a connection keeps its delay");
            }
            return Connection { stream, tracked: Tracked { open, book: self.book() } };
        }
    }

    async fn space_for(&self, address: SocketAddr) -> Option<Arc<Open>> {
        loop {
            match self.book.enter(address.ip()) {
                Space::Taken(open) => return Some(open),
                Space::Never => return None,
                Space::Later => {
                    let _ = timeout(SPACE_EVERY, self.book.space.notified()).await;
                }
            }
        }
    }
}

impl Book {
    /// Notes how the task of a connection ended. A panic ends its connection alone, and is not lost.
    pub fn note(&self, ended: &Result<(), JoinError>) {
        if let Err(error) = ended
            && error.is_panic()
        {
            self.counts.broken.fetch_add(1, Ordering::Relaxed);
            tracing::error!("a connection ended by a fault of twinstore: {error}");
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never 0, which means no moment.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    /// Takes on a connection of this peer, if there is space, or an idle one can be ended.
    fn enter(&self, peer: IpAddr) -> Space {
        let mut open = self.open();
        let of_peer = open.values().filter(|other| other.peer == peer).count();
        if of_peer >= self.limits.max_connections_per_peer {
            if !self.end_an_idle_one(&mut open, |other| other.peer == peer) {
                self.counts.ended.fetch_add(1, Ordering::Relaxed);
                return Space::Never;
            }
        } else if open.len() >= self.limits.max_connections && !self.end_an_idle_one(&mut open, |_| true) {
            return Space::Later;
        }
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let one = Open {
            id,
            peer,
            bytes: AtomicU64::new(0),
            heard_ms: AtomicU64::new(self.now_ms()),
            head_ms: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            had_request: AtomicBool::new(false),
            end: Notify::new(),
        };
        let one = Arc::new(one);
        open.insert(id, Arc::clone(&one));
        self.counts.open.fetch_add(1, Ordering::Relaxed);
        Space::Taken(one)
    }

    /// Ends the connection that has been without a request and without a byte for longest.
    fn end_an_idle_one(&self, open: &mut HashMap<u64, Arc<Open>>, is_meant: impl Fn(&Open) -> bool) -> bool {
        let now = self.now_ms();
        let idle = open.values().filter(|other| other.may_be_ended(now) && is_meant(other));
        let Some(longest) = idle.min_by_key(|other| other.heard_ms.load(Ordering::Relaxed)).cloned() else {
            return false;
        };
        // Its task ends in a moment; its slot is free from now on.
        self.remove(open, longest.id);
        self.end(&longest);
        true
    }

    fn end(&self, one: &Open) {
        one.end.notify_one();
        self.counts.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn remove(&self, open: &mut HashMap<u64, Arc<Open>>, id: u64) {
        if open.remove(&id).is_some() {
            self.counts.open.fetch_sub(1, Ordering::Relaxed);
            self.space.notify_one();
        }
    }

    /// Ends connections whose head does not come, and where `idle_ends` those that have been idle for too long, for
    /// as long as it runs.
    pub async fn watch(&self, idle_ends: bool) {
        loop {
            sleep(LOOK_EVERY).await;
            let now = self.now_ms();
            let mut open = self.open();
            let late: Vec<Arc<Open>> =
                open.values().filter(|one| one.is_late(now, &self.limits, idle_ends)).cloned().collect();
            for one in late {
                self.remove(&mut open, one.id);
                self.end(&one);
            }
        }
    }
}

impl Open {
    fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    /// Whether no request is lost where it is ended: there was none, or its answer has been written for a while.
    fn may_be_ended(&self, now_ms: u64) -> bool {
        let silent_ms = now_ms.saturating_sub(self.heard_ms.load(Ordering::Relaxed));
        self.is_idle() && (!self.had_request.load(Ordering::Relaxed) || silent_ms >= WRITTEN_AFTER_MS)
    }

    fn is_late(&self, now_ms: u64, limits: &Limits, idle_ends: bool) -> bool {
        let since = |moment: &AtomicU64| u128::from(now_ms.saturating_sub(moment.load(Ordering::Relaxed)));
        if !self.is_idle() {
            return false;
        }
        let has_opened = self.bytes.load(Ordering::Relaxed) >= OPENING_BYTES;
        let head = self.head_ms.load(Ordering::Relaxed);
        let head_is_late = match head {
            0 => !has_opened && since(&self.heard_ms) >= limits.head_timeout.as_millis(),
            _ => (idle_ends || !has_opened) && since(&self.head_ms) >= limits.head_timeout.as_millis(),
        };
        head_is_late || idle_ends && since(&self.heard_ms) >= limits.idle_timeout.as_millis()
    }

    /// Resolves once the connection is to end.
    pub async fn ended(&self) {
        self.end.notified().await;
    }
}

impl Tracked {
    /// A request has begun; it has ended once this is dropped.
    pub fn request(&self) -> InProgress {
        self.open.requests.fetch_add(1, Ordering::Relaxed);
        self.open.had_request.store(true, Ordering::Relaxed);
        self.open.head_ms.store(0, Ordering::Relaxed);
        InProgress(self.clone())
    }

    /// Its handshake is done: what came so far was no request.
    pub fn is_encrypted(&self) {
        self.open.bytes.store(0, Ordering::Relaxed);
        self.open.head_ms.store(0, Ordering::Relaxed);
        self.is_heard();
    }

    fn is_heard(&self) {
        self.open.heard_ms.store(self.book.now_ms(), Ordering::Relaxed);
    }

    fn came(&self, bytes: usize) {
        self.open.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.is_heard();
        if self.open.is_idle() && self.open.head_ms.load(Ordering::Relaxed) == 0 {
            self.open.head_ms.store(self.open.heard_ms.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

/// A request of a connection.
pub(crate) struct InProgress(Tracked);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.is_heard();
        self.0.open.head_ms.store(0, Ordering::Relaxed);
        if self.0.open.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.book.space.notify_one();
        }
    }
}

impl Connection {
    /// Itself among the others.
    pub fn tracked(&self) -> Tracked {
        self.tracked.clone()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Tracked { open, book } = &self.tracked;
        book.remove(&mut book.open(), open.id);
    }
}

/// A connection that was given up before it was accepted costs nothing; where the process has no
/// file handle left, only the end of another helps.
async fn pause(error: &io::Error) {
    let given_up =
        [io::ErrorKind::ConnectionRefused, io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset];
    if !given_up.contains(&error.kind()) {
        tracing::warn!(%error, "no connection can be accepted now: trying again in a second");
        sleep(Duration::from_secs(1)).await;
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = buffer.filled().len().saturating_sub(before);
        if bytes > 0 {
            self.tracked.came(bytes);
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if polled.is_ready() {
            self.tracked.is_heard();
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        if polled.is_ready() {
            self.tracked.is_heard();
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
