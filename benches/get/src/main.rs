//! How long one online read takes over gRPC, at one connection: one request after the other against
//! a running server, each of one entity of the flights, all features of its service.

use std::error::Error;
use std::time::{Duration, Instant};

use proto::v1::feature_store_client::FeatureStoreClient;
use proto::v1::values::Kind;
use proto::v1::{GetFeaturesRequest, Int32s, Strings, Values};
use tonic::transport::Endpoint;

/// Requests that are not counted, first.
const WARM_UP: usize = 2_000;
/// Requests that are counted.
const COUNTED: usize = 20_000;
/// Just after the last row of the flights.
const AT_US: i64 = 1_388_570_400_000_000;
const DESTINATIONS: [&str; 4] = ["LAX", "BOS", "ATL", "ORD"];
const AIRCRAFT: [&str; 4] = ["N332AA", "N477UA", "N725MQ", "N328AA"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:6566".to_owned());
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    let mut client = FeatureStoreClient::new(channel);
    let mut took = Vec::with_capacity(COUNTED);
    let mut features = 0;
    for n in 0..WARM_UP + COUNTED {
        let request = request(n);
        let began = Instant::now();
        let answer = client.get_features(request).await?.into_inner();
        if n >= WARM_UP {
            took.push(began.elapsed());
        }
        features = answer.columns.len();
    }
    took.sort_unstable();
    let total: Duration = took.iter().sum();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
    println!(
        "{COUNTED} reads of 1 entity x {features} features at one connection: p50 {:?}, p99 {:?}, p99.9 {:?}, {:.0} reads/s",
        at(0.5),
        at(0.99),
        at(0.999),
        took.len() as f64 / total.as_secs_f64()
    );
    Ok(())
}

fn request(n: usize) -> GetFeaturesRequest {
    let pick = |from: &[&str; 4]| from.get(n % 4).copied().unwrap_or_default().to_owned();
    let text = |value: String| Values {
        nulls: Vec::new(),
        kind: Some(Kind::Strings(Strings { values: vec![value] })),
    };
    let distance = Values { nulls: Vec::new(), kind: Some(Kind::Int32s(Int32s { values: vec![2475] })) };
    GetFeaturesRequest {
        service: "late_arrival".to_owned(),
        features: Vec::new(),
        entities: [
            ("origin".to_owned(), text("JFK".to_owned())),
            ("dest".to_owned(), text(pick(&DESTINATIONS))),
            ("tailnum".to_owned(), text(pick(&AIRCRAFT))),
        ]
        .into(),
        request: [("distance".to_owned(), distance)].into(),
        at_us: Some(AT_US),
        trained_on: None,
    }
}
