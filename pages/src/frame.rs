//! What stands around every page: its head, the way to the other pages, and the search.

use feature::Micros;
use maud::{DOCTYPE, Markup, html};

use crate::shown::moment;

/// What every page has.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// What the project is called.
    pub project: &'a str,
    /// What the page is called.
    pub title: &'a str,
    /// The way of the page among those that each page leads to; `None` of others.
    pub current: Option<&'static str>,
    /// What was searched for.
    pub searched: &'a str,
    /// When its figures were gathered; `None` of a page without any.
    pub at: Option<Micros>,
}

/// The pages to which each page leads.
const WAYS: [(&str, &str); 2] = [("/", "Overview"), ("/changes", "Changes")];

impl Frame<'_> {
    /// The whole page around its content, which begins with its heading.
    pub fn around(&self, content: &Markup) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="robots" content="noindex";
                    title { (self.title) " – " (self.project) " – twinstore" }
                    link rel="stylesheet" href="/style.css";
                    link rel="icon" href="data:,";
                }
                body.operators {
                    a.skip href="#content" { "Skip to the content" }
                    header.site { div {
                        span.name { (self.project) }
                        nav aria-label="Pages" {
                            @for (href, name) in WAYS {
                                a href=(href) aria-current=[(self.current == Some(href)).then_some("page")] { (name) }
                            }
                        }
                        form role="search" action="/search" method="get" {
                            input type="search" name="q" value=(self.searched) aria-label="Search features, views and services"
                                placeholder="feature, view, service";
                            button type="submit" { "Search" }
                        }
                    } }
                    main #content { (content) }
                    footer {
                        @if let Some(at) = self.at { "As of " (moment(at)) ". Reload for newer figures. " }
                        "twinstore"
                    }
                }
            }
        };
        page.into_string()
    }
}
