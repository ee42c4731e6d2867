//! Reads a policy from its file: everything that is wrong with it, with its line, at once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use access::{
    Action, Consumer, Grant, Member, Pattern, Policy, ProtectedTag, Rate, Role, Share, Subject, SubjectKind,
    TokenName,
};
use feature::Name;

use super::policy_keys::POLICY;
use crate::nearest::did_you_mean_or_list;
use crate::problem::{Mark, Problem, Problems, Report};
use crate::shape::check_record;
use crate::yaml::{Node, documents};

/// The largest policy file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;
/// The most grants of all roles, and the most members.
const MOST_GRANTS: usize = 1_000;
const MOST_MEMBERS: usize = 10_000;

/// The policy in a file, which messages call `shown`.
pub fn read_policy(path: &Path, shown: &str) -> Result<Policy, Problems> {
    match files::read_text(path, MOST_BYTES) {
        Ok(text) => policy_of(shown, &text),
        Err(error) => {
            let at = Mark { line: 0, column: 0 };
            let message = format!("the policy cannot be read: {error}");
            Err(Problems::sorted(vec![Problem { file: shown.into(), at, message }]))
        }
    }
}

/// The policy that this text says.
pub fn policy_of(shown: &str, text: &str) -> Result<Policy, Problems> {
    let file: Arc<str> = shown.into();
    let mut problems = Vec::new();
    let mut report = Report::new(&file, &mut problems);
    let (documents, _) = documents(&file, text, &mut report);
    let policy = match documents.as_slice() {
        [] => {
            if !report.has_problems() {
                report.at(Mark { line: 1, column: 1 }, "the policy is empty: give it `roles`");
            }
            Policy::default()
        }
        [document] => read(&document.root, &mut report),
        [_, second, ..] => {
            report.at(second.root.at, "a policy is one document: put its keys into the first");
            Policy::default()
        }
    };
    if problems.is_empty() { Ok(policy) } else { Err(Problems::sorted(problems)) }
}

fn read(root: &Node, report: &mut Report<'_>) -> Policy {
    check_record(&POLICY, root, "the policy", report);
    if report.has_problems() {
        return Policy::default();
    }
    let protected: Vec<ProtectedTag> = parsed(root.get("protected_tags"), report);
    let roles = entries(root, "roles").map(|(name, _, node)| Role {
        grants: node.items().iter().map(|grant| self::grant(grant, &protected, report)).collect(),
        name,
    });
    let roles: Vec<Role> = roles.collect();
    let grants: usize = roles.iter().map(|role| role.grants.len()).sum();
    if grants > MOST_GRANTS {
        report.at(root.at, format!("the policy has {grants} grants: bring them down to {MOST_GRANTS}"));
    }
    let consumers: Vec<Consumer> = entries(root, "consumers")
        .map(|(name, _, node)| Consumer { name, share: share(node, report) })
        .collect();
    let members = root.get("members").map(Node::items).unwrap_or_default();
    if members.len() > MOST_MEMBERS {
        let count = members.len();
        report.at(root.at, format!("the policy has {count} members: bring them down to {MOST_MEMBERS}"));
    }
    let mut seen = BTreeMap::new();
    let known = Known { roles: &roles, consumers: &consumers };
    let members = members.iter().filter_map(|node| member(node, &known, &mut seen, report)).collect();
    Policy { protected, roles, members, consumers }
}

/// The named values under a key.
fn entries<'a>(root: &'a Node, key: &str) -> impl Iterator<Item = (Name, Mark, &'a Node)> {
    let entries = root.get(key).map(Node::entries).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((entry.key.parse().ok()?, entry.at, &entry.value)))
}

/// What the items of a list say; those that say nothing are reported.
fn parsed<T: FromStr<Err: ToString>>(list: Option<&Node>, report: &mut Report<'_>) -> Vec<T> {
    let mut found = Vec::new();
    for item in list.map(Node::items).unwrap_or_default() {
        match item.text().unwrap_or_default().parse::<T>() {
            Ok(value) => found.push(value),
            Err(error) => report.at(item.at, error.to_string()),
        }
    }
    found
}

fn grant(node: &Node, protected: &[ProtectedTag], report: &mut Report<'_>) -> Grant {
    let actions: BTreeSet<Action> = parsed(node.get("actions"), report).into_iter().collect();
    let services: Vec<Pattern> = parsed(node.get("services"), report);
    let views: Vec<Pattern> = parsed(node.get("views"), report);
    let sources: Vec<Pattern> = parsed(node.get("sources"), report);
    let tags: Vec<ProtectedTag> = parsed(node.get("tags"), report);
    if actions.is_empty() {
        report.at(node.at, "this grant has no action: name at least one under `actions`");
    }
    let names_nothing = ["services", "views", "sources"]
        .iter()
        .all(|key| node.get(key).map(Node::items).unwrap_or_default().is_empty());
    let of_resources = actions.iter().find(|action| !action.is_of_the_project());
    if let Some(action) = of_resources.filter(|_| names_nothing) {
        let what = format!(
            "`{action}` is granted on nothing: name `services`, `views` or `sources` (`[\"*\"]` for all)"
        );
        report.at(node.at, what);
    }
    for tag in tags.iter().filter(|tag| !protected.contains(tag)) {
        let names: Vec<String> = protected.iter().map(ToString::to_string).collect();
        let near = did_you_mean_or_list(&tag.to_string(), names.iter().map(String::as_str));
        report.at(node.at, format!("the tag `{tag}` is not protected, so no grant need name it{near}"));
    }
    Grant { actions, services, views, sources, tags }
}

fn share(node: &Node, report: &mut Report<'_>) -> Share {
    Share {
        priority: node.parse("priority").unwrap_or_default(),
        requests: rate(node.get("requests"), report),
        keys: rate(node.get("keys"), report),
    }
}

fn rate(node: Option<&Node>, report: &mut Report<'_>) -> Option<Rate> {
    let node = node?;
    let mut whole = |key: &str| {
        let given = node.get(key)?;
        let number = given.text().and_then(|text| text.parse::<u32>().ok());
        if number.is_none() {
            report.at(given.at, format!("`{key}` is not a whole number from 1 to 1000000000: write one"));
        }
        number
    };
    let (per_second, burst) = (whole("per_second"), whole("burst"));
    let per_second = per_second?;
    Some(Rate { per_second, burst: burst.unwrap_or(per_second) })
}

/// What members may name.
struct Known<'a> {
    roles: &'a [Role],
    consumers: &'a [Consumer],
}

fn member(
    node: &Node,
    known: &Known<'_>,
    seen: &mut BTreeMap<Subject, u32>,
    report: &mut Report<'_>,
) -> Option<Member> {
    let named = SubjectKind::ALL.iter().filter_map(|kind| Some((*kind, node.get(kind.name())?)));
    let named: Vec<(SubjectKind, &Node)> = named.collect();
    let [(kind, name)] = named.as_slice() else {
        report.at(
            node.at,
            "a member is one of `token`, `certificate`, `oidc`, `claim` and `user`: write exactly one of them",
        );
        return None;
    };
    let subject = Subject::new(*kind, name.text().unwrap_or_default());
    if *kind == SubjectKind::Token
        && let Err(error) = subject.name.parse::<TokenName>()
    {
        report.at(name.at, error.to_string());
    }
    if *kind == SubjectKind::Claim && !subject.name.contains('=') {
        report.at(name.at, format!("`{}` is no claim: write it as groups=scoring", subject.name));
    }
    if let Some(first) = seen.insert(subject.clone(), name.at.line) {
        report.at(
            name.at,
            format!("`{subject}` is a member twice, first on line {first}: give one both roles"),
        );
    }
    for role in node.get("roles").map(Node::items).unwrap_or_default() {
        let text = role.text().unwrap_or_default();
        if !known.roles.iter().any(|role| role.name.as_str() == text) {
            let near = did_you_mean_or_list(text, known.roles.iter().map(|role| role.name.as_str()));
            report.at(role.at, format!("there is no role `{text}`{near}"));
        }
    }
    let consumer: Option<Name> = node.parse("consumer");
    if let (Some(name), Some(given)) = (&consumer, node.get("consumer"))
        && !known.consumers.iter().any(|consumer| consumer.name == *name)
    {
        let names = known.consumers.iter().map(|consumer| consumer.name.as_str());
        report.at(
            given.at,
            format!("there is no consumer `{name}`{}", did_you_mean_or_list(name.as_str(), names)),
        );
    }
    let roles = node.get("roles").map(Node::items).unwrap_or_default();
    let roles = roles.iter().filter_map(|role| role.text()?.parse().ok()).collect();
    Some(Member { subject, roles, consumer })
}

#[cfg(test)]
mod tests {
    use access::{Priority, Resource, ResourceKind};

    use super::*;

    const GOOD: &str = "
protected_tags: [pii, class=secret]
roles:
  reader:
    - {actions: [read_online], services: ['late_*'], views: [airport_arrivals@1]}
  pii_reader:
    - actions: [read_online, read_offline]
      services: ['*']
      tags: [pii]
  operator:
    - {actions: [describe, administer]}
members:
  - {token: scoring, roles: [reader], consumer: models}
  - {user: ann, roles: [operator, pii_reader]}
consumers:
  models: {priority: high, requests: {per_second: 100, burst: 20}, keys: {per_second: 5000}}
";

    fn problems(text: &str) -> Vec<String> {
        policy_of("access.yaml", text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_policy_is_read_whole() {
        let policy = policy_of("access.yaml", GOOD).unwrap();
        assert_eq!((policy.protected.len(), policy.roles.len(), policy.members.len()), (2, 3, 2));
        let scoring = policy.identity(Subject::new(SubjectKind::Token, "scoring"), []);
        let service = Resource::new(ResourceKind::Service, "late_arrival@2");
        assert!(policy.decide(&scoring, Action::ReadOnline, &service).is_allowed());
        assert!(!policy.decide(&scoring, Action::Administer, &Resource::project()).is_allowed());
        let (requests, keys) =
            (Rate { per_second: 100, burst: 20 }, Rate { per_second: 5_000, burst: 5_000 });
        let share = Share { priority: Priority::High, requests: Some(requests), keys: Some(keys) };
        assert_eq!((&*scoring.consumer, scoring.share), ("models", share));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_with_its_line() {
        let wrong = "
roles:
  reader:
    - {actions: [read_online]}
    - {actions: [describe], tags: [pii]}
    - {actions: [write], sources: [Landings]}
members:
  - {token: scoring, roles: [raeder]}
  - {token: scoring, roles: [reader], consumer: models}
  - {token: a, user: b, roles: [reader]}
  - {roles: [reader]}
consumers:
  others: {requests: {per_second: 1.5}}
";
        let said = problems(wrong);
        let expected = [
            "access.yaml:4: `read_online` is granted on nothing",
            "access.yaml:5: the tag `pii` is not protected",
            "access.yaml:6: `Landings` is not a pattern of names",
            "access.yaml:8: there is no role `raeder`, did you mean `reader`?",
            "access.yaml:9: `token scoring` is a member twice, first on line 8",
            "access.yaml:9: there is no consumer `models`",
            "access.yaml:10: a member is one of",
            "access.yaml:11: a member is one of",
            "access.yaml:13: `per_second` is not a whole number",
        ];
        assert_eq!(said.len(), expected.len(), "{said:#?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.starts_with(expected), "{said:#?}");
        }
    }

    #[test]
    fn a_policy_of_another_shape_is_refused() {
        for (text, expected) in [
            ("", "the policy is empty"),
            ("[a]", "the policy is a list"),
            ("roles: {reader: [{actions: [read]}]}", "`read` is none of describe, read_online"),
            ("roles: {a: []}\nmember: []", "unknown field `member` in the policy, did you mean `members`?"),
            ("roles: {a: []}\n---\nroles: {a: []}", "a policy is one document"),
            ("members: []", "the policy has no `roles`"),
            ("roles: [", "this is not YAML"),
        ] {
            let said = problems(text);
            assert!(said.iter().any(|said| said.contains(expected)), "{text}: {said:?}");
        }
    }
}
