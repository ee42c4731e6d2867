//! Files of a Delta source that were rewritten into others (OPTIMIZE) and are gone since (VACUUM), before they were
//! loaded: which files hold their rows now, and of which files each of those holds rows.

use std::collections::{BTreeMap, BTreeSet};

use deltalake_core::DeltaTable;
use deltalake_core::kernel::Action;
use deltalake_core::logstore::get_actions;

/// The partition of a file: what a table keeps for it.
type Partition = BTreeMap<String, Option<String>>;

/// Files that were rewritten into others by one commit, in one partition.
#[derive(Debug, Default)]
struct Rewrite {
    before: BTreeSet<String>,
    after: BTreeSet<String>,
}

/// What commits that change no data did to files, as far as the table's log still says it.
#[derive(Debug, Default)]
pub(crate) struct Rewrites {
    /// In the order of their commits.
    rewrites: Vec<Rewrite>,
    partitions: BTreeMap<String, Partition>,
}

/// A file that holds rows of others.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Rewritten {
    pub(crate) name: String,
    pub(crate) partition: Vec<(String, Option<String>)>,
    /// Every file of which it may hold rows, through other rewritten ones too.
    pub(crate) replaces: BTreeSet<String>,
}

impl Rewrites {
    /// Reads the commits up to a version; those that the log has no more are passed over.
    pub(crate) async fn read(
        table: &DeltaTable,
        version: u64,
    ) -> Result<Self, deltalake_core::DeltaTableError> {
        let mut found = Self::default();
        for version in 0..=version {
            let Some(bytes) = table.log_store().read_commit_entry(version).await? else { continue };
            found.add(get_actions(version, &bytes)?);
        }
        Ok(found)
    }

    fn add(&mut self, actions: Vec<Action>) {
        let mut of_commit: BTreeMap<Partition, Rewrite> = BTreeMap::new();
        let mut is_unsure = false;
        for action in actions {
            match action {
                Action::Add(file) if !file.data_change => {
                    let partition: Partition = file.partition_values.into_iter().collect();
                    self.partitions.insert(file.path.clone(), partition.clone());
                    of_commit.entry(partition).or_default().after.insert(file.path);
                }
                Action::Remove(file) if !file.data_change => {
                    is_unsure |= file.partition_values.is_none();
                    let partition = file.partition_values.unwrap_or_default().into_iter().collect();
                    of_commit.entry(partition).or_default().before.insert(file.path);
                }
                _ => {}
            }
        }
        let mut rewrites: Vec<Rewrite> = of_commit.into_values().collect();
        if is_unsure {
            // Which files of the commit hold which rows is not known: any may hold any.
            let mut all = Rewrite::default();
            for rewrite in rewrites {
                all.before.extend(rewrite.before);
                all.after.extend(rewrite.after);
            }
            rewrites = vec![all];
        }
        self.rewrites.extend(rewrites.into_iter().filter(|rewrite| !rewrite.after.is_empty()));
    }

    /// The files to read for these: those that are gone are replaced, with all others of them that were rewritten into
    /// the same. Else the file that is gone and lies in no other.
    pub(crate) fn now(
        &self,
        wanted: &BTreeSet<String>,
        is_there: impl Fn(&str) -> bool,
    ) -> Result<(BTreeSet<String>, Vec<Rewritten>), String> {
        let mut files = wanted.clone();
        while let Some(gone) = files.iter().find(|file| !is_there(file)).cloned() {
            let Some(rewrite) = self.rewrites.iter().find(|rewrite| rewrite.before.contains(&gone)) else {
                return Err(gone);
            };
            files.retain(|file| !rewrite.before.contains(file));
            files.extend(rewrite.after.iter().cloned());
        }
        let all = self.all_of();
        let (mut plain, mut rewritten) = (BTreeSet::new(), Vec::new());
        for name in files {
            match all.get(&name).filter(|_| !wanted.contains(&name)) {
                None => {
                    plain.insert(name);
                }
                Some(replaces) => rewritten.push(Rewritten {
                    partition: self.partitions.get(&name).cloned().unwrap_or_default().into_iter().collect(),
                    replaces: replaces.clone(),
                    name,
                }),
            }
        }
        Ok((plain, rewritten))
    }

    /// For each rewritten file all of which it may hold rows.
    fn all_of(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for rewrite in &self.rewrites {
            let mut replaces = rewrite.before.clone();
            replaces.extend(rewrite.before.iter().filter_map(|file| all.get(file)).flatten().cloned());
            for file in &rewrite.after {
                all.insert(file.clone(), replaces.clone());
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn rewrites(all: &[(&[&str], &[&str])]) -> Rewrites {
        let rewrite =
            |(before, after): &(&[&str], &[&str])| Rewrite { before: names(before), after: names(after) };
        Rewrites { rewrites: all.iter().map(rewrite).collect(), partitions: BTreeMap::new() }
    }

    #[test]
    fn a_file_that_is_gone_is_read_from_the_one_that_has_its_rows_now() {
        let rewrites = rewrites(&[(&["a", "b"], &["ab"]), (&["ab", "c", "d"], &["abcd"]), (&["x"], &["y"])]);
        let there = |file: &str| ["abcd", "d", "e", "x"].contains(&file);
        let (plain, rewritten) = rewrites.now(&names(&["c", "d", "e", "x"]), there).unwrap();
        assert_eq!(plain, names(&["e", "x"]));
        assert_eq!((rewritten.len(), rewritten[0].name.as_str()), (1, "abcd"));
        assert_eq!(rewritten[0].replaces, names(&["a", "ab", "b", "c", "d"]));
        assert_eq!(rewrites.now(&names(&["z"]), there), Err("z".to_owned()));
    }
}
