//! Backfills that go date by date, as the registry keeps them: what each is to do, how far it is, and what somebody wants
//! of it. This is what people look at; which dates are loaded is decided by the log of the view.

mod kept;
mod record;

pub use record::{
    BackfillDate, BackfillDateState, BackfillDelay, BackfillRecord, BackfillRequest, BackfillState,
    KeptBackfill, KeptColumn,
};
