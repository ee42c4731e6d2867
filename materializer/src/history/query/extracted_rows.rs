//! Which rows of a query are new: those that are left of them once every row of the earlier extracts is taken away,
//! each as often as it is there.
//!
//! Rows are compared by a digest of 128 bits of their fields. Extracts may have other columns than the query has now,
//! as after a column was added to the source: a row is compared with the rows of an extract by the columns that both
//! have.

use std::collections::BTreeMap;

use feature::{DataType, Micros, Scalar, Span, Value};
use sha2::{Digest, Sha256};

use super::extract_summary::{ExtractSummary, Moments};
use super::query_columns::{Holds, QueryColumn};
use crate::error::MaterializerError;
use crate::history::csv;
use crate::history::source_file::SourceFile;
use crate::history::text_records;

/// The column by which a query is bounded, and how far before its newest value rows are read again.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) column: QueryColumn,
    pub(super) lookback: Span,
}

impl Cursor {
    /// The first moment from which on rows are read again, if this is the newest one that was extracted.
    fn bound(&self, newest: Micros) -> Option<Micros> {
        let bound = newest.get().checked_sub(self.lookback.micros())?;
        let bound = if self.column.holds == Holds::Date { feature::floor(bound, Span::DAY) } else { bound };
        Micros::new(bound).ok()
    }
}

/// The rows of earlier extracts, those that were found in the query taken away.
#[derive(Debug, Default)]
pub(super) struct ExtractedRows {
    /// One for each set of columns that extracts have.
    sets: Vec<RowsOfColumns>,
    /// From when on rows were compared; `None` if all are.
    pub(super) bound: Option<Micros>,
}

/// Rows of extracts with the same columns.
#[derive(Debug)]
struct RowsOfColumns {
    /// The indexes of these among the columns of the query, in the order of their names.
    columns: Vec<usize>,
    /// In order, each once.
    digests: Vec<u128>,
    /// For each digest how many rows have it and were not found yet.
    left: Vec<u32>,
}

impl ExtractedRows {
    /// Those of all earlier extracts, or with a cursor those from its bound on. Blocks: reads the extracts, but for those
    /// whose rows all lie before the bound.
    pub(super) fn read(
        extracts: &[SourceFile],
        columns: &[QueryColumn],
        cursor: Option<&Cursor>,
    ) -> Result<Self, MaterializerError> {
        let summary = |file: &SourceFile| {
            ExtractSummary::read(&file.path).map_err(|error| MaterializerError::file(&file.path, error))
        };
        let summaries = extracts.iter().map(summary).collect::<Result<Vec<_>, _>>()?;
        let moments = |summary: &ExtractSummary| summary.moments.get(&cursor?.column.name).copied();
        let newest = summaries.iter().filter_map(|summary| moments(summary)?.newest).max();
        let bound = cursor.zip(newest).and_then(|(cursor, newest)| cursor.bound(newest));
        let lies_before = |summary: &ExtractSummary| {
            let is_before = |(moments, bound): (Moments, Micros)| {
                moments.without == 0 && moments.newest.is_none_or(|newest| newest < bound)
            };
            moments(summary).zip(bound).is_some_and(is_before)
        };
        let mut read: BTreeMap<Vec<usize>, Vec<u128>> = BTreeMap::new();
        for (file, summary) in extracts.iter().zip(&summaries).filter(|(_, summary)| !lies_before(summary)) {
            let (compared, digests) = of_file((file, summary), columns, cursor.zip(bound))?;
            read.entry(compared).or_default().extend(digests);
        }
        // Extracts with more of the columns come first: they say more of a row.
        let mut sets: Vec<RowsOfColumns> = read.into_iter().map(RowsOfColumns::of).collect();
        sets.sort_by_key(|set| std::cmp::Reverse(set.columns.len()));
        Ok(Self { sets, bound })
    }

    /// Takes a row of the query away from the earlier ones; false if it is new.
    pub(super) fn take(&mut self, fields: &[Option<String>]) -> bool {
        self.sets.iter_mut().any(|set| set.take(fields))
    }

    /// How many rows of earlier extracts were not found.
    pub(super) fn left(&self) -> u64 {
        self.sets.iter().flat_map(|set| &set.left).map(|left| u64::from(*left)).sum()
    }
}

impl RowsOfColumns {
    fn of((columns, mut rows): (Vec<usize>, Vec<u128>)) -> Self {
        rows.sort_unstable();
        let (mut digests, mut left): (Vec<u128>, Vec<u32>) = (Vec::new(), Vec::new());
        for digest in rows {
            match left.last_mut().filter(|_| digests.last() == Some(&digest)) {
                // Beyond that many equal rows the next one counts as new.
                Some(left) => *left = left.saturating_add(1),
                None => {
                    digests.push(digest);
                    left.push(1);
                }
            }
        }
        Self { columns, digests, left }
    }

    fn take(&mut self, fields: &[Option<String>]) -> bool {
        // Rows without a common column say nothing of each other.
        if self.columns.is_empty() {
            return false;
        }
        let own = self.columns.iter().map(|column| fields.get(*column).and_then(Option::as_deref));
        let found = self.digests.binary_search(&digest(own)).ok();
        let left = found.and_then(|index| self.left.get_mut(index)).filter(|left| **left > 0);
        left.map(|left| *left -= 1).is_some()
    }
}

/// The columns of the query that an extract has as the same type, in the order of their names, and the digests of its rows by
/// these; with a bound of those that do not lie before it. Rows without a moment do not: the query gives them as well.
fn of_file(
    (file, summary): (&SourceFile, &ExtractSummary),
    columns: &[QueryColumn],
    from: Option<(&Cursor, Micros)>,
) -> Result<(Vec<usize>, Vec<u128>), MaterializerError> {
    let wrong = |why: String| MaterializerError::file(&file.path, why);
    let (header, mut records) = csv::open_records(file)?;
    let index = |name: &str| header.iter().position(|column| column == name);
    let is_same = |column: &QueryColumn| {
        summary.types.get(&*column.name).is_none_or(|data_type| *data_type == column.data_type)
    };
    // A map is in the order of its keys.
    let compared: BTreeMap<&str, (usize, usize)> = columns
        .iter()
        .enumerate()
        .filter(|(_, column)| is_same(column))
        .filter_map(|(own, column)| Some((&*column.name, (own, index(&column.name)?))))
        .collect();
    let from = from.and_then(|(cursor, bound)| Some((index(&cursor.column.name)?, bound)));
    let mut digests = Vec::new();
    while let Some(record) = records.next_text().map_err(|error| wrong(error.to_string()))? {
        let fields = text_records::fields(&record, records.separator()).map_err(&wrong)?;
        let field = |index: usize| fields.get(index).and_then(Option::as_deref);
        let lies_before =
            |(at, bound): (usize, Micros)| field(at).and_then(moment).is_some_and(|found| found < bound);
        if !from.is_some_and(lies_before) {
            digests.push(digest(compared.values().map(|(_, index)| field(*index))));
        }
    }
    Ok((compared.values().map(|(own, _)| *own).collect(), digests))
}

/// The moment of a field; `None` if it is null, or no moment of the years 0001 to 9999.
pub(super) fn moment(text: &str) -> Option<Micros> {
    match feature::field(text, DataType::from(Scalar::Timestamp))? {
        Value::Timestamp(moment) => Some(moment),
        _ => None,
    }
}

/// The first 128 bits of the SHA-256 of the fields, each with its length.
fn digest<'a>(fields: impl Iterator<Item = Option<&'a str>>) -> u128 {
    let mut hash = Sha256::new();
    for field in fields {
        // No field is as long as what stands for null.
        let length = field.map_or(u64::MAX, |text| text.len() as u64);
        hash.update(length.to_le_bytes());
        hash.update(field.unwrap_or_default());
    }
    let bytes: [u8; 32] = hash.finalize().into();
    let (first, _) = bytes.split_first_chunk::<16>().expect("invariant: a SHA-256 has 32 bytes");
    u128::from_le_bytes(*first)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn column(name: &str, holds: Holds, data_type: &str) -> QueryColumn {
        QueryColumn { name: name.to_owned(), holds, data_type: data_type.parse().unwrap() }
    }

    fn texts(names: &[&str]) -> Vec<QueryColumn> {
        names.iter().map(|name| column(name, Holds::Text, "string")).collect()
    }

    fn extract(folder: &Path, number: u32, text: &str) -> SourceFile {
        let path = folder.join(format!("{number:06}.csv.zst"));
        let mut summary = ExtractSummary::default();
        if let Some(rows) = text.strip_prefix("at\n") {
            let moments = summary.moments.entry("at".to_owned()).or_default();
            rows.lines().for_each(|row| moments.add(moment(row)));
        }
        let rows = zstd::encode_all(text.as_bytes(), 1).unwrap();
        fs::write(&path, [rows, summary.frame().unwrap()].concat()).unwrap();
        let none = Default::default;
        SourceFile {
            name: number.to_string(),
            path,
            partition: Vec::new(),
            table_columns: none(),
            replaces: none(),
        }
    }

    fn row(fields: &[Option<&str>]) -> Vec<Option<String>> {
        fields.iter().map(|field| field.map(str::to_owned)).collect()
    }

    #[test]
    fn null_and_the_empty_text_are_two_values_and_fields_do_not_run_into_each_other() {
        let rows: [&[Option<&str>]; 6] = [
            &[None, None],
            &[Some(""), None],
            &[None, Some("")],
            &[Some("a"), Some("b")],
            &[Some("ab"), Some("")],
            &[Some("ab"), None],
        ];
        let all: std::collections::BTreeSet<u128> =
            rows.iter().map(|row| digest(row.iter().copied())).collect();
        assert_eq!(all.len(), rows.len());
    }

    #[test]
    fn rows_are_compared_by_the_columns_that_an_extract_has() {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            extract(folder.path(), 1, "a,b\n1,x\n1,x\n2,y\n"),
            extract(folder.path(), 2, "b,c,a\nz,new,3\n"),
        ];
        let mut rows = ExtractedRows::read(&files, &texts(&["a", "b", "c"]), None).unwrap();
        let mut is_known = |a, b, c| rows.take(&row(&[Some(a), Some(b), c]));
        // The first extract has no `c`.
        assert!(is_known("1", "x", Some("anything")) && is_known("1", "x", None));
        assert!(!is_known("1", "x", None), "it was there twice");
        assert!(!is_known("3", "z", None) && is_known("3", "z", Some("new")));
        assert_eq!(rows.left(), 1);
        let mut rows = ExtractedRows::read(&files, &texts(&["other"]), None).unwrap();
        assert!(!rows.take(&row(&[Some("1")])));
        assert_eq!(rows.left(), 4);
    }

    #[test]
    fn with_a_cursor_only_rows_from_its_bound_on_are_compared() {
        let folder = tempfile::tempdir().unwrap();
        let text = "at\n2013-06-01T00:00:00Z\n2013-06-02T12:00:00Z\n2013-06-03T12:00:00Z\n\"\"\ninfinity\n";
        let files = [extract(folder.path(), 1, text)];
        for (holds, left) in [(Holds::Timestamp, 4), (Holds::Date, 4)] {
            let at = column("at", holds, "timestamp");
            let cursor = Cursor { column: at.clone(), lookback: Span::DAY };
            let rows = ExtractedRows::read(&files, &[at], Some(&cursor)).unwrap();
            assert_eq!(rows.left(), left);
            let bound = if holds == Holds::Date { "2013-06-02T00:00:00Z" } else { "2013-06-02T12:00:00Z" };
            assert_eq!(rows.bound, Some(bound.parse().unwrap()));
        }
    }

    #[test]
    fn an_extract_whose_rows_all_lie_before_the_bound_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let old = extract(folder.path(), 1, "at\n2013-06-01T00:00:00Z\n");
        let new = extract(folder.path(), 2, "at\n2013-06-03T12:00:00Z\n");
        let at = column("at", Holds::Timestamp, "timestamp");
        let read = |files: &[SourceFile], cursor: Option<&Cursor>| {
            ExtractedRows::read(files, std::slice::from_ref(&at), cursor).map(|rows| rows.left())
        };
        let cursor = Cursor { column: at.clone(), lookback: Span::DAY };
        // Its summary is whole, and its rows are not.
        let mut damaged = fs::read(&old.path).unwrap();
        damaged[..4].fill(0);
        fs::write(&old.path, damaged).unwrap();
        let files = [old, new];
        assert_eq!(read(&files, Some(&cursor)).unwrap(), 1);
        assert!(read(&files, None).unwrap_err().to_string().contains("000001.csv.zst"));
    }

    proptest! {
        #[test]
        fn what_is_new_is_the_difference_of_multisets(
            before in prop::collection::vec(0_u8..6, 0..40), now in prop::collection::vec(0_u8..6, 0..40)
        ) {
            let folder = tempfile::tempdir().unwrap();
            let text: String = before.iter().map(|value| format!("{value}\n")).collect();
            let files = [extract(folder.path(), 1, &format!("a\n{text}"))];
            let mut rows = ExtractedRows::read(&files, &texts(&["a"]), None).unwrap();
            let new: Vec<u8> =
                now.iter().copied().filter(|value| !rows.take(&[Some(value.to_string())])).collect();
            let mut left = before.clone();
            let expected: Vec<u8> = now.iter().copied().filter(|value| {
                let at = left.iter().position(|other| other == value);
                at.map(|at| left.remove(at)).is_none()
            }).collect();
            prop_assert_eq!(new, expected);
            prop_assert_eq!(rows.left(), left.len() as u64);
        }
    }
}
