//! The packages `feast.serving` and `feast.types`: what programs written for Feast speak. What
//! their fields mean here is said in `docs/from-feast.md`.
#![expect(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "the code is generated, and the names are Feast's"
)]

/// The online read.
pub mod serving {
    include!("generated/feast.serving.rs");
}

/// Values of any type.
pub mod types {
    include!("generated/feast.types.rs");
}
