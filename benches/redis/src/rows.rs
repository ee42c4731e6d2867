//! The rows that are measured: some latest float64 values, and a count of rows over an hour where a
//! window is wanted. `feast_layout.py` gives its peer the same values.

use std::sync::Arc;

use feature::{
    Column, EntityKey, Feature, Field, Fold, Function, Micros, Name, Position, Row, Scalar, Span, Value,
    VersionId, View, Window,
};
use online::{Layout, RowState};

use crate::Failure;

/// The moment of the newest row: 2024-01-01.
const NOW: i64 = 1_704_067_200_000_000;
/// Rows of an entity in the last hour, one in each tile of five minutes.
const ROWS: i64 = 13;

/// Packs the rows of one view.
pub struct Packer {
    view: View,
    layout: Arc<Layout>,
    has_window: bool,
}

impl Packer {
    /// A view with so many latest values.
    pub fn new(id: &str, latest: usize, has_window: bool) -> Result<Self, Failure> {
        let name = |text: &str| text.parse::<Name>();
        let mut columns = Vec::new();
        let mut features = Vec::new();
        let mut add = |name: Name, data_type: Scalar, fold: Fold| {
            features.push(Feature {
                name,
                data_type: data_type.into(),
                fold,
                unit: None,
                description: None,
                default: None,
            });
        };
        for column in 0..latest {
            let column_name = name(&format!("c{column}"))?;
            add(column_name.clone(), Scalar::Float64, Fold::Latest { column });
            let expression = column_name.to_string();
            columns.push(Column { name: column_name, expression, data_type: Scalar::Float64.into() });
        }
        if has_window {
            let window = Some(Window::new(Span::HOUR, None)?);
            let fold = Fold::Aggregate { function: Function::Count, column: None, window };
            add(name("rows_1h")?, Scalar::Int64, fold);
        }
        let keys = vec![Field { name: name("user_id")?, data_type: Scalar::Int64.into() }];
        let view = View {
            columns,
            features,
            hash: "0".repeat(64),
            ..View::bare(id.parse()?, name("user")?, keys, name("generated")?)
        };
        let layout = Arc::new(Layout::new(&view));
        Ok(Self { view, layout, has_window })
    }

    /// The view.
    pub fn view(&self) -> &VersionId {
        &self.view.id
    }

    /// The key of an entity, as many digits long as the number of the last of a million.
    pub fn key(&self, entity: u64) -> Result<EntityKey, Failure> {
        Ok(EntityKey::encode(&self.view.keys, &[Value::Int64(entity as i64)])?)
    }

    /// An entity's packed row, as of a version of its log.
    pub fn row(&self, entity: u64, version: u64) -> Result<(EntityKey, Vec<u8>), Failure> {
        let mut state = RowState::new(&self.layout);
        let rows = if self.has_window { ROWS } else { 1 };
        for back in 0..rows {
            let time = Micros::new(NOW - back * 5 * Span::MINUTE.micros())?;
            let values = (0..self.view.columns.len() as u64)
                .map(|column| Value::Float64((entity * 31 + column * 17 + version) as f64 / 7.0));
            state.fold(
                &Row {
                    event_time: time,
                    available_at: time,
                    position: Position::History { file: 0, row: back as u64 },
                    deleted: false,
                    values: values.collect(),
                },
                Micros::new(NOW)?,
            );
        }
        state.set_history(version);
        let mut bytes = Vec::new();
        state.encode(&mut bytes)?;
        Ok((self.key(entity)?, bytes))
    }
}
