//! Definitions of one entity, one source, one view and one service: what most tests of a project begin with.

/// The entity `user` with the join key `key`, the source `events`, the view `v@1` and the service `svc@1`. The lines of
/// the source and of the view are those behind their names; each ends with a line break.
pub fn user_events(key: &str, source: &str, view: &str) -> String {
    definitions([("user", key), ("events", source), ("v", view), ("svc", "")])
}

/// The entity `visitor`, the source `clicks`, the view `visits@1` and the service `visit@1`, likewise.
pub fn visitor_clicks(source: &str, view: &str) -> String {
    definitions([("visitor", "visitor"), ("clicks", source), ("visits", view), ("visit", "")])
}

/// The entity `visitor` and the source `clicks`, likewise: what definitions of several views of it begin with.
pub fn visitors(source: &str) -> String {
    entity_and_source(("visitor", "visitor"), ("clicks", source))
}

fn definitions([entity, source, view, service]: [(&str, &str); 4]) -> String {
    let documents = [
        entity_and_source(entity, source),
        format!(
            "kind: feature_view\nname: {}\nversion: 1\nentity: {}\nsource: {}\n{}",
            view.0, entity.0, source.0, view.1
        ),
        format!(
            "kind: feature_service\nname: {}\nversion: 1\nfeatures: [{{from: {}@1}}]\n",
            service.0, view.0
        ),
    ];
    documents.join("---\n")
}

fn entity_and_source((entity, key): (&str, &str), (source, lines): (&str, &str)) -> String {
    format!(
        "kind: entity\nname: {entity}\nkeys: {{{key}: int64}}\n---\nkind: source\nname: {source}\n{lines}"
    )
}
