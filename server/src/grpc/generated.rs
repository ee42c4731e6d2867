//! The same answer through arrays and the generated code, byte by byte: what the direct way is held
//! against.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType,
};
use arrow::array::{Array, ArrayRef, AsArray};
use feature::oracle::History;
use feature::{
    DataType, EntityKey, Lookup, Micros, Origin, Output, Scalar, ServicePlan, Status as FeatureStatus, Times,
    Value, VersionId,
};
use futures::FutureExt;
use online::{Layout, OnlineError, PackedRows, Read, Reader, RowState, Stats};
use proptest::prelude::*;
use prost::Message;
use proto::v1::values::Kind;
use proto::v1::{
    self, Bools, ByteStrings, Float32s, Float64s, GetFeaturesResponse, Int32s, Int64s, Lists, Strings,
    Timestamps, Values,
};
use read::{FeatureReader, FeatureRequest, Features, Moment};

use super::answer;

/// Packed rows in memory.
struct Rows(HashMap<EntityKey, Vec<u8>>);

impl Reader for Rows {
    async fn read(&self, reads: &[Read<'_>]) -> Result<Vec<PackedRows>, OnlineError> {
        let found = |read: &Read<'_>| {
            let mut found = PackedRows::new(None, read.keys.len());
            read.keys.iter().for_each(|key| found.push(self.0.get(key).map(Vec::as_slice)));
            found
        };
        Ok(reads.iter().map(found).collect())
    }

    async fn stats(&self, _: &VersionId) -> Result<Stats, OnlineError> {
        Ok(Stats::default())
    }
}

/// All features of a view, in two roles.
fn plan(history: &History) -> ServicePlan {
    let outputs = (0..2).flat_map(|lookup| {
        history.view.features.iter().enumerate().map(move |(feature, of_view)| Output {
            name: format!("role{lookup}_{}", of_view.name),
            data_type: of_view.data_type,
            origin: Origin::Stored { lookup, feature },
        })
    });
    let view = Arc::new(history.view.clone());
    let role = |index: usize| {
        let mut key = history.view.keys[0].clone();
        key.name = format!("role{index}").parse().unwrap();
        (Lookup { view: Arc::clone(&view), keys: vec![index] }, key)
    };
    let (lookups, keys) = (0..2).map(role).unzip();
    ServicePlan {
        id: "service@1".parse().unwrap(),
        hash: String::new(),
        keys,
        request: Vec::new(),
        lookups,
        computations: Vec::new(),
        outputs: outputs.collect(),
    }
}

proptest! {
    #[test]
    fn an_answer_is_written_as_the_generated_code_writes_it(seed in any::<u64>(), rows in 0_usize..40, entities in 0_usize..6, moment in any::<prop::sample::Index>()) {
        let mut history = History::generate(seed, rows);
        history.view.keys.truncate(1);
        history.view.keys[0].data_type = Scalar::Int64.into();
        let layout = Arc::new(Layout::new(&history.view));
        let now = history.moments[moment.index(history.moments.len())];
        let mut store = Rows(HashMap::new());
        for (number, (_, rows)) in history.entities.iter().enumerate() {
            let mut state = RowState::new(&layout);
            for row in rows {
                state.fold(row, now);
            }
            let mut bytes = Vec::new();
            state.encode(&mut bytes).unwrap();
            let key = EntityKey::encode(&history.view.keys, &[Value::Int64(number as i64)]).unwrap();
            store.0.insert(key, bytes);
        }
        let reader = FeatureReader::new(Arc::new(plan(&history))).unwrap();
        // In the first role each once and some that nobody knows, in the second some twice and a null.
        let of_role = |role: i64| -> Vec<Value> {
            let numbers = (0..entities as i64).map(|n| if role == 0 { n } else { n / 2 });
            numbers.map(|n| if role == 1 && n == 1 { Value::Null } else { Value::Int64(n) }).collect()
        };
        let requested = FeatureRequest {
            features: Vec::new(),
            entities: vec![("role0".to_owned(), of_role(0)), ("role1".to_owned(), of_role(1))],
            request: Vec::new(),
        };
        let validated = reader.validate(requested, usize::MAX).unwrap();
        let read = || reader.read_in_stages(&store, &validated, Moment::At(now), &|_| true);
        let answered = read().now_or_never().unwrap().unwrap();
        let mut written = Vec::new();
        let mut reserved = 0;
        answer::write(&answered, &mut written, |_, bytes| reserved = bytes);
        prop_assert_eq!(written.len(), reserved);
        let expected = response(answered.into_features());
        prop_assert_eq!(GetFeaturesResponse::decode(written.as_slice()).unwrap().encode_to_vec(), expected.encode_to_vec());
        prop_assert_eq!(written, expected.encode_to_vec());
    }
}

fn response(features: Features) -> GetFeaturesResponse {
    let times = features.times.iter().map(|times| to_proto_times(&features, times)).collect();
    let columns = features.columns.into_iter().map(|column| v1::Column {
        name: column.name,
        values: Some(to_proto(&column.values, column.data_type)),
        statuses: column.statuses.iter().map(|status| to_proto_status(*status).into()).collect(),
        times: column.times as u32,
    });
    GetFeaturesResponse {
        service: features.service.to_string(),
        at_us: features.at.get(),
        columns: columns.collect(),
        times,
    }
}

fn to_proto_status(status: FeatureStatus) -> v1::column::Status {
    match status {
        FeatureStatus::Present => v1::column::Status::Present,
        FeatureStatus::NullValue => v1::column::Status::NullValue,
        FeatureStatus::NotFound => v1::column::Status::NotFound,
        FeatureStatus::OutsideMaxAge => v1::column::Status::OutsideMaxAge,
        FeatureStatus::LastKnownGood => v1::column::Status::LastKnownGood,
        FeatureStatus::BreakerOpen => v1::column::Status::BreakerOpen,
    }
}

fn to_proto_times(features: &Features, times: &[Option<Times>]) -> v1::Times {
    let micros = |time: fn(Times) -> Micros| times.iter().map(|t| t.map_or(0, |t| time(t).get())).collect();
    let nulls = times.iter().zip(0..).filter(|(times, _)| times.is_none()).map(|(_, row)| row);
    v1::Times {
        event_times_us: micros(|times| times.event_time),
        available_ats_us: micros(|times| times.available_at),
        ages_s: times.iter().map(|times| times.map_or(0.0, |times| features.age_s(times))).collect(),
        nulls: nulls.collect(),
    }
}

/// An array of [`transform::arrow_type`]`(data_type)` as gRPC packs it.
fn to_proto(array: &ArrayRef, data_type: DataType) -> Values {
    let kind = match data_type {
        DataType::Scalar(Scalar::Bool) => Kind::Bools(Bools {
            values: array
                .as_boolean_opt()
                .map(|array| array.iter().map(Option::unwrap_or_default).collect())
                .unwrap_or_default(),
        }),
        DataType::Scalar(Scalar::Int32) => Kind::Int32s(Int32s { values: packed::<Int32Type>(array) }),
        DataType::Scalar(Scalar::Int64) => Kind::Int64s(Int64s { values: packed::<Int64Type>(array) }),
        DataType::Scalar(Scalar::Float32) => {
            Kind::Float32s(Float32s { values: packed::<Float32Type>(array) })
        }
        DataType::Scalar(Scalar::Float64) => {
            Kind::Float64s(Float64s { values: packed::<Float64Type>(array) })
        }
        DataType::Scalar(Scalar::Timestamp) => {
            Kind::Timestamps(Timestamps { values_us: packed::<TimestampMicrosecondType>(array) })
        }
        DataType::Scalar(Scalar::String) => Kind::Strings(Strings {
            values: array
                .as_string_opt::<i32>()
                .map(|array| array.iter().map(|text| text.unwrap_or_default().to_owned()).collect())
                .unwrap_or_default(),
        }),
        DataType::Scalar(Scalar::Bytes) => Kind::Bytes(ByteStrings {
            values: array
                .as_binary_opt::<i32>()
                .map(|array| array.iter().map(|bytes| bytes.unwrap_or_default().to_vec()).collect())
                .unwrap_or_default(),
        }),
        DataType::List(item, length) => {
            let length = length.unwrap_or(0);
            Kind::Lists(Box::new(Lists { length, ..packed_lists(array, data_type, item) }))
        }
    };
    let nulls = if array.null_count() == 0 {
        Vec::new()
    } else {
        (0..array.len()).zip(0..).filter(|(row, _)| array.is_null(*row)).map(|(_, row)| row).collect()
    };
    Values { nulls, kind: Some(kind) }
}

fn packed<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<T::Native> {
    match array.as_primitive_opt::<T>() {
        Some(array) if array.null_count() == 0 => array.values().to_vec(),
        Some(array) => array.iter().map(Option::unwrap_or_default).collect(),
        None => Vec::new(),
    }
}

fn packed_lists(array: &ArrayRef, data_type: DataType, item: Scalar) -> Lists {
    let mut items = Vec::new();
    let lengths = (0..array.len()).map(|row| match transform::value_at(array, row, data_type) {
        Value::List(list) => {
            items.extend(list.iter().cloned());
            list.len() as u32
        }
        _ => 0,
    });
    let lengths = lengths.collect();
    let items = to_proto(&transform::array_of(&items, item.into()), item.into());
    Lists { lengths, items: Some(Box::new(items)), length: 0 }
}
