//! The messages and services that other programs speak with: `twinstore.v1`, and for programs
//! written for Feast `feast.serving`, generated from `proto/`.
//!
//! The generated code is checked in, so that a build needs no protobuf compiler; a test compares
//! it with the `.proto` files, and writes it again with `BLESS=1 cargo test -p twinstore-proto`.
//! Nothing here knows how features are read: that is the server's.
//!
//! ```no_run
//! # use twinstore_proto as proto;
//! use proto::v1::{GetFeaturesRequest, feature_store_client::FeatureStoreClient};
//!
//! # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
//! let mut client = FeatureStoreClient::connect("http://127.0.0.1:6566").await?;
//! let request = GetFeaturesRequest { service: "late_arrival".into(), ..Default::default() };
//! let features = client.get_features(request).await?.into_inner();
//! # Ok(()) }
//! ```

pub mod feast;
pub mod v1;

/// All of the above as an encoded `google.protobuf.FileDescriptorSet`, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/twinstore.bin");
