//! Why a view is not as fresh as promised, as a sentence, and which operation helps.

use feature::{HelpTopic, Micros, View, thousands};
use monitor::{Cause, PipelineFacts, Stage};

/// The sentence for a view.
pub(crate) fn sentence(view: &View, source: &str, cause: &Cause) -> String {
    let id = &view.id;
    match cause {
        Cause::NeverLoaded => format!("{id} has no row yet"),
        Cause::NotLoadedSince(at) => format!("no newer row of {id} was loaded since {at}"),
        Cause::NotFollowedSince(at) => format!("nobody has followed the stream of {id} since {at}"),
        Cause::Stuck { stage, why } => {
            format!("the stream of {id} is held up at its stage `{}`: {why}", stage.name())
        }
        Cause::Behind { records, slowest } => {
            let slow = slowest.map_or_else(
                || "the time goes by before they are received".to_owned(),
                |stage| format!("the slow stage is {}", stage.name()),
            );
            format!("{} records of `{source}` wait for the stream of {id}: {slow}", thousands(*records))
        }
        Cause::ClockAhead(seconds) => format!(
            "{id} has events that are {seconds} seconds ahead of this machine's clock: set the clock of their producer or of this machine right"
        ),
        Cause::SilentSince(since) => format!(
            "no record of `{source}` has arrived{}, although its stream is followed: look at what sends them",
            since.map(|at| format!(" since {at}")).unwrap_or_default()
        ),
        Cause::Slow(stage) => {
            format!(
                "records of `{source}` take long on their way to {id}, most of it at the stage `{}`",
                stage.name()
            )
        }
        Cause::LateEvents => {
            format!("records of `{source}` arrive, and their events are old: look at what sends them")
        }
    }
}

/// The operation that helps; `None` where none of the product does.
pub(crate) fn help(view: &View, pipeline: &PipelineFacts, cause: &Cause) -> Option<HelpTopic> {
    match cause {
        Cause::NeverLoaded | Cause::NotLoadedSince(_) if pipeline.has_open_backfill => {
            Some(HelpTopic::ResumeBackfill(view.id.clone()))
        }
        Cause::NeverLoaded if pipeline.is_streamed => Some(HelpTopic::FollowStreams),
        Cause::NeverLoaded => Some(HelpTopic::Backfill(view.id.clone())),
        Cause::NotLoadedSince(_) => Some(HelpTopic::LoadNew(view.id.clone())),
        Cause::NotFollowedSince(_) => Some(HelpTopic::FollowStreams),
        Cause::Behind { .. } | Cause::Slow(_) => Some(HelpTopic::StreamMetrics),
        Cause::Stuck { .. } => Some(HelpTopic::Diagnose),
        Cause::ClockAhead(_) | Cause::SilentSince(_) | Cause::LateEvents => None,
    }
}

/// The stage of this name, as a stream notes it.
pub(super) fn stage(name: &str) -> Option<Stage> {
    Stage::ALL.into_iter().find(|stage| stage.name() == name)
}

/// A moment so long before another; the first of all where there is none.
pub(crate) fn before(now: Micros, span: feature::Span) -> Micros {
    Micros::new(now.get().saturating_sub(span.micros())).unwrap_or(Micros::MIN)
}
