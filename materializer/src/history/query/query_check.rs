//! What a database says against the definition of a query, before anything is extracted: the statement is prepared, and
//! its columns are compared with those of the source.

use feature::{BatchQuery, Field, Source};

use super::connecting::{Database, why};
use super::extraction::described;
use super::query_columns::query_columns;
use crate::history::misfit::Misfit;

/// Everything in which a query contradicts its source, as far as its database says it. Where that cannot be reached, it is
/// said that nothing was checked.
pub async fn check_query(source: &Source, query: &BatchQuery, database: &Database) -> Vec<Misfit> {
    let unchecked = |why: &str| {
        vec![misfit(
            None,
            format!("{database} cannot be reached, so the columns of its query were not checked: {why}"),
        )]
    };
    let session = match database.connect().await {
        Ok(session) => session,
        Err(why) => return unchecked(&why),
    };
    let patience = database.patience();
    let found = match tokio::time::timeout(patience, described(&session, &query.sql)).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) if error.as_db_error().is_some() => {
            return vec![misfit(None, format!("{database} refuses the query: {}", why(&error)))];
        }
        Ok(Err(error)) => return unchecked(&why(&error)),
        Err(_) => return unchecked(&format!("it did not answer within {}s", patience.as_secs())),
    };
    let problems = query_columns(source, &found).err().unwrap_or_default();
    problems.into_iter().map(|(field, what)| misfit(Some(&field), what)).collect()
}

fn misfit(field: Option<&Field>, problem: String) -> Misfit {
    Misfit { file: None, row: None, column: field.map(|field| field.name.clone()), problem, rows: 0 }
}
