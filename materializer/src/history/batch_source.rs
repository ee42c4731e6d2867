//! What a batch source offers: the files of its history, and their rows. Parquet, CSV and JSON files and Delta
//! tables are siblings, and so are the rows of another view; another kind of source implements these traits, passes the suite in `contract.rs`, and
//! gets a line in `locate.rs`.

use feature::{Field, VersionId};
use futures::future::BoxFuture;
use offline::Marker;

use super::file_text;
use super::source_file::{SourceFile, SourceFiles, TableVersions};
use super::source_rows::{RowProblem, SourceRows};
use crate::error::MaterializerError;

/// A source of history.
pub trait BatchSource: Send + Sync {
    /// Its files in the order in which they are numbered. Of a table only those that came since the version up to
    /// which everything was loaded. `view` is named in errors.
    fn files<'a>(
        &'a self,
        view: &'a VersionId,
        loaded: TableVersions,
    ) -> BoxFuture<'a, Result<SourceFiles, MaterializerError>>;

    /// What the first commit of a load records of it beside its files.
    fn begun(&self) -> Vec<Marker> {
        Vec::new()
    }

    /// What the last commit of a whole load records of it beside its files.
    fn ended(&self) -> Vec<Marker> {
        Vec::new()
    }

    /// Refuses a file whose rows cannot all be distinguished, before the first of them is loaded. Blocks: reads the
    /// file, if only that shows it.
    fn check_whole(&self, file: &SourceFile) -> Result<(), MaterializerError> {
        file_text::check_compressed(&file.path).map_err(|error| MaterializerError::file(&file.path, error))
    }

    /// Columns that a file does not have, or none of its first rows, though nothing says that it may lack them, or it
    /// has one whose name differs by case. Blocks.
    fn absent(&self, _columns: &[Field], _file: &SourceFile) -> Result<Vec<RowProblem>, MaterializerError> {
        Ok(Vec::new())
    }

    /// Opens one of its files for these columns, under the names and in the types that the source declares.
    /// Blocks. A batch has at most `max_rows` rows, else as many as suit the format.
    fn open(
        &self,
        columns: &[Field],
        file: &SourceFile,
        max_rows: Option<usize>,
    ) -> Result<Box<dyn RowReader>, MaterializerError>;
}

/// A file being read.
pub trait RowReader: Send {
    /// The next rows; `None` at the end. Blocks. A row that cannot be read is bad by itself, and the others keep
    /// their numbers.
    fn next_rows(&mut self) -> Result<Option<SourceRows>, MaterializerError>;
}
