//! Where everything lies in the packed rows of one view, and which parts each feature is answered
//! from: worked out once, from the view's definition.

use feature::{Component, DataType, Fold, Function, Micros, Scalar, Span, Value, VersionId, View, Window};

use super::{CHECKSUM, ENTRY, PENDING_BOUND, REFERENCE, aligned, at, tail};
use crate::error::OnlineError;

/// Where everything lies in the packed rows of one view version.
#[derive(Clone, Debug)]
pub struct Layout {
    view: VersionId,
    pub(crate) schema_id: u64,
    pub(crate) ttl: Option<Span>,
    pub(crate) kept: Option<Span>,
    pub(crate) columns: Vec<DataType>,
    /// The columns whose latest values are kept, in the order in which they lie: the widest first.
    pub(crate) latest: Vec<LatestSlot>,
    pub(crate) rings: Vec<RingPlan>,
    pub(crate) features: Vec<FeaturePlan>,
    /// The type of each feature.
    pub(crate) types: Vec<DataType>,
    /// What replaces each feature's null.
    pub(crate) defaults: Vec<Option<Value>>,
    /// How many states an answer to all features merges.
    pub(crate) merges: usize,
    /// Where the slots of the rings begin: the end of what lies at fixed offsets.
    pub(crate) slots_at: usize,
}

/// Where the latest value of one column lies.
#[derive(Clone, Debug)]
pub(crate) struct LatestSlot {
    pub(crate) column: usize,
    pub(crate) data_type: DataType,
    pub(crate) at: usize,
    /// None where the value has no fixed width: a reference to the variable part lies there.
    pub(crate) width: Option<usize>,
}

/// The tiles of one argument and one hop. The whole history is a ring of one tile that never turns.
#[derive(Clone, Debug)]
pub(crate) struct RingPlan {
    /// None counts rows.
    pub(crate) column: Option<usize>,
    pub(crate) argument: Option<DataType>,
    /// None for the whole history.
    pub(crate) hop: Option<Span>,
    /// As many as the longest window spans.
    pub(crate) tiles: usize,
    pub(crate) components: Vec<ComponentPlan>,
    /// Where its entry in the directory lies.
    pub(crate) entry_at: usize,
    /// Where its bitmap lies.
    pub(crate) bitmap_at: usize,
}

/// One component of a ring: an array of slots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ComponentPlan {
    pub(crate) component: Component,
    /// Bytes of a slot.
    pub(crate) width: usize,
    /// Whether a slot holds the state itself; else always a reference.
    pub(crate) in_slot: bool,
}

/// How one feature is answered.
#[derive(Clone, Debug)]
pub(crate) enum FeaturePlan {
    /// From the latest row.
    Latest {
        /// Which of [`Layout::latest`].
        slot: usize,
    },
    /// From the merged states of a ring's tiles.
    Aggregate {
        function: Function,
        ring: usize,
        /// None for the whole history.
        window: Option<Window>,
        /// For each of the function's components: which of the ring's, and which of the merged
        /// states of an answer.
        parts: Vec<(usize, usize)>,
    },
}

impl RingPlan {
    /// The number of the tile that holds this event time.
    pub(crate) fn tile(&self, event_time: Micros) -> i64 {
        self.hop.map_or(0, |hop| event_time.get().div_euclid(hop.micros()))
    }

    /// The number of the oldest tile that a window still reaches once the latest row is of this time.
    pub(crate) fn oldest(&self, latest: Micros) -> i64 {
        self.tile(latest) - (self.tiles as i64 - 1)
    }

    pub(crate) fn bitmap_bytes(&self) -> usize {
        self.tiles.div_ceil(8)
    }

    /// Bytes of the slots where so many tiles are not empty.
    pub(crate) fn slot_bytes(&self, tiles: usize) -> usize {
        self.components.iter().map(|part| aligned(tiles * part.width)).sum()
    }
}

/// The number of the oldest tile of a window at a moment.
pub(crate) fn tail_tile(window: Window, at: Micros) -> i64 {
    window.tail(at).div_euclid(window.hop().micros())
}

impl Layout {
    /// The layout of a view's rows.
    pub fn new(view: &View) -> Self {
        let columns: Vec<DataType> = view.columns.iter().map(|column| column.data_type).collect();
        let (latest, rings_at) = lay_out_latest(view);
        let (rings, slots_at) = lay_out_rings(view, rings_at);
        let mut merges = Vec::new();
        let features = view
            .features
            .iter()
            .map(|feature| match feature.fold {
                Fold::Latest { column } => FeaturePlan::Latest {
                    slot: latest.iter().position(|slot| slot.column == column).unwrap_or_default(),
                },
                Fold::Aggregate { function, column, window } => {
                    let ring = find_ring(&rings, column, window).unwrap_or_default();
                    let parts = function.components().iter().map(|component| {
                        let part = rings.get(ring).and_then(|ring| ring.find(*component)).unwrap_or_default();
                        (part, find_or_push(&mut merges, (ring, part, window)))
                    });
                    FeaturePlan::Aggregate { function, ring, window, parts: parts.collect() }
                }
            })
            .collect();
        Self {
            view: view.id.clone(),
            schema_id: view.schema_id(),
            ttl: view.ttl,
            kept: view.retention.and_then(|retention| retention.online),
            columns,
            latest,
            rings,
            features,
            types: view.features.iter().map(|feature| feature.data_type).collect(),
            defaults: view.features.iter().map(|feature| feature.default.clone()).collect(),
            merges: merges.len(),
            slots_at,
        }
    }

    /// The view version whose rows these are.
    pub fn view(&self) -> &VersionId {
        &self.view
    }

    /// How long before the latest row of an entity another one may have happened and still change more than positions,
    /// in microseconds: so long, no window that ends at the latest row has it, and it is not the latest.
    pub fn reach(&self) -> i64 {
        let of_ring = |ring: &RingPlan| match ring.hop {
            Some(hop) => i64::try_from(ring.tiles).unwrap_or(i64::MAX).saturating_mul(hop.micros()),
            None => i64::MAX,
        };
        self.rings.iter().map(of_ring).max().unwrap_or(0)
    }

    /// How many features the view has.
    pub fn features(&self) -> usize {
        self.features.len()
    }

    /// The largest packed row that the view can have, in bytes, where no text, bytes or list of any
    /// length takes more than `value_bytes`, and an entity is seen in no more than `partitions` partitions of
    /// the source's topic.
    pub fn largest_row(&self, value_bytes: usize, partitions: usize) -> usize {
        let value = |data_type: DataType| {
            let length = if data_type.scalar().and_then(Scalar::width).is_some() { 0 } else { 4 };
            length + data_type.longest_value(value_bytes)
        };
        let latest: usize =
            self.latest.iter().filter(|slot| slot.width.is_none()).map(|slot| value(slot.data_type)).sum();
        let rings: usize = self.rings.iter().map(|ring| ring.largest(value_bytes)).sum();
        let row: usize = tail::PENDING_HEAD
            + self.columns.len().div_ceil(8)
            + self.columns.iter().map(|data_type| value(*data_type)).sum::<usize>();
        let tail = tail::in_tail::PARTITIONS + partitions * tail::PARTITION + PENDING_BOUND * row;
        self.slots_at + latest + rings + tail + CHECKSUM
    }

    pub(crate) fn damaged(&self, what: &'static str) -> OnlineError {
        OnlineError::Damaged { view: self.view.clone(), what }
    }
}

impl RingPlan {
    fn find(&self, component: Component) -> Option<usize> {
        self.components.iter().position(|part| part.component == component)
    }

    /// A state that fits its slot is shorter than the longest, which lies in the variable part.
    fn largest(&self, value_bytes: usize) -> usize {
        let spilled = |part: &ComponentPlan| match part.component.longest_state(self.argument, value_bytes) {
            longest if part.in_slot && longest <= part.width => 0,
            longest => longest,
        };
        let states: usize = self.components.iter().map(spilled).sum();
        let spills = self.components.len() * self.bitmap_bytes();
        self.slot_bytes(self.tiles) + spills + self.tiles * states
    }
}

fn lay_out_latest(view: &View) -> (Vec<LatestSlot>, usize) {
    let mut columns: Vec<usize> = Vec::new();
    for feature in &view.features {
        if let Fold::Latest { column } = feature.fold {
            find_or_push(&mut columns, column);
        }
    }
    columns.sort_unstable();
    let mut latest: Vec<LatestSlot> = columns
        .into_iter()
        .filter_map(|column| {
            let data_type = view.columns.get(column)?.data_type;
            let width = data_type.scalar().and_then(Scalar::width);
            Some(LatestSlot { column, data_type, at: 0, width })
        })
        .collect();
    latest.sort_by_key(|slot| std::cmp::Reverse(slot.width.unwrap_or(REFERENCE)));
    let mut next = aligned(at::NULLS + latest.len().div_ceil(8));
    for slot in &mut latest {
        slot.at = next;
        next += slot.width.unwrap_or(REFERENCE);
    }
    (latest, aligned(next))
}

fn lay_out_rings(view: &View, rings_at: usize) -> (Vec<RingPlan>, usize) {
    let mut rings: Vec<RingPlan> = Vec::new();
    for feature in &view.features {
        let Fold::Aggregate { function, column, window } = feature.fold else { continue };
        let argument = view.argument(feature);
        let index = find_ring(&rings, column, window).unwrap_or_else(|| {
            let hop = window.map(Window::hop);
            rings.push(RingPlan {
                column,
                argument,
                hop,
                tiles: 1,
                components: Vec::new(),
                entry_at: 0,
                bitmap_at: 0,
            });
            rings.len() - 1
        });
        let Some(ring) = rings.get_mut(index) else { continue };
        let tiles = window.map_or(1, |window| usize::try_from(window.tiles()).unwrap_or(usize::MAX));
        ring.tiles = ring.tiles.max(tiles);
        for component in function.components() {
            if ring.find(*component).is_none() {
                let width = component.slot_width(argument);
                ring.components.push(ComponentPlan {
                    component: *component,
                    width: width.unwrap_or(REFERENCE),
                    in_slot: width.is_some(),
                });
            }
        }
    }
    // The offset of a ring follows from what it holds, not from the order of the features.
    rings.sort_by_key(|ring| (ring.column, ring.hop));
    let mut bitmap_at = rings_at + rings.len() * ENTRY;
    for (index, ring) in rings.iter_mut().enumerate() {
        ring.components.sort_by_key(|part| part.component);
        ring.entry_at = rings_at + index * ENTRY;
        ring.bitmap_at = bitmap_at;
        bitmap_at += ring.bitmap_bytes();
    }
    (rings, aligned(bitmap_at))
}

fn find_ring(rings: &[RingPlan], column: Option<usize>, window: Option<Window>) -> Option<usize> {
    rings.iter().position(|ring| ring.column == column && ring.hop == window.map(Window::hop))
}

fn find_or_push<T: PartialEq>(all: &mut Vec<T>, one: T) -> usize {
    match all.iter().position(|other| *other == one) {
        Some(index) => index,
        None => {
            all.push(one);
            all.len() - 1
        }
    }
}

#[cfg(test)]
mod tests {
    use feature::oracle::History;

    use super::*;

    #[test]
    fn windows_of_one_argument_and_hop_share_a_ring_as_long_as_the_longest() {
        let layout = Layout::new(&History::generate(0, 0).view);
        let ten_minutes = Span::of(10, Span::MINUTE);
        let rings: Vec<&RingPlan> =
            layout.rings.iter().filter(|ring| ring.column == Some(0) && ring.hop == ten_minutes).collect();
        // 30 minutes and 1 hour, each with a hop of 10 minutes.
        assert_eq!(rings.len(), 1);
        assert_eq!(rings[0].tiles, 7);
        let components: Vec<Component> = rings[0].components.iter().map(|part| part.component).collect();
        // One for each part of each function, and one more for each list of another length.
        assert_eq!(components.len(), 15 + 6);
        assert!(components.is_sorted());
    }

    #[test]
    fn a_list_of_fixed_length_counts_with_all_its_items() {
        let mut view = History::generate(0, 0).view;
        let mut of_list = |data_type| {
            for column in view.columns.iter_mut().filter(|column| column.name.as_str() == "l") {
                column.data_type = data_type;
            }
            Layout::new(&view).largest_row(20, 1)
        };
        let items = of_list(DataType::List(Scalar::Float32, Some(1000)));
        assert!(items > 5000 * PENDING_BOUND && of_list(DataType::List(Scalar::Float32, None)) < items);
    }

    #[test]
    fn what_lies_at_fixed_offsets_is_aligned_and_does_not_overlap() {
        let layout = Layout::new(&History::generate(0, 0).view);
        let mut end = at::NULLS + layout.latest.len().div_ceil(8);
        for slot in &layout.latest {
            let width = slot.width.unwrap_or(REFERENCE);
            assert!(slot.at >= end && slot.at % width == 0, "{slot:?}");
            end = slot.at + width;
        }
        for ring in &layout.rings {
            assert!(ring.entry_at >= end && ring.entry_at % ENTRY == 0);
            end = ring.entry_at + ENTRY;
        }
        for ring in &layout.rings {
            assert!(ring.bitmap_at >= end);
            end = ring.bitmap_at + ring.bitmap_bytes();
        }
        assert_eq!(layout.slots_at, aligned(end));
    }
}
