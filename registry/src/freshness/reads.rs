//! What servers counted of reads, by view, feature and service, and of served values that were compared with the log: in minutes for alerts, in hours for budgets. Counts of several
//! servers add up.

use feature::{Micros, Name, Span, VersionId};
use sqlx::Row;
use sqlx::any::AnyRow;

use crate::error::RegistryError;
use crate::keys::Kind;
use crate::store::Registry;
use crate::stored::{damaged, number};

/// How long minutes and hours are kept, in microseconds: a day more than what burn rates and budgets need.
const KEPT: [(Span, i64); 2] =
    [(Span::MINUTE, 24 * Span::HOUR.micros()), (Span::HOUR, 31 * 24 * Span::HOUR.micros())];

/// What reads are counted for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Measured {
    /// How fresh reads of the view or the service were.
    Reads,
    /// How fresh reads of a feature of the view were.
    Feature(Name),
    /// Whether served values of the view are what its log gives: good ones are, bad ones are not.
    Served,
}

/// What [`Measured::Served`] is called in the table; no feature is.
const SERVED: &str = "@served";

impl Measured {
    fn text(&self) -> &str {
        match self {
            Measured::Reads => "",
            Measured::Feature(name) => name.as_str(),
            Measured::Served => SERVED,
        }
    }

    fn of_text(text: &str) -> Option<Self> {
        match text {
            "" => Some(Measured::Reads),
            SERVED => Some(Measured::Served),
            name => Some(Measured::Feature(name.parse().ok()?)),
        }
    }
}

/// What was counted of the reads of one view or service in one slot of time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CountedReads {
    /// Whether it is a view or a service.
    pub kind: Kind,
    /// Which.
    pub id: VersionId,
    /// What they are counted for.
    pub measured: Measured,
    /// A moment in the slot; read back, its begin.
    pub at: Micros,
    /// Reads that were as fresh as promised.
    pub good: u64,
    /// Reads that were staler.
    pub bad: u64,
    /// Reads of which it is not known.
    pub unknown: u64,
    /// Reads of entities that were never seen.
    pub missing: u64,
}

/// What was counted of the reads of one view or service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadsOf {
    /// Whether it is a view or a service.
    pub kind: Kind,
    /// Which.
    pub id: VersionId,
    /// What they are counted for.
    pub measured: Measured,
    /// By slot of time, the first first.
    pub slots: Vec<ReadSlot>,
}

/// What was counted in one slot of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadSlot {
    /// Its begin.
    pub at: Micros,
    /// Reads that were as fresh as promised.
    pub good: u64,
    /// Reads that were staler.
    pub bad: u64,
    /// Reads of which it is not known.
    pub unknown: u64,
    /// Reads of entities that were never seen.
    pub missing: u64,
}

impl Registry {
    /// Adds counts to those that are there, and drops those that nothing needs at `now`.
    pub async fn add_reads(&self, counted: &[CountedReads], now: Micros) -> Result<(), RegistryError> {
        let failed = self.failed("keep how fresh reads were");
        let mut transaction = self.begin_writing("keep how fresh reads were").await?;
        for (slot, kept) in KEPT {
            for one in counted {
                let add = "INSERT INTO freshness_reads
                    (kind, name, version, measured, slot, began, good, bad, unknown, missing)
                    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                    ON CONFLICT (kind, name, version, measured, slot, began) DO UPDATE SET
                    good = freshness_reads.good + excluded.good,
                    bad = freshness_reads.bad + excluded.bad,
                    unknown = freshness_reads.unknown + excluded.unknown,
                    missing = freshness_reads.missing + excluded.missing";
                let mut query = sqlx::query(add)
                    .bind(one.kind.name())
                    .bind(one.id.name.as_str())
                    .bind(i64::from(one.id.version))
                    .bind(one.measured.text())
                    .bind(slot.micros())
                    .bind(one.at.floor(slot));
                for count in [one.good, one.bad, one.unknown, one.missing] {
                    query = query.bind(i64::try_from(count).unwrap_or(i64::MAX));
                }
                query.execute(&mut *transaction).await.map_err(&failed)?;
            }
            sqlx::query("DELETE FROM freshness_reads WHERE slot = $1 AND began < $2")
                .bind(slot.micros())
                .bind(now.get().saturating_sub(kept))
                .execute(&mut *transaction)
                .await
                .map_err(&failed)?;
        }
        transaction.commit().await.map_err(&failed)
    }

    /// What was counted in slots of a minute or an hour that began from a moment on, of all views and services; by kind,
    /// name, version and begin.
    pub async fn reads(&self, slot: Span, from: Micros) -> Result<Vec<CountedReads>, RegistryError> {
        let query =
            "SELECT kind, name, version, measured, began, good, bad, unknown, missing FROM freshness_reads
             WHERE slot = $1 AND began >= $2 AND began < $3 ORDER BY kind, name, version, measured, began";
        self.counted(query, slot, from, Micros::MAX).await
    }

    /// What was counted in slots that began from a moment on and before another, both taken at the begin of their slots; by
    /// view and service. The database makes one row of all slots of each: many slots are read some ten times as fast.
    pub async fn reads_between(
        &self,
        slot: Span,
        from: Micros,
        to: Micros,
    ) -> Result<Vec<ReadsOf>, RegistryError> {
        let query = "SELECT kind, name, version, measured,
                string_agg(began || ',' || good || ',' || bad || ',' || unknown || ',' || missing, ';') AS slots
             FROM freshness_reads WHERE slot = $1 AND began >= $2 AND began < $3
             GROUP BY kind, name, version, measured ORDER BY kind, name, version, measured";
        let rows = sqlx::query(query).bind(slot.micros()).bind(from.floor(slot)).bind(to.floor(slot));
        let rows = rows.fetch_all(&self.pool().await?).await.map_err(self.failed("be read"))?;
        let read: Result<_, _> = rows.iter().map(reads_of).collect();
        read.map_err(|error| self.in_database(error))
    }

    /// The sums of such slots, one for each view and service, with the begin of the first.
    pub async fn reads_summed(
        &self,
        slot: Span,
        from: Micros,
        to: Micros,
    ) -> Result<Vec<CountedReads>, RegistryError> {
        let query =
            "SELECT kind, name, version, measured, MIN(began) AS began, CAST(SUM(good) AS BIGINT) AS good, CAST(SUM(bad) AS BIGINT) AS bad,
                CAST(SUM(unknown) AS BIGINT) AS unknown, CAST(SUM(missing) AS BIGINT) AS missing FROM freshness_reads
             WHERE slot = $1 AND began >= $2 AND began < $3
             GROUP BY kind, name, version, measured ORDER BY kind, name, version, measured";
        self.counted(query, slot, from, to).await
    }

    async fn counted(
        &self,
        query: &'static str,
        slot: Span,
        from: Micros,
        to: Micros,
    ) -> Result<Vec<CountedReads>, RegistryError> {
        let rows = sqlx::query(query).bind(slot.micros()).bind(from.floor(slot)).bind(to.floor(slot));
        let rows = rows.fetch_all(&self.pool().await?).await.map_err(self.failed("be read"))?;
        let counted: Result<_, _> = rows.iter().map(counted).collect();
        counted.map_err(|error| self.in_database(error))
    }
}

/// Counts from a row of `freshness_reads`.
fn counted(row: &AnyRow) -> Result<CountedReads, RegistryError> {
    let (kind, id, measured) = subject(row)?;
    Ok(CountedReads {
        kind,
        id,
        measured,
        at: Micros::new(number(row, "began")?).map_err(|error| damaged("counted reads", &error))?,
        good: number(row, "good")?,
        bad: number(row, "bad")?,
        unknown: number(row, "unknown")?,
        missing: number(row, "missing")?,
    })
}

/// The view or the service that a row is about, and what is measured of it.
fn subject(row: &AnyRow) -> Result<(Kind, VersionId, Measured), RegistryError> {
    let what = |error: &dyn std::fmt::Display| damaged("counted reads", error);
    let text = |column: &str| row.try_get::<String, _>(column).map_err(|error| what(&error));
    let kind = text("kind")?;
    let kind = Kind::named(&kind).ok_or_else(|| what(&format!("`{kind}` is not a kind")))?;
    let name = text("name")?.parse().map_err(|error| what(&error))?;
    let measured = text("measured")?;
    let measured =
        Measured::of_text(&measured).ok_or_else(|| what(&format!("`{measured}` is not measured")))?;
    Ok((kind, VersionId { name, version: number(row, "version")? }, measured))
}

/// All slots of a view or a service from a row that has them as one text.
fn reads_of(row: &AnyRow) -> Result<ReadsOf, RegistryError> {
    let (kind, id, measured) = subject(row)?;
    let text: &str = row.try_get("slots").map_err(|error| damaged("counted reads", &error))?;
    let slots = text.split(';').map(read_slot).collect::<Option<Vec<ReadSlot>>>();
    let unreadable = || damaged("counted reads", &format!("those of {id} are no numbers"));
    let mut slots = slots.ok_or_else(unreadable)?;
    slots.sort_unstable_by_key(|slot| slot.at);
    Ok(ReadsOf { kind, id, measured, slots })
}

fn read_slot(text: &str) -> Option<ReadSlot> {
    let mut numbers = text.split(',');
    let at = Micros::new(numbers.next()?.parse().ok()?).ok()?;
    let mut count = || numbers.next()?.parse::<u64>().ok();
    Some(ReadSlot { at, good: count()?, bad: count()?, unknown: count()?, missing: count()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Home, on_both};

    const NOON: i64 = 1_370_001_600_000_000;

    fn counted(seconds: i64, good: u64, bad: u64) -> CountedReads {
        CountedReads {
            kind: Kind::FeatureView,
            id: "clicks@2".parse().unwrap(),
            measured: Measured::Reads,
            at: Micros::new(NOON + seconds * 1_000_000).unwrap(),
            good,
            bad,
            unknown: 1,
            missing: 0,
        }
    }

    async fn counts_of_servers_add_up_by_minute_and_by_hour_and_old_ones_are_dropped(home: &Home) {
        let registry = Registry::open(&home.url()).await.unwrap();
        let at = |seconds| counted(seconds, 0, 0).at;
        registry.add_reads(&[counted(5, 10, 1), counted(70, 20, 0)], at(70)).await.unwrap();
        let other = Registry::open(&home.url()).await.unwrap();
        other.add_reads(&[counted(59, 5, 2)], at(70)).await.unwrap();
        let found = registry.reads(Span::MINUTE, at(30)).await.unwrap();
        let begun = |seconds, good, bad, unknown| CountedReads { unknown, ..counted(seconds, good, bad) };
        assert_eq!(found, [begun(0, 15, 3, 2), begun(60, 20, 0, 1)]);
        assert_eq!(registry.reads(Span::MINUTE, at(60)).await.unwrap().len(), 1);
        assert_eq!(registry.reads(Span::HOUR, at(0)).await.unwrap(), [begun(0, 35, 3, 3)]);
        registry.add_reads(&[], at(2 * 24 * 3_600)).await.unwrap();
        assert_eq!(registry.reads(Span::MINUTE, at(0)).await.unwrap(), []);
        assert_eq!(registry.reads(Span::HOUR, at(0)).await.unwrap().len(), 1);
        registry.add_reads(&[], at(32 * 24 * 3_600)).await.unwrap();
        assert_eq!(registry.reads(Span::HOUR, at(0)).await.unwrap(), []);
    }

    async fn slots_of_each_subject_come_together_in_their_order_and_add_up_to_their_sum(home: &Home) {
        let registry = Registry::open(&home.url()).await.unwrap();
        let other = |seconds| CountedReads { id: "clicks@10".parse().unwrap(), ..counted(seconds, 7, 0) };
        for reads in [counted(120, 1, 2), counted(0, 3, 4), other(60), counted(60, 5, 6), counted(180, 9, 9)]
        {
            registry.add_reads(&[reads], counted(0, 0, 0).at).await.unwrap();
        }
        let [from, to] = [0, 180].map(|seconds| counted(seconds, 0, 0).at);
        let read = registry.reads_between(Span::MINUTE, from, to).await.unwrap();
        let slot = |seconds, good, bad| ReadSlot {
            at: counted(seconds, 0, 0).at,
            good,
            bad,
            unknown: 1,
            missing: 0,
        };
        let found: Vec<_> = read.iter().map(|of| (of.id.version, of.slots.clone())).collect();
        assert_eq!(
            found,
            [(2, vec![slot(0, 3, 4), slot(60, 5, 6), slot(120, 1, 2)]), (10, vec![slot(60, 7, 0)])]
        );
        let summed = registry.reads_summed(Span::MINUTE, from, to).await.unwrap();
        let found: Vec<_> = summed.iter().map(|one| (one.id.version, one.at, one.good, one.bad)).collect();
        assert_eq!(found, [(2, from, 9, 12), (10, counted(60, 0, 0).at, 7, 0)]);
    }

    async fn what_is_measured_of_a_view_is_counted_apart(home: &Home) {
        let registry = Registry::open(&home.url()).await.unwrap();
        let all = [Measured::Reads, Measured::Served, Measured::Feature("page".parse().unwrap())];
        let of =
            |measured: &Measured, good| CountedReads { measured: measured.clone(), ..counted(0, good, 0) };
        let counts: Vec<CountedReads> =
            all.iter().zip(1..).map(|(measured, good)| of(measured, good)).collect();
        registry.add_reads(&counts, counts[0].at).await.unwrap();
        registry.add_reads(&counts[2..], counts[0].at).await.unwrap();
        let read = registry.reads_between(Span::MINUTE, counts[0].at, Micros::MAX).await.unwrap();
        let found: Vec<_> = read.iter().map(|of| (&of.measured, of.slots[0].good)).collect();
        assert_eq!(found, [(&all[0], 1), (&all[1], 2), (&all[2], 6)]);
    }

    on_both!(
        counts_of_servers_add_up_by_minute_and_by_hour_and_old_ones_are_dropped,
        slots_of_each_subject_come_together_in_their_order_and_add_up_to_their_sum,
        what_is_measured_of_a_view_is_counted_apart
    );
}
