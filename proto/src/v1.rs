//! The package `twinstore.v1`. What its fields mean is said in
//! `proto/twinstore/v1/feature_store.proto`.
#![expect(
    unused_qualifications,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "the code is generated"
)]

include!("generated/twinstore.v1.rs");
