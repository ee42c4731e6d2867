//! Reads the features of one flight and prints each with its status, as the example clients of other languages do:
//! `features HOST:PORT DEST TAILNUM DISTANCE [SECONDS]`, the moment in seconds since 1970. `TWINSTORE_TOKEN` is shown to the
//! server where it is set.

use std::error::Error;
use std::time::{Duration, UNIX_EPOCH};

use twinstore_client::{Client, Column, Status, Values};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, dest, tailnum, distance, moment @ ..] = arguments.as_slice() else {
        return Err("name HOST:PORT DEST TAILNUM DISTANCE".into());
    };
    let mut builder = Client::builder([address]).deadline(Duration::from_secs(2));
    if let Ok(token) = std::env::var("TWINSTORE_TOKEN") {
        builder = builder.token(token);
    }
    let client = builder.connect().await?;
    let mut request = client
        .features("late_arrival")
        .keys("dest", dest.as_str())
        .keys("tailnum", tailnum.as_str())
        .request("distance", distance.parse::<i32>()?);
    if let [seconds] = moment {
        request = request.at(UNIX_EPOCH + Duration::from_secs(seconds.parse()?));
    }
    for column in request.read().await?.columns() {
        let status = match column.status(0) {
            Some(Status::Present) => "PRESENT",
            Some(Status::NullValue) => "NULL_VALUE",
            Some(Status::NotFound) => "NOT_FOUND",
            Some(Status::OutsideMaxAge) => "OUTSIDE_MAX_AGE",
            Some(Status::LastKnownGood) => "LAST_KNOWN_GOOD",
            Some(Status::BreakerOpen) => "BREAKER_OPEN",
            None => return Err("the answer has no row".into()),
        };
        println!("{}\t{status}\t{}", column.name(), shown(&column)?);
    }
    Ok(())
}

/// The value of the first row as JSON.
fn shown(column: &Column<'_>) -> Result<String, Box<dyn Error>> {
    let shown = match column.values() {
        // The shortest text of a single, and not that of the double next to it.
        Values::Float32s(_) => {
            column.get::<f32>(0)?.map(|value| value.to_string().parse().map(number)).transpose()?
        }
        Values::Float64s(_) => column.get::<f64>(0)?.map(number),
        Values::Int32s(_) | Values::Int64s(_) => column.get::<i64>(0)?.map(|value| serde_json::json!(value)),
        Values::Strings(_) => column.get::<String>(0)?.map(|value| serde_json::json!(value)),
        other => return Err(format!("{other:?} is not shown by this example").into()),
    };
    Ok(shown.unwrap_or_default().to_string())
}

/// A number as JSON, which has none for NaN and infinities.
fn number(value: f64) -> serde_json::Value {
    match value {
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        value if value.is_nan() => "NaN".into(),
        value => value.into(),
    }
}
