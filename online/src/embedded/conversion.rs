//! A store of an older format brought to the newest, in one transaction. Its rows stay as they are: each is
//! sealed when it is written next.

use heed::RwTxn;

use super::changes;
use super::contents::{FORMAT_KEY, NEXT_VIEW};
use super::data_file::{damaged, data_file};
use super::environment::{Environment, FORMAT};
use super::failed::Failed;
use super::record::Record;
use super::row_key::view_prefix;
use super::seal::{Stored, sealed};
use crate::error::OnlineError;

pub(super) fn convert(environment: &Environment) -> Result<(), OnlineError> {
    convert_now(environment).map_err(|failed| environment.error(failed))
}

fn convert_now(environment: &Environment) -> Result<(), Failed> {
    let mut txn = environment.write_txn()?;
    if environment.about.get(&txn, FORMAT_KEY)? == Some(&FORMAT.to_le_bytes()) {
        // Another process was faster.
        return Ok(());
    }
    let mut views = Vec::new();
    for entry in environment.views.iter(&txn)? {
        let (name, bytes) = entry?;
        let record = Record::from_format_2(bytes);
        let record = record.zip(std::str::from_utf8(name).ok()).ok_or_else(|| {
            damaged(&data_file(&environment.path), "the record of a view in it is not what was written")
        })?;
        views.push((record.1.to_owned(), record.0));
    }
    for (name, mut record) in views {
        record.sum = sum_of(environment, &txn, record.number)?;
        environment.views.put(&mut txn, name.as_bytes(), &record.to_bytes(&name))?;
    }
    if let Some(number) = environment.about.get(&txn, NEXT_VIEW)?.map(<[u8]>::to_vec) {
        environment.about.put(&mut txn, NEXT_VIEW, &sealed(NEXT_VIEW, &number))?;
    }
    let dropped: Vec<Vec<u8>> =
        environment.dropped.iter(&txn)?.map(|entry| Ok(entry?.0.to_vec())).collect::<heed::Result<_>>()?;
    for number in dropped {
        environment.dropped.put(&mut txn, &number, &sealed(&number, &[]))?;
    }
    changes::forget(environment, &mut txn)?;
    environment.about.put(&mut txn, FORMAT_KEY, &FORMAT.to_le_bytes())?;
    environment.commit(txn)
}

/// What its rows add up to. How many there are stays what is noted, so that one that was lost is missed.
fn sum_of(environment: &Environment, txn: &RwTxn<'_>, number: u32) -> heed::Result<u64> {
    let mut sum = 0_u64;
    for row in environment.rows.prefix_iter(txn, &view_prefix(number))? {
        let (stored_key, bytes) = row?;
        sum = sum.wrapping_add(Stored::of(bytes).share(stored_key));
    }
    Ok(sum)
}
