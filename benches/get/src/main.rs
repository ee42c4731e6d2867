//! How long one online read takes over gRPC, at one connection: one request after the other against
//! a running server, each of one entity of the flights, all features of its service; bare,
//! as generated code calls, and through the client for programs.

use std::error::Error;
use std::time::{Duration, Instant, UNIX_EPOCH};

use proto::v1::feature_store_client::FeatureStoreClient;
use proto::v1::values::Kind;
use proto::v1::{GetFeaturesRequest, Int32s, Strings, Values};
use tonic::transport::Endpoint;
use twinstore_client::Client;

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
    let mut bare = FeatureStoreClient::new(channel);
    let client = Client::connect([&address]).await?;
    let (mut took, mut took_of_client) = (Vec::with_capacity(COUNTED), Vec::with_capacity(COUNTED));
    let mut features = 0;
    // One after the other, so that both have the same machine.
    for n in 0..WARM_UP + COUNTED {
        let request = request(n);
        let began = Instant::now();
        features = bare.get_features(request).await?.into_inner().columns.len();
        let bare_took = began.elapsed();
        let began = Instant::now();
        read(&client, n).await?;
        if n >= WARM_UP {
            took.push(bare_took);
            took_of_client.push(began.elapsed());
        }
    }
    println!("{COUNTED} reads of 1 entity x {features} features at one connection: {}", summary(took));
    println!("the same through twinstore-client, each after one of the others: {}", summary(took_of_client));
    Ok(())
}

fn summary(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let total: Duration = took.iter().sum();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default();
    format!(
        "p50 {:?}, p99 {:?}, p99.9 {:?}, {:.0} reads/s",
        at(0.5),
        at(0.99),
        at(0.999),
        took.len() as f64 / total.as_secs_f64()
    )
}

fn pick(from: &[&'static str; 4], n: usize) -> &'static str {
    from.get(n % 4).copied().unwrap_or_default()
}

async fn read(client: &Client, n: usize) -> Result<(), twinstore_client::Error> {
    let request = client
        .features("late_arrival")
        .keys("origin", "JFK")
        .keys("dest", pick(&DESTINATIONS, n))
        .keys("tailnum", pick(&AIRCRAFT, n))
        .request("distance", 2475)
        .at(UNIX_EPOCH + Duration::from_micros(AT_US as u64));
    request.read().await.map(drop)
}

fn request(n: usize) -> GetFeaturesRequest {
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
            ("dest".to_owned(), text(pick(&DESTINATIONS, n).to_owned())),
            ("tailnum".to_owned(), text(pick(&AIRCRAFT, n).to_owned())),
        ]
        .into(),
        request: [("distance".to_owned(), distance)].into(),
        at_us: Some(AT_US),
        trained_on: None,
    }
}
