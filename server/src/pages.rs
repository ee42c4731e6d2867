//! Pages for people, beside the features: the server knows only that there may be some, by which paths they are
//! requested, and what keeps a browser safe that shows them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// What a browser asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PageRequest {
    /// The path, as it was sent.
    pub path: String,
    /// What follows `?`, as it was sent; empty without one.
    pub query: String,
}

/// An answer to a browser.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// The status of HTTP, such as 200 or 404.
    pub status: u16,
    /// The media type of the body.
    pub content_type: &'static str,
    /// The body, of which no part is taken for markup that is not meant as such.
    pub body: String,
    /// Whether it never changes while this process runs, and may be kept by a browser.
    pub is_constant: bool,
}

/// A page that is being made.
pub type MakingPage<'a> = Pin<Box<dyn Future<Output = Page> + Send + 'a>>;

/// Makes pages.
pub trait Pages: fmt::Debug + Send + Sync {
    /// The page at a path. Of a path without one it is a page that says so.
    fn page(&self, request: PageRequest) -> MakingPage<'_>;
}
