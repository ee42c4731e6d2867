//! Circuit breakers of views: each time that one was open, kept for as long as the registry is, since a training set has at
//! each label what was served then. An opening is requested, its rows are prepared by whoever requested it, and then it holds
//! from a moment on. Every opening and closing is in the audit log. The generation does not move: servers look at the
//! number of changes, which is one small question.

use feature::{Micros, Name, OpenAnswer, Opening, Openings, Span, VersionId, have_common_feature};
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use crate::audit::{AuditAction, Reason, Record};
use crate::body::DefinitionId;
use crate::error::RegistryError;
use crate::first_use::{as_text, some_as_text};
use crate::keys::Kind;
use crate::store::Registry;
use crate::stored::{damaged, number};

/// An opening that is requested.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestOpening {
    /// Of which view.
    pub view: VersionId,
    /// Which of its features are held; all if none is named.
    pub features: Vec<Name>,
    /// What is answered while it holds.
    pub answers: OpenAnswer,
    /// The last moment whose answers are good.
    pub good_until: Micros,
    /// The rule that opens it; `None` if a person does.
    pub rule: Option<String>,
    /// Why: a person's reason, or what the rule found.
    pub why: Reason,
}

/// One time that the breaker of a view was open, or was to be opened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BreakerRecord {
    /// Its number among those of all views, from 1.
    pub number: u32,
    /// The view.
    pub view: VersionId,
    /// Which of its features are held; all if none is named.
    pub features: Vec<Name>,
    /// What is answered meanwhile.
    pub answers: OpenAnswer,
    /// The last moment whose answers are good.
    #[serde(serialize_with = "as_text")]
    pub good_until: Micros,
    /// When it was requested.
    #[serde(serialize_with = "as_text")]
    pub requested_at: Micros,
    /// From when on it holds; `None` while it is prepared, or if it never held.
    #[serde(serialize_with = "some_as_text")]
    pub from: Option<Micros>,
    /// Up to when; `None` while it is open.
    #[serde(serialize_with = "some_as_text")]
    pub until: Option<Micros>,
    /// The rule that opened it; `None` if a person did.
    pub rule: Option<String>,
    /// Why.
    pub why: String,
    /// Who opened it.
    pub opened_by: String,
    /// When a rule was last broken.
    #[serde(serialize_with = "some_as_text")]
    pub broken_at: Option<Micros>,
    /// Whether the online store may have rows of its last good moment.
    pub has_rows: bool,
    /// When whoever prepares it said last that it goes on.
    #[serde(skip)]
    pub claimed_at: Micros,
}

impl BreakerRecord {
    /// The opening, if it ever held.
    pub fn opening(&self) -> Option<Opening> {
        Some(Opening {
            number: self.number,
            view: self.view.clone(),
            answers: self.answers,
            from: self.from?,
            until: self.until,
            good_until: self.good_until,
            features: self.features.clone(),
        })
    }

    /// The opening that is about to be prepared.
    pub fn prepared(&self) -> Opening {
        Opening {
            number: self.number,
            view: self.view.clone(),
            answers: self.answers,
            from: self.from.unwrap_or(self.requested_at),
            until: self.until,
            good_until: self.good_until,
            features: self.features.clone(),
        }
    }

    /// Which features are held, as a sentence names them.
    pub fn held(&self) -> String {
        if self.features.is_empty() { "all features".to_owned() } else { listed(&self.features) }
    }

    /// Whether it holds, or is to hold, at a moment.
    pub fn is_open(&self, at: Micros) -> bool {
        self.from.is_some() && self.until.is_none_or(|until| at < until)
    }

    /// Whether it was requested, and neither held nor was given up so far.
    pub fn is_requested(&self) -> bool {
        self.from.is_none() && self.until.is_none()
    }

    /// Whether somebody may be writing its rows at a moment.
    pub fn is_claimed(&self, at: Micros) -> bool {
        self.from.is_none() && at.since(self.claimed_at.max(self.requested_at)) < CLAIMED_FOR.micros()
    }
}

/// Names as a sentence lists them.
fn listed(features: &[Name]) -> String {
    features.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

/// How far ahead of its being recorded an opening or a closing lies: servers look four times a second.
const RECORDED_AHEAD: Span = Span::SECOND.times(2);
/// How far ahead it lies at least once it is recorded: where recording took longer, it is recorded again.
const LEAST_AHEAD: Span = Span::SECOND;
/// How long an opening that is prepared is left to whoever said that it goes on.
const CLAIMED_FOR: Span = Span::SECOND.times(30);

const NOTE: &str = "keep the openings of breakers";

impl Registry {
    /// Requests an opening of a view's breaker. Refused where one holds a feature of it already. A request for such a feature
    /// that was never carried out is given up.
    pub async fn request_opening(
        &self,
        request: &RequestOpening,
        at: Micros,
    ) -> Result<BreakerRecord, RegistryError> {
        let failed = self.failed(NOTE);
        let mut transaction = self.begin_writing(NOTE).await?;
        let all = self.breakers_in(&mut transaction).await?;
        let number = all.iter().map(|one| one.number).max().unwrap_or(0).saturating_add(1);
        let is_of_it = |one: &&BreakerRecord| {
            one.view == request.view && have_common_feature(&one.features, &request.features)
        };
        let before: Vec<&BreakerRecord> = all.iter().filter(is_of_it).collect();
        if let Some(open) = before.iter().find(|one| one.is_open(at)) {
            let since = open.from.unwrap_or(open.requested_at);
            return Err(RegistryError::BreakerIsOpen { view: request.view.clone(), since });
        }
        // A rule waits for whoever prepares it already; a person does not.
        let is_prepared = |one: &BreakerRecord| one.is_requested() && one.is_claimed(at);
        if let Some(prepared) = before.iter().find(|one| is_prepared(one)).filter(|_| request.rule.is_some())
        {
            let since = prepared.requested_at;
            return Err(RegistryError::BreakerIsOpen { view: request.view.clone(), since });
        }
        let change = next_change(&mut transaction).await.map_err(&failed)?;
        for given_up in before.iter().filter(|one| one.is_requested()) {
            sqlx::query("UPDATE breakers SET until_at = $1, change = $2 WHERE number = $3")
                .bind(at.get())
                .bind(change)
                .bind(i64::from(given_up.number))
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
        let record = BreakerRecord {
            number,
            view: request.view.clone(),
            features: request.features.clone(),
            answers: request.answers,
            good_until: request.good_until,
            requested_at: at,
            from: None,
            until: None,
            rule: request.rule.clone(),
            why: request.why.as_str().to_owned(),
            opened_by: self.actor().to_owned(),
            broken_at: request.rule.as_ref().map(|_| at),
            has_rows: request.answers == OpenAnswer::LastKnownGood,
            claimed_at: at,
        };
        insert(&mut transaction, &record, change).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        Ok(record)
    }

    /// Lets an opening hold from two seconds on: its rows are there. Refused where it was given up meanwhile, as another was
    /// requested. The clock is read once nobody else writes, so that no moment is past before it is recorded.
    pub async fn open_breaker(
        &self,
        requested: &BreakerRecord,
        clock: fn() -> Micros,
    ) -> Result<BreakerRecord, RegistryError> {
        let failed = self.failed(NOTE);
        loop {
            let mut transaction = self.begin_changing(NOTE).await?;
            let at = clock();
            let from = at.saturating_add(RECORDED_AHEAD);
            let change = next_change(&mut transaction).await.map_err(&failed)?;
            let open = "UPDATE breakers SET from_at = $1, change = $2
                WHERE number = $3 AND from_at IS NULL AND until_at IS NULL";
            let opened = sqlx::query(open)
                .bind(from.get())
                .bind(change)
                .bind(i64::from(requested.number))
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
            if opened.rows_affected() == 0 {
                let (view, number) = (requested.view.clone(), requested.number);
                return Err(RegistryError::OpeningGivenUp { view, number });
            }
            self.record(&mut transaction, vec![opened_record(requested, from)], at, &failed).await?;
            if from.since(clock()) < LEAST_AHEAD.micros() {
                transaction.rollback().await.map_err(&failed)?;
                continue;
            }
            self.commit(transaction, &failed).await?;
            return Ok(BreakerRecord { from: Some(from), ..requested.clone() });
        }
    }

    /// Closes an opening of a view's breaker from two seconds on. `rule` is the rule that does so; a person otherwise.
    /// Refused where it is not open, and to a rule where a person has opened it.
    pub async fn close_breaker(
        &self,
        opening: &BreakerRecord,
        clock: fn() -> Micros,
        (rule, why): (Option<&str>, Option<&Reason>),
    ) -> Result<BreakerRecord, RegistryError> {
        let failed = self.failed(NOTE);
        loop {
            let mut transaction = self.begin_changing(NOTE).await?;
            let at = clock();
            let all = self.breakers_in(&mut transaction).await?;
            let is_open = |one: &BreakerRecord| {
                let may_close = rule.is_none() || one.rule.is_some();
                one.number == opening.number && one.from.is_some() && one.until.is_none() && may_close
            };
            let Some(open) = all.into_iter().find(is_open) else {
                return Err(RegistryError::BreakerIsClosed { view: opening.view.clone() });
            };
            // One that is closed before it held never held, and none ends before it begins.
            let until = at.saturating_add(RECORDED_AHEAD);
            let until = open.from.map_or(until, |from| from.max(until));
            let change = next_change(&mut transaction).await.map_err(&failed)?;
            sqlx::query("UPDATE breakers SET until_at = $1, change = $2 WHERE number = $3")
                .bind(until.get())
                .bind(change)
                .bind(i64::from(open.number))
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
            let id = DefinitionId::versioned(Kind::FeatureView, &open.view);
            let record = Record::of(AuditAction::BreakerClose, &id)
                .from(format!("opening {}", open.number))
                .to(format!("closed from {until} on"))
                .because(why)
                .detail(rule.map(|rule| format!("by the rule {rule}")).unwrap_or_default());
            self.record(&mut transaction, vec![record], at, &failed).await?;
            if until.since(clock()) < LEAST_AHEAD.micros() {
                transaction.rollback().await.map_err(&failed)?;
                continue;
            }
            self.commit(transaction, &failed).await?;
            return Ok(BreakerRecord { until: Some(until), ..open });
        }
    }

    /// Says that an opening is still being prepared. Gives false where it was given up or holds.
    pub async fn claim_opening(&self, number: u32, at: Micros) -> Result<bool, RegistryError> {
        let failed = self.failed(NOTE);
        let mut transaction = self.begin_writing(NOTE).await?;
        // Nobody's answers depend on it, so it is no change.
        let claim = "UPDATE breakers SET claimed_at = $1
            WHERE number = $2 AND from_at IS NULL AND until_at IS NULL";
        let claimed = sqlx::query(claim).bind(at.get()).bind(i64::from(number));
        let claimed = claimed.execute(&mut *transaction).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)?;
        Ok(claimed.rows_affected() > 0)
    }

    /// Gives up an opening that could not be prepared, or that nobody prepares any more.
    pub async fn give_up_opening(&self, number: u32, at: Micros) -> Result<(), RegistryError> {
        let set = "UPDATE breakers SET until_at = $1, change = $2
            WHERE number = $3 AND from_at IS NULL AND until_at IS NULL";
        self.note_breaker(set, number, at.get()).await
    }

    /// Notes that a rule is broken, so that what it has opened stays open.
    pub async fn note_broken(&self, number: u32, at: Micros) -> Result<(), RegistryError> {
        let set = "UPDATE breakers SET broken_at = $1, change = $2
            WHERE number = $3 AND until_at IS NULL AND rule IS NOT NULL";
        self.note_breaker(set, number, at.get()).await
    }

    /// Notes that the online store has no rows of an opening's last good moment any more.
    pub async fn opening_rows_dropped(&self, number: u32) -> Result<(), RegistryError> {
        let set = "UPDATE breakers SET has_rows = $1, change = $2 WHERE number = $3";
        self.note_breaker(set, number, 0).await
    }

    async fn note_breaker(&self, set: &'static str, number: u32, value: i64) -> Result<(), RegistryError> {
        let failed = self.failed(NOTE);
        let mut transaction = self.begin_writing(NOTE).await?;
        let change = next_change(&mut transaction).await.map_err(&failed)?;
        let set = sqlx::query(set).bind(value).bind(change).bind(i64::from(number));
        set.execute(&mut *transaction).await.map_err(&failed)?;
        transaction.commit().await.map_err(&failed)
    }

    /// Every time that a breaker was open or was to be opened, the oldest first.
    pub async fn breakers(&self) -> Result<Vec<BreakerRecord>, RegistryError> {
        let rows = sqlx::query("SELECT * FROM breakers ORDER BY number").fetch_all(&self.pool().await?).await;
        let read: Result<_, _> = rows.map_err(self.failed("be read"))?.iter().map(read).collect();
        read.map_err(|error| self.in_database(error))
    }

    /// What readers keep to.
    pub async fn openings(&self) -> Result<Openings, RegistryError> {
        Ok(Openings::new(self.breakers().await?.iter().filter_map(BreakerRecord::opening)))
    }

    /// A number that moves whenever something about breakers changes.
    pub async fn breaker_changes(&self) -> Result<i64, RegistryError> {
        let newest = "SELECT COALESCE(MAX(change), 0) FROM breakers";
        let pool = self.pool().await?;
        self.soon(sqlx::query_scalar(newest).fetch_one(&pool)).await.map_err(self.failed("be read"))
    }

    pub(crate) async fn breakers_in(
        &self,
        transaction: &mut Transaction<'_, Any>,
    ) -> Result<Vec<BreakerRecord>, RegistryError> {
        let rows = sqlx::query("SELECT * FROM breakers ORDER BY number").fetch_all(&mut **transaction).await;
        let read: Result<_, _> = rows.map_err(self.failed(NOTE))?.iter().map(read).collect();
        read.map_err(|error| self.in_database(error))
    }
}

/// What the audit log says of an opening.
fn opened_record(requested: &BreakerRecord, from: Micros) -> Record {
    let id = DefinitionId::versioned(Kind::FeatureView, &requested.view);
    let good = match requested.answers {
        OpenAnswer::LastKnownGood => format!(", as of {}", requested.good_until),
        OpenAnswer::NoValue | OpenAnswer::Current => String::new(),
    };
    let by = requested.rule.as_ref().map(|rule| format!("by the rule {rule}")).unwrap_or_default();
    let why: Option<Reason> = requested.why.parse().ok();
    let to = format!(
        "opening {} of {} from {from} on: answers {}{good}",
        requested.number,
        requested.held(),
        requested.answers
    );
    Record::of(AuditAction::BreakerOpen, &id).from("closed").to(to).because(why.as_ref()).detail(by)
}

/// Lets the openings of a version that is removed have never held: nothing was read of it, and a version that gets its name
/// later is another.
pub(crate) async fn remove_openings(
    transaction: &mut Transaction<'_, Any>,
    view: &VersionId,
    at: Micros,
) -> Result<(), sqlx::Error> {
    let change = next_change(transaction).await?;
    let set = "UPDATE breakers SET from_at = NULL, until_at = COALESCE(until_at, $1), change = $2
        WHERE name = $3 AND version = $4";
    sqlx::query(set)
        .bind(at.get())
        .bind(change)
        .bind(view.name.as_str())
        .bind(i64::from(view.version))
        .execute(&mut **transaction)
        .await
        .map(|_| ())
}

async fn next_change(transaction: &mut Transaction<'_, Any>) -> Result<i64, sqlx::Error> {
    let next = "SELECT COALESCE(MAX(change), 0) + 1 FROM breakers";
    sqlx::query_scalar(next).fetch_one(&mut **transaction).await
}

async fn insert(
    transaction: &mut Transaction<'_, Any>,
    record: &BreakerRecord,
    change: i64,
) -> Result<(), sqlx::Error> {
    let insert = "INSERT INTO breakers
        (number, name, version, answers, good_until, requested_at, from_at, until_at, rule, why, opened_by, broken_at,
         has_rows, change, features, claimed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    sqlx::query(insert)
        .bind(i64::from(record.number))
        .bind(record.view.name.as_str())
        .bind(i64::from(record.view.version))
        .bind(record.answers.name())
        .bind(record.good_until.get())
        .bind(record.requested_at.get())
        .bind(record.from.map(Micros::get))
        .bind(record.until.map(Micros::get))
        .bind(&record.rule)
        .bind(&record.why)
        .bind(&record.opened_by)
        .bind(record.broken_at.map(Micros::get))
        .bind(i64::from(record.has_rows))
        .bind(change)
        .bind(record.features.iter().map(Name::as_str).collect::<Vec<_>>().join(","))
        .bind(record.claimed_at.get())
        .execute(&mut **transaction)
        .await
        .map(|_| ())
}

fn read(row: &AnyRow) -> Result<BreakerRecord, RegistryError> {
    let what = |error: &dyn std::fmt::Display| damaged("opening of a breaker", error);
    let text = |column: &str| row.try_get::<String, _>(column).map_err(|error| what(&error));
    let moment = |column: &str| {
        let micros: Option<i64> = row.try_get(column).map_err(|error| what(&error))?;
        micros.map(|micros| Micros::new(micros).map_err(|error| what(&error))).transpose()
    };
    let known = |column: &str| moment(column)?.ok_or_else(|| what(&format!("it has no `{column}`")));
    let name = text("name")?.parse().map_err(|error| what(&error))?;
    let answers = text("answers")?;
    let features = text("features")?;
    let features =
        features.split(',').filter(|name| !name.is_empty()).map(str::parse).collect::<Result<_, _>>();
    let has_rows: i64 = number(row, "has_rows")?;
    Ok(BreakerRecord {
        number: number(row, "number")?,
        view: VersionId { name, version: number(row, "version")? },
        features: features.map_err(|error| what(&error))?,
        answers: OpenAnswer::named(&answers).ok_or_else(|| what(&format!("`{answers}` is no answer")))?,
        good_until: known("good_until")?,
        requested_at: known("requested_at")?,
        from: moment("from_at")?,
        until: moment("until_at")?,
        rule: row.try_get("rule").map_err(|error| what(&error))?,
        why: text("why")?,
        opened_by: text("opened_by")?,
        broken_at: moment("broken_at")?,
        has_rows: has_rows != 0,
        claimed_at: known("claimed_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Home, on_both};

    fn at(seconds: i64) -> Micros {
        Micros::new(1_370_001_600_000_000 + seconds * 1_000_000).unwrap()
    }

    fn request(view: &str) -> RequestOpening {
        RequestOpening {
            view: view.parse().unwrap(),
            features: Vec::new(),
            answers: OpenAnswer::LastKnownGood,
            good_until: at(-60),
            rule: Some("bad_share".to_owned()),
            why: "7 of 10 rows were refused".parse().unwrap(),
        }
    }

    async fn registry(home: &Home) -> Registry {
        let registry = Registry::open(&home.url()).await.unwrap();
        registry.with_actor("ann")
    }

    async fn a_breaker_is_opened_once_prepared_and_closed_once_with_both_in_the_audit_log(home: &Home) {
        let registry = registry(home).await;
        let requested = registry.request_opening(&request("clicks@2"), at(0)).await.unwrap();
        assert!(registry.openings().await.unwrap().is_empty(), "what is prepared does not hold");
        let opened = registry.open_breaker(&requested, || at(0)).await.unwrap();
        let openings = registry.openings().await.unwrap();
        assert_eq!(openings.at(&opened.view, at(2)).next(), opened.opening().as_ref());
        let again = registry.request_opening(&request("clicks@2"), at(3)).await.unwrap_err();
        assert!(matches!(again, RegistryError::BreakerIsOpen { .. }), "{again}");
        registry.request_opening(&request("clicks@3"), at(3)).await.unwrap();

        let before = registry.breaker_changes().await.unwrap();
        registry.note_broken(opened.number, at(50)).await.unwrap();
        assert!(registry.breaker_changes().await.unwrap() > before);
        let closed = registry.close_breaker(&opened, || at(100), (None, None)).await.unwrap();
        assert_eq!((closed.until, closed.broken_at), (Some(at(102)), Some(at(50))));
        let twice = registry.close_breaker(&opened, || at(108), (None, None)).await.unwrap_err();
        assert!(matches!(twice, RegistryError::BreakerIsClosed { .. }), "{twice}");
        let openings = registry.openings().await.unwrap();
        assert_eq!(openings.at(&opened.view, at(101)).next().map(|one| one.number), Some(opened.number));
        assert_eq!(openings.at(&opened.view, at(102)).next(), None);

        let log = registry.audit().await.unwrap();
        let said: Vec<_> = log
            .entries
            .iter()
            .map(|entry| (entry.action, entry.actor.as_str(), entry.reason.as_deref()))
            .collect();
        let opening = (AuditAction::BreakerOpen, "ann", Some("7 of 10 rows were refused"));
        assert_eq!(said, [opening, (AuditAction::BreakerClose, "ann", None)]);
        assert!(log.damaged.is_empty());
    }

    async fn openings_of_other_features_of_a_view_stand_beside_each_other_and_close_alone(home: &Home) {
        let registry = registry(home).await;
        let of = |features: &[&str]| RequestOpening {
            features: features.iter().map(|name| name.parse().unwrap()).collect(),
            ..request("clicks@2")
        };
        let first = registry.request_opening(&of(&["page"]), at(0)).await.unwrap();
        // Neither waits for the other, and neither is given up for it.
        let second = registry.request_opening(&of(&["ms", "time"]), at(1)).await.unwrap();
        let first = registry.open_breaker(&first, || at(1)).await.unwrap();
        let second = registry.open_breaker(&second, || at(2)).await.unwrap();
        for taken in [of(&["page", "other"]), of(&["time"]), of(&[])] {
            let refused = registry.request_opening(&taken, at(4)).await.unwrap_err();
            assert!(matches!(refused, RegistryError::BreakerIsOpen { .. }), "{refused}");
        }
        let held_at = async |name: &str, seconds| {
            let openings = registry.openings().await.unwrap();
            openings.of_feature(&first.view, &name.parse().unwrap(), at(seconds)).map(|one| one.number)
        };
        assert_eq!(held_at("page", 5).await, Some(first.number));
        assert_eq!(held_at("ms", 5).await, Some(second.number));
        assert_eq!(held_at("other", 5).await, None);
        registry.close_breaker(&first, || at(5), (None, None)).await.unwrap();
        assert_eq!(held_at("page", 7).await, None);
        assert_eq!(held_at("time", 7).await, Some(second.number));
        assert_eq!(registry.breakers().await.unwrap()[1].features, second.features);
    }

    async fn a_request_that_was_never_carried_out_gives_way_to_the_next_and_cannot_open_any_more(
        home: &Home,
    ) {
        let registry = registry(home).await;
        let first = registry.request_opening(&request("clicks@2"), at(0)).await.unwrap();
        let by_rule = registry.request_opening(&request("clicks@2"), at(1)).await.unwrap_err();
        assert!(matches!(by_rule, RegistryError::BreakerIsOpen { .. }), "{by_rule}");
        let by_hand = RequestOpening { rule: None, ..request("clicks@2") };
        let second = registry.request_opening(&by_hand, at(1)).await.unwrap();
        assert!(second.number > first.number);
        let refused = registry.open_breaker(&first, || at(2)).await.unwrap_err();
        assert!(matches!(refused, RegistryError::OpeningGivenUp { number: 1, .. }), "{refused}");
        registry.open_breaker(&second, || at(2)).await.unwrap();
        // One that is closed before it holds never held.
        let closed = registry.close_breaker(&second, || at(2), (None, None)).await.unwrap();
        assert_eq!(closed.until, closed.from);
        assert!([3, 4, 5].iter().all(|&s| !closed.opening().unwrap().covers(at(s))));
        let third = registry.request_opening(&request("clicks@2"), at(5)).await.unwrap();
        assert!(third.number > second.number);
    }

    async fn an_opening_is_left_to_whoever_says_that_it_goes_on_and_is_given_up_once_nobody_does(
        home: &Home,
    ) {
        let registry = registry(home).await;
        let first = registry.request_opening(&request("clicks@2"), at(0)).await.unwrap();
        assert!(registry.claim_opening(first.number, at(29)).await.unwrap());
        let newest = || async { registry.breakers().await.unwrap().remove(0) };
        assert!(newest().await.is_claimed(at(58)) && !newest().await.is_claimed(at(59)));
        let waits = registry.request_opening(&request("clicks@2"), at(58)).await.unwrap_err();
        assert!(matches!(waits, RegistryError::BreakerIsOpen { .. }), "{waits}");
        registry.request_opening(&request("clicks@2"), at(59)).await.unwrap();
        assert!(!registry.claim_opening(first.number, at(60)).await.unwrap(), "it was given up");
        let given_up = newest().await;
        assert_eq!(given_up.until, Some(at(59)));
        registry.give_up_opening(first.number, at(70)).await.unwrap();
        assert_eq!(newest().await, given_up, "it was given up before");
    }

    async fn no_moment_is_past_before_an_opening_or_a_closing_is_recorded(home: &Home) {
        use std::sync::atomic::{AtomicI64, Ordering};
        static CALLS: AtomicI64 = AtomicI64::new(0);
        // Ten seconds pass between the first two looks, as where the disk is busy, and none after.
        fn slow() -> Micros {
            at(if CALLS.fetch_add(1, Ordering::Relaxed) % 4 == 0 { 0 } else { 10 })
        }
        // One clock after the other.
        static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let _alone = ALONE.lock().await;
        CALLS.store(0, Ordering::Relaxed);
        let registry = registry(home).await;
        let requested = registry.request_opening(&request("clicks@2"), at(0)).await.unwrap();
        let opened = registry.open_breaker(&requested, slow).await.unwrap();
        assert_eq!(opened.from, Some(at(12)));
        assert_eq!(CALLS.load(Ordering::Relaxed), 4);
        let closed = registry.close_breaker(&opened, slow, (None, None)).await.unwrap();
        assert_eq!(closed.until, Some(at(12)));
        let recorded = registry.breakers().await.unwrap().remove(0);
        assert_eq!((recorded.from, recorded.until), (opened.from, closed.until));
        assert_eq!(registry.audit().await.unwrap().entries.len(), 2, "what was begun again left no entry");
    }

    async fn no_rule_closes_or_holds_open_what_a_person_has_opened(home: &Home) {
        let registry = registry(home).await;
        let by_hand = RequestOpening { rule: None, ..request("clicks@2") };
        let requested = registry.request_opening(&by_hand, at(0)).await.unwrap();
        let opened = registry.open_breaker(&requested, || at(0)).await.unwrap();
        registry.note_broken(opened.number, at(5)).await.unwrap();
        let refused = registry.close_breaker(&opened, || at(9), (Some("skew"), None)).await.unwrap_err();
        assert!(matches!(refused, RegistryError::BreakerIsClosed { .. }), "{refused}");
        let left = registry.breakers().await.unwrap().remove(0);
        assert_eq!((left.until, left.broken_at), (None, None));
        registry.close_breaker(&opened, || at(9), (None, None)).await.unwrap();
    }

    on_both!(
        a_breaker_is_opened_once_prepared_and_closed_once_with_both_in_the_audit_log,
        openings_of_other_features_of_a_view_stand_beside_each_other_and_close_alone,
        a_request_that_was_never_carried_out_gives_way_to_the_next_and_cannot_open_any_more,
        an_opening_is_left_to_whoever_says_that_it_goes_on_and_is_given_up_once_nobody_does,
        no_moment_is_past_before_an_opening_or_a_closing_is_recorded,
        no_rule_closes_or_holds_open_what_a_person_has_opened
    );
}
