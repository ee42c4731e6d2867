//! Addresses of pages: what a path and its query ask for, and the links that lead there.

use std::fmt::Write;

use feature::VersionId;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use twinstore::Condition;

/// What stays as it is in a query.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-').remove(b'.').remove(b'@').remove(b':');

/// Pairs of a query that are looked at.
const MOST_PAIRS: usize = 64;

/// What a request asks for.
#[derive(Clone, PartialEq, Debug)]
pub enum Address {
    Style,
    Overview(Choice),
    View(VersionId),
    Feature { view: VersionId, name: String, read: Option<ReadQuery> },
    Service { id: VersionId, read: Option<ReadQuery> },
    Search { text: String },
    Changes { before: Option<i64> },
    Unknown,
}

/// Which views an overview lists, and how.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Choice {
    pub group: GroupBy,
    /// Only views in this condition.
    pub condition: Option<Condition>,
    /// From 1.
    pub page: usize,
}

/// What views are listed by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GroupBy {
    #[default]
    Source,
    Pipeline,
    Frequency,
    Entity,
    Owner,
    Tag,
}

impl GroupBy {
    pub const ALL: [GroupBy; 6] = [
        GroupBy::Source,
        GroupBy::Pipeline,
        GroupBy::Frequency,
        GroupBy::Entity,
        GroupBy::Owner,
        GroupBy::Tag,
    ];

    /// What it is called in addresses and in text.
    pub const fn name(self) -> &'static str {
        match self {
            GroupBy::Source => "source",
            GroupBy::Pipeline => "pipeline",
            GroupBy::Frequency => "frequency",
            GroupBy::Entity => "entity",
            GroupBy::Owner => "owner",
            GroupBy::Tag => "tag",
        }
    }
}

/// A read that a form asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadQuery {
    pub service: String,
    /// Join keys and request columns, as they were written.
    pub values: Vec<(String, String)>,
    /// The moment, as it was written; empty for now.
    pub at: String,
}

impl Address {
    /// What a path and a query ask for.
    pub fn of(path: &str, query: &str) -> Self {
        let query = Query::of(query);
        let parts: Vec<String> = path.trim_matches('/').split('/').map(decoded).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        match parts.as_slice() {
            [""] => Self::Overview(query.choice()),
            ["style.css"] => Self::Style,
            ["search"] => Self::Search { text: query.get("q").unwrap_or_default().trim().to_owned() },
            ["changes"] => Self::Changes { before: query.get("before").and_then(|text| text.parse().ok()) },
            ["views", id] => id.parse().map_or(Self::Unknown, Self::View),
            ["services", id] => {
                let read = query.read();
                id.parse().map_or(Self::Unknown, |id| Self::Service { id, read })
            }
            ["features", view, name] => {
                let (name, read) = ((*name).to_owned(), query.read());
                view.parse().map_or(Self::Unknown, |view| Self::Feature { view, name, read })
            }
            _ => Self::Unknown,
        }
    }
}

/// The pairs of a query.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(text: &str) -> Self {
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (from_form(name), from_form(value))
        };
        Self(text.split('&').filter(|pair| !pair.is_empty()).take(MOST_PAIRS).map(pair).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn choice(&self) -> Choice {
        let group = self.get("group");
        let group = GroupBy::ALL.into_iter().find(|by| Some(by.name()) == group).unwrap_or_default();
        let condition = self.get("status").and_then(condition_named);
        let page = self.get("page").and_then(|page| page.parse().ok()).unwrap_or(1).max(1);
        Choice { group, condition, page }
    }

    fn read(&self) -> Option<ReadQuery> {
        let service = self.get("service")?.to_owned();
        let values = self
            .0
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix("in.")?.to_owned(), value.clone())));
        let at = self.get("at").unwrap_or_default().trim().to_owned();
        Some(ReadQuery { service, values: values.collect(), at })
    }
}

fn condition_named(name: &str) -> Option<Condition> {
    [Condition::Wrong, Condition::Noted, Condition::Fine]
        .into_iter()
        .find(|condition| condition_name(*condition) == name)
}

/// What a condition is called in addresses and classes of style.
pub fn condition_name(condition: Condition) -> &'static str {
    match condition {
        Condition::Wrong => "wrong",
        Condition::Noted => "note",
        Condition::Fine => "fine",
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A part of a query as a form writes it, in which `+` is a space.
fn from_form(text: &str) -> String {
    decoded(&text.replace('+', " "))
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// The link to an overview.
pub fn overview_link(choice: &Choice) -> String {
    let mut link = format!("/?group={}", choice.group.name());
    if let Some(condition) = choice.condition {
        let _ = write!(link, "&status={}", condition_name(condition));
    }
    if choice.page > 1 {
        let _ = write!(link, "&page={}", choice.page);
    }
    link
}

/// The link to a view.
pub fn view_link(id: &VersionId) -> String {
    format!("/views/{id}")
}

/// The link to a service.
pub fn service_link(id: &VersionId) -> String {
    format!("/services/{id}")
}

/// The link to a feature of a view.
pub fn feature_link(view: &VersionId, name: &str) -> String {
    format!("/features/{view}/{}", encoded(name))
}

/// The link to a search.
pub fn search_link(text: &str) -> String {
    format!("/search?q={}", encoded(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Address {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        Address::of(path, query)
    }

    #[test]
    fn each_link_leads_to_what_it_is_made_of() {
        let id: VersionId = "visits@2".parse().unwrap();
        assert_eq!(of(&view_link(&id)), Address::View(id.clone()));
        assert_eq!(of(&service_link(&id)), Address::Service { id: id.clone(), read: None });
        let name = "n_last_7d";
        let feature = Address::Feature { view: id.clone(), name: name.to_owned(), read: None };
        assert_eq!(of(&feature_link(&id, name)), feature);
        for text in ["a & b", "50%+", "ä\"<script>"] {
            assert_eq!(of(&search_link(text)), Address::Search { text: text.to_owned() });
        }
        for choice in [
            Choice { page: 1, ..Choice::default() },
            Choice { group: GroupBy::Tag, condition: Some(Condition::Wrong), page: 3 },
        ] {
            assert_eq!(of(&overview_link(&choice)), Address::Overview(choice));
        }
    }

    #[test]
    fn what_is_not_an_address_is_unknown_or_read_without_the_wrong_part() {
        for path in ["/views/visits", "/views/", "/features/a@1", "/services/A@1", "/x", "/views/a@1/b"] {
            assert_eq!(of(path), Address::Unknown, "{path}");
        }
        let first = Address::Overview(Choice { page: 1, ..Choice::default() });
        assert_eq!(of("/?group=colour&status=odd&page=-3&&=&%ff"), first);
    }

    #[test]
    fn a_form_gives_its_values_as_they_were_written() {
        let read = ReadQuery {
            service: "visit@1".to_owned(),
            values: vec![("visitor".to_owned(), "a b&c".to_owned())],
            at: String::new(),
        };
        let id = "visit@1".parse().unwrap();
        let address = of("/services/visit@1?service=visit%401&in.visitor=a+b%26c&at=");
        assert_eq!(address, Address::Service { id, read: Some(read) });
    }
}
