//! The pages of LMDB's file, format 1, read without LMDB: every length and offset in them is checked before it
//! is used, as LMDB itself follows them unchecked.

use std::cmp::Ordering;

use crate::packed::{Scan, u32_at, u64_at};

/// Bytes of the header of every page.
pub(super) const HEADER: usize = 16;
/// Bytes of the header of every node.
const NODE: usize = 8;

const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const OVERFLOW: u16 = 4;
const META: u16 = 8;

/// What a node's flags say of its data.
const ON_OVERFLOW_PAGES: u16 = 1;
const A_TREE: u16 = 2;

const MAGIC: u32 = 0xBEEF_C0DE;
const VERSION: u32 = 1;
/// The root of an empty tree.
pub(super) const NO_PAGE: u64 = u64::MAX;

/// What does not hold.
pub(super) type Flaw = &'static str;

/// What a tree says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tree {
    /// Of the tree of free pages the size of a page.
    pub(super) pad: u32,
    pub(super) flags: u16,
    pub(super) depth: u16,
    pub(super) branches: u64,
    pub(super) leaves: u64,
    pub(super) overflows: u64,
    pub(super) entries: u64,
    pub(super) root: u64,
}

impl Tree {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut scan = Scan(bytes);
        Some(Self {
            pad: scan.u32()?,
            flags: scan.u16()?,
            depth: scan.u16()?,
            branches: scan.u64()?,
            leaves: scan.u64()?,
            overflows: scan.u64()?,
            entries: scan.u64()?,
            root: scan.u64()?,
        })
    }
}

/// One of the two pages that name the roots of a state of the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Meta {
    pub(super) free: Tree,
    pub(super) main: Tree,
    pub(super) last_page: u64,
    pub(super) state: u64,
}

impl Meta {
    /// Reads the first bytes of the meta page of this number.
    pub(super) fn read(page: &[u8], number: u64) -> Result<Self, Flaw> {
        const SHORT: Flaw = "it ends within its first pages";
        let flags = Scan(page.get(10..).ok_or(SHORT)?).u16().ok_or(SHORT)?;
        if u64_at(page, 0) != Some(number) || flags != META || u32_at(page, HEADER) != Some(MAGIC) {
            return Err("it does not begin as a store does");
        }
        if u32_at(page, HEADER + 4) != Some(VERSION) {
            return Err("its first pages are of another format");
        }
        let read = || {
            Some(Self {
                free: Tree::read(page.get(HEADER + 24..)?)?,
                main: Tree::read(page.get(HEADER + 72..)?)?,
                last_page: u64_at(page, HEADER + 120)?,
                state: u64_at(page, HEADER + 128)?,
            })
        };
        let meta: Self = read().ok_or(SHORT)?;
        // The keys of free pages are numbers; the others are bytes.
        if meta.free.flags != 8 || meta.main.flags != 0 || meta.main.pad != 0 {
            return Err("its first pages do not name their trees");
        }
        if !meta.free.pad.is_power_of_two() || !(512..=32768).contains(&meta.free.pad) {
            return Err("its first pages name no size of pages");
        }
        Ok(meta)
    }
}

/// What one node of a leaf holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Data<'p> {
    Here(&'p [u8]),
    /// So many bytes, from this page on.
    OnPages {
        page: u64,
        bytes: usize,
    },
    Tree(Tree),
}

/// The nodes of a page.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Nodes<'p> {
    /// Keys, each with the page of what is from it on. The first has no key.
    Branch(Vec<(&'p [u8], u64)>),
    Leaf(Vec<(&'p [u8], Data<'p>)>),
}

impl<'p> Nodes<'p> {
    /// Reads the page of this number.
    pub(super) fn read(page: &'p [u8], number: u64) -> Result<Self, Flaw> {
        let mut scan = Scan(page);
        let header = (scan.u64(), scan.u16(), scan.u16(), scan.u16(), scan.u16());
        let (Some(own), _, Some(flags), Some(lower), Some(upper)) = header else {
            return Err("it is shorter than a page");
        };
        if own != number {
            return Err("it has the number of another page");
        }
        let (lower, upper) = (usize::from(lower), usize::from(upper));
        if lower <= HEADER || lower % 2 != 0 || upper < lower || upper > page.len() {
            return Err("it has no nodes");
        }
        let offsets = page.get(HEADER..lower).unwrap_or_default();
        let offsets = offsets.as_chunks::<2>().0.iter().map(|offset| u16::from_le_bytes(*offset).into());
        let mut ends = Vec::new();
        let nodes = match flags {
            BRANCH => {
                let branch = |at: usize| {
                    let (node, end) = branch_node(page, at)?;
                    ends.push((at, end));
                    Some(node)
                };
                offsets.map(branch).collect::<Option<Vec<_>>>().map(Nodes::Branch)
            }
            LEAF => {
                let leaf = |at: usize| {
                    let (node, end) = leaf_node(page, at)?;
                    ends.push((at, end));
                    Some(node)
                };
                offsets.map(leaf).collect::<Option<Vec<_>>>().map(Nodes::Leaf)
            }
            _ => return Err("it is neither a branch nor a leaf"),
        };
        let nodes = nodes.ok_or("a node of it lies outside")?;
        // Nodes lie without gaps, so that none can be missing.
        ends.sort_unstable();
        let end = ends.iter().try_fold(upper, |next, (at, end)| (*at == next).then_some(*end));
        if end == Some(page.len()) { Ok(nodes) } else { Err("its nodes do not lie one after the other") }
    }
}

type Node<T> = Option<(T, usize)>;

/// The key, what its header's first, second and third number are, and where the node ends but for its data.
fn node(page: &[u8], at: usize) -> Option<(&[u8], [u16; 3], usize)> {
    let mut scan = Scan(page.get(at..)?);
    let numbers = [scan.u16()?, scan.u16()?, scan.u16()?];
    let length = usize::from(scan.u16()?);
    Some((scan.bytes(length)?, numbers, at + NODE + length))
}

fn branch_node(page: &[u8], at: usize) -> Node<(&[u8], u64)> {
    let (key, [low, high, top], end) = node(page, at)?;
    let child = u64::from(low) | u64::from(high) << 16 | u64::from(top) << 32;
    Some(((key, child), end.next_multiple_of(2)))
}

fn leaf_node(page: &[u8], at: usize) -> Node<(&[u8], Data<'_>)> {
    let (key, [low, high, flags], start) = node(page, at)?;
    let bytes = usize::from(low) | usize::from(high) << 16;
    let length = if flags == ON_OVERFLOW_PAGES { size_of::<u64>() } else { bytes };
    let end = start.checked_add(length)?;
    let here = page.get(start..end)?;
    let data = match flags {
        0 => Data::Here(here),
        ON_OVERFLOW_PAGES => Data::OnPages { page: u64_at(here, 0)?, bytes },
        A_TREE if bytes == size_of::<u64>() * 6 => Data::Tree(Tree::read(here)?),
        _ => return None,
    };
    Some(((key, data), end.next_multiple_of(2)))
}

/// How many pages an overflow has, by the header of its first.
pub(super) fn overflow_pages(page: &[u8], number: u64) -> Result<u64, Flaw> {
    let flags = page.get(10..).and_then(|rest| Scan(rest).u16());
    if u64_at(page, 0) != Some(number) || flags != Some(OVERFLOW) {
        return Err("it does not begin a long value");
    }
    u32_at(page, 12).map(u64::from).ok_or("it is shorter than a page")
}

/// The order of the keys of a tree.
pub(super) fn order(tree: &Tree, one: &[u8], other: &[u8]) -> Ordering {
    if tree.flags == 8 { u64_at(one, 0).cmp(&u64_at(other, 0)) } else { one.cmp(other) }
}
