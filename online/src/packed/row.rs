//! Reading a packed row in place.

use feature::{Answer, Micros};

use super::Layout;
use crate::error::OnlineError;
use crate::positions::Positions;

/// A packed row where it lies.
#[derive(Clone, Copy, Debug)]
pub struct PackedRow<'a> {
    layout: &'a Layout,
    bytes: &'a [u8],
}

impl<'a> PackedRow<'a> {
    /// The row of these bytes: its head is checked, its tail is not read.
    pub fn new(layout: &'a Layout, bytes: &'a [u8]) -> Result<Self, OnlineError> {
        Ok(Self { layout, bytes })
    }

    /// All features of the view at a moment that is not before the view's applied time.
    pub fn answer(&self, at: Micros) -> Result<Answer, OnlineError> {
        let _ = (self.layout, self.bytes, at);
        todo!()
    }

    /// These features, by their places in the view, in this order.
    pub fn answer_some(&self, features: &[usize], at: Micros) -> Result<Answer, OnlineError> {
        let _ = (features, at);
        todo!()
    }

    /// The positions that the row has folded.
    pub fn positions(&self) -> Result<Positions, OnlineError> {
        todo!()
    }

    /// Checks the whole row against its checksum.
    pub fn verify(&self) -> Result<(), OnlineError> {
        todo!()
    }
}
