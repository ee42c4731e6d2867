//! Rows as a batch source gives them: a batch in the declared types, and the rows of it that cannot be read.

use arrow::array::RecordBatch;
use feature::{Name, Position};

/// Consecutive rows of a file.
pub struct SourceRows {
    /// The number of the first row in the file, from 0.
    pub first_row: u64,
    /// The requested columns; a value that cannot be read is null.
    pub batch: RecordBatch,
    /// The position of each row, where it has one beside that in its file: in the log of another view.
    pub positions: Option<Vec<Position>>,
    /// In the order of their rows.
    pub unreadable: Vec<UnreadableRow>,
}

impl SourceRows {
    /// The position of a row, by its index in the batch, in the file with this number.
    pub(crate) fn position(&self, file: u32, row: usize) -> Position {
        let own = self.positions.as_ref().map(|positions| positions.get(row).copied());
        let own = own.map(|own| own.expect("invariant: each row of a batch has a position"));
        own.unwrap_or(Position::History { file, row: self.first_row + row as u64 })
    }
}

/// A row that cannot be read.
#[derive(Clone, Debug)]
pub struct UnreadableRow {
    /// Its index in the batch.
    pub row: usize,
    /// Everything that is wrong with it.
    pub problems: Vec<RowProblem>,
    /// Its text, as much as a dead letter keeps.
    pub shown: String,
}

/// One thing that is wrong with a row.
#[derive(Clone, Debug)]
pub struct RowProblem {
    /// The declared column, if the problem is of one.
    pub column: Option<Name>,
    /// What is wrong.
    pub what: String,
}

impl UnreadableRow {
    /// Everything that is wrong with it, in one text.
    pub fn detail(&self) -> String {
        self.problems.iter().map(|problem| problem.what.as_str()).collect::<Vec<_>>().join("; ")
    }
}
