//! All pages of one state of the store, read from its file without LMDB: whether each is where its tree says,
//! in order and whole, none is in use twice, and none is in use and free.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::page::{Data, HEADER, Meta, NO_PAGE, Nodes, Tree, order, overflow_pages};

/// The deepest tree that is believed.
const DEEPEST: u16 = 32;

/// Why a file is not walked to its end.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    /// What does not hold.
    Damaged(String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Fault::Damaged("it ends within a page that is in use".to_owned()),
            _ => Fault::Io(error),
        }
    }
}

fn flawed<T>(page: u64, flaw: impl std::fmt::Display) -> Result<T, Fault> {
    Err(Fault::Damaged(format!("its page {page}: {flaw}")))
}

/// Which leaves are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Leaves {
    All,
    /// Those of the largest table are left out: only that they exist is seen.
    AllButRows,
}

/// What is reported of each entry.
pub(super) type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> Result<(), String> + 'v;

/// The walk over one state.
#[derive(Debug)]
pub(super) struct Walk<'f> {
    file: &'f File,
    page_bytes: usize,
    last_page: u64,
    /// A bit for each page that was seen.
    seen: Vec<u64>,
}

/// What was counted in one tree.
#[derive(Default)]
struct Counted {
    branches: u64,
    leaves: u64,
    overflows: u64,
    entries: u64,
}

/// The keys that a page may hold: from one on, up to before another.
#[derive(Clone, Copy)]
struct Bounds<'k> {
    from: Option<&'k [u8]>,
    before: Option<&'k [u8]>,
}

/// One tree while it is walked.
struct Walked<'t, 'v> {
    tree: &'t Tree,
    leaves: bool,
    counted: Counted,
    visit: &'t mut Visit<'v>,
}

impl<'f> Walk<'f> {
    /// Of the state that this meta page names.
    pub(super) fn new(file: &'f File, meta: &Meta) -> Result<Self, Fault> {
        let page_bytes = meta.free.pad as usize;
        // Free pages at its end may not have been written yet.
        let most = (file.metadata()?.len() / page_bytes as u64).saturating_mul(4).saturating_add(1 << 16);
        if meta.last_page == 0 || meta.last_page > most {
            return Err(Fault::Damaged("its first pages name more pages than it has".to_owned()));
        }
        let words = usize::try_from(meta.last_page / 64 + 1).unwrap_or(usize::MAX);
        let mut seen = vec![0; words];
        if let Some(first) = seen.first_mut() {
            // The two meta pages.
            *first = 0b11;
        }
        Ok(Self { file, page_bytes, last_page: meta.last_page, seen })
    }

    /// Notes that a page is in use.
    fn take(&mut self, number: u64) -> Result<(), Fault> {
        if number > self.last_page {
            return flawed(number, "it is named, and there is no such page");
        }
        let word = usize::try_from(number / 64).ok().and_then(|word| self.seen.get_mut(word));
        let Some(word) = word else { return flawed(number, "there is no such page") };
        if *word & 1 << (number % 64) != 0 {
            return flawed(number, "it is in use twice, or free and in use");
        }
        *word |= 1 << (number % 64);
        Ok(())
    }

    fn read(&self, number: u64, pages: u64) -> Result<Vec<u8>, Fault> {
        let pages = usize::try_from(pages).map_err(io::Error::other)?;
        let mut bytes = vec![0; pages.saturating_mul(self.page_bytes)];
        self.file.read_exact_at(&mut bytes, number.saturating_mul(self.page_bytes as u64))?;
        Ok(bytes)
    }

    /// A long value, whole.
    fn long_value(&mut self, first: u64, bytes: usize) -> Result<(Vec<u8>, u64), Fault> {
        let needed = (HEADER + bytes).div_ceil(self.page_bytes) as u64;
        if first.saturating_add(needed - 1) > self.last_page {
            return flawed(first, "the long value that it begins lies outside");
        }
        let mut value = self.read(first, needed)?;
        let pages = match overflow_pages(&value, first) {
            Ok(pages) if pages >= needed => pages,
            Ok(_) => return flawed(first, "the long value that it begins is longer than its pages"),
            Err(flaw) => return flawed(first, flaw),
        };
        for page in 0..pages {
            self.take(first.saturating_add(page))?;
        }
        value.drain(..HEADER);
        value.truncate(bytes);
        Ok((value, pages))
    }

    /// The tables that the main tree names.
    pub(super) fn tables(&mut self, main: &Tree) -> Result<Vec<(Vec<u8>, Tree)>, Fault> {
        let mut tables = Vec::new();
        let mut walked = Walked {
            tree: main,
            leaves: true,
            counted: Counted::default(),
            visit: &mut |_: &[u8], _: &[u8]| Err("its main tree holds what is no table".to_owned()),
        };
        self.walk(&mut walked, &mut |name, tree| tables.push((name.to_vec(), tree)))?;
        Ok(tables)
    }

    /// All entries of a table, in order.
    pub(super) fn table(&mut self, tree: &Tree, leaves: bool, visit: &mut Visit<'_>) -> Result<(), Fault> {
        if tree.flags != 0 || tree.pad != 0 {
            return Err(Fault::Damaged("its main tree names no table".to_owned()));
        }
        let mut walked = Walked { tree, leaves, counted: Counted::default(), visit };
        self.walk(&mut walked, &mut |_, _| {})
    }

    /// The pages that are free: they must not be in use, so this comes last.
    pub(super) fn free(&mut self, tree: &Tree) -> Result<(), Fault> {
        let mut free = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            let (numbers, rest) = value.as_chunks::<8>();
            let mut numbers = numbers.iter().map(|number| u64::from_le_bytes(*number));
            let count = numbers.next().and_then(|count| usize::try_from(count).ok());
            let given: Vec<u64> = numbers.collect();
            let given = count.and_then(|count| given.get(..count));
            match given {
                Some(given) if rest.is_empty() && key.len() == 8 => {
                    free.extend(given.iter().copied().filter(|page| *page != 0));
                    Ok(())
                }
                _ => Err("a list of its free pages is none".to_owned()),
            }
        };
        let mut walked = Walked { tree, leaves: true, counted: Counted::default(), visit: &mut visit };
        self.walk(&mut walked, &mut |_, _| {})?;
        free.into_iter().try_for_each(|page| self.take(page))
    }

    fn walk(
        &mut self,
        walked: &mut Walked<'_, '_>,
        subtree: &mut dyn FnMut(&[u8], Tree),
    ) -> Result<(), Fault> {
        let tree = walked.tree;
        if tree.root != NO_PAGE {
            if tree.depth == 0 || tree.depth > DEEPEST {
                return Err(Fault::Damaged("one of its trees has no depth".to_owned()));
            }
            self.page(walked, subtree, tree.root, 1, Bounds { from: None, before: None })?;
        }
        let counted = &walked.counted;
        let same = counted.branches == tree.branches
            && counted.leaves == tree.leaves
            && (!walked.leaves || (counted.overflows, counted.entries) == (tree.overflows, tree.entries));
        if same {
            Ok(())
        } else {
            Err(Fault::Damaged("one of its trees holds more or less than it says".to_owned()))
        }
    }

    fn page(
        &mut self,
        walked: &mut Walked<'_, '_>,
        subtree: &mut dyn FnMut(&[u8], Tree),
        number: u64,
        level: u16,
        bounds: Bounds<'_>,
    ) -> Result<(), Fault> {
        self.take(number)?;
        let is_leaf = level == walked.tree.depth;
        if is_leaf {
            walked.counted.leaves += 1;
            if !walked.leaves {
                return Ok(());
            }
        }
        let page = self.read(number, 1)?;
        match Nodes::read(&page, number) {
            Ok(Nodes::Branch(nodes)) if !is_leaf => {
                walked.counted.branches += 1;
                check_order(walked.tree, nodes.iter().skip(1).map(|(key, _)| *key), bounds, number)?;
                for (index, (key, child)) in nodes.iter().enumerate() {
                    let bounds = Bounds {
                        from: if index == 0 { bounds.from } else { Some(key) },
                        before: nodes.get(index + 1).map_or(bounds.before, |(key, _)| Some(key)),
                    };
                    self.page(walked, subtree, *child, level + 1, bounds)?;
                }
                Ok(())
            }
            Ok(Nodes::Leaf(nodes)) if is_leaf => {
                check_order(walked.tree, nodes.iter().map(|(key, _)| *key), bounds, number)?;
                for (key, data) in nodes {
                    walked.counted.entries += 1;
                    let visited = match data {
                        Data::Here(value) => (walked.visit)(key, value),
                        Data::OnPages { page, bytes } => {
                            let (value, pages) = self.long_value(page, bytes)?;
                            walked.counted.overflows += pages;
                            (walked.visit)(key, &value)
                        }
                        Data::Tree(tree) => {
                            subtree(key, tree);
                            Ok(())
                        }
                    };
                    visited.map_err(Fault::Damaged)?;
                }
                Ok(())
            }
            Ok(_) => flawed(number, "it lies at another depth than its tree says"),
            Err(flaw) => flawed(number, flaw),
        }
    }
}

/// Whether keys ascend, within their bounds.
fn check_order<'k>(
    tree: &Tree,
    keys: impl Iterator<Item = &'k [u8]>,
    bounds: Bounds<'_>,
    number: u64,
) -> Result<(), Fault> {
    let mut last: Option<&[u8]> = None;
    for key in keys {
        let follows = match (last, bounds.from) {
            (Some(last), _) => order(tree, last, key) == Ordering::Less,
            (None, Some(from)) => order(tree, from, key) != Ordering::Greater,
            (None, None) => true,
        };
        let is_before = bounds.before.is_none_or(|before| order(tree, key, before) == Ordering::Less);
        if !follows || !is_before {
            return flawed(number, "its keys are out of order");
        }
        last = Some(key);
    }
    Ok(())
}
