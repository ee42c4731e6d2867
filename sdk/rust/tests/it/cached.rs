//! The cache: what it gives is never older than either bound, and says how old it is.

use std::time::{Duration, Instant};

use twinstore_client::{CacheBounds, Client, FeaturesRequest};

use crate::served::{Project, Server, connected, flights, patient};

const BOUNDS: CacheBounds = CacheBounds { max_age: Duration::from_millis(400), max_bytes: 1 << 20 };

fn arrivals(client: &Client, dest: &str) -> FeaturesRequest {
    client.features("late_arrival").only(["dest_last_delay"]).keys("dest", dest)
}

async fn cached(project: &Project, bounds: CacheBounds) -> (Server, Client) {
    let server = Server::start(project);
    let client = patient([&server.grpc]).cache(bounds).connect().await.unwrap();
    (server, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_from_the_cache_is_older_than_its_bound_or_the_readers() {
    let project = Project::loaded();
    let (server, client) = cached(&project, BOUNDS).await;
    let strict = Duration::from_millis(100);
    let (mut hits, mut strict_hits) = (0, 0);
    let (mut ages, mut slowest) = (Vec::new(), Duration::ZERO);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        let reading = Instant::now();
        let features = arrivals(&client, "LAX").read().await.unwrap();
        slowest = slowest.max(reading.elapsed());
        if let Some(age) = features.cached_for() {
            assert!(age <= BOUNDS.max_age, "{age:?}");
            hits += 1;
            ages.push((began.elapsed(), features.column("dest_last_delay").unwrap().age(0).unwrap()));
        }
        let features = arrivals(&client, "LAX").max_staleness(strict).read().await.unwrap();
        if let Some(age) = features.cached_for() {
            assert!(age <= strict, "{age:?}");
            strict_hits += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let fresh = arrivals(&client, "LAX").max_staleness(Duration::ZERO).read().await.unwrap();
    assert_eq!(fresh.cached_for(), None);
    let statistics = client.statistics();
    println!("cached: {hits} hits, {strict_hits} of a stricter reader, {statistics:?}");
    assert!(hits > 5 && strict_hits > 5 && statistics.calls < hits, "{statistics:?}");
    assert_eq!(statistics.cache_hits, hits + strict_hits);
    // A row gets older while its answer lies in the cache, as if it were read again each time: but for how long a read takes.
    let (first_at, first_age) = ages[0];
    for (at, age) in &ages {
        let off = (*age - first_age.min(*age)).abs_diff(*at - first_at);
        assert!(off <= 2 * slowest, "{off:?} beside reads of {slowest:?}");
    }
    assert!(ages[ages.len() - 1].1 - first_age > Duration::from_secs(2));
    let requests = tokio::task::spawn_blocking(move || server.requests()).await.unwrap();
    assert!(requests <= statistics.attempts, "{requests}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_equal_request_is_answered_by_the_cache_and_none_without_one() {
    let project = Project::loaded();
    let (server, client) = cached(&project, CacheBounds { max_age: Duration::from_secs(60), ..BOUNDS }).await;
    let is_hit = async |request: FeaturesRequest| request.read().await.unwrap().cached_for().is_some();
    assert!(!is_hit(flights(&client)).await);
    assert!(is_hit(flights(&client)).await);
    assert!(!is_hit(flights(&client).only(["dest_last_delay"])).await);
    assert!(!is_hit(arrivals(&client, "LAX")).await);
    assert!(!is_hit(arrivals(&client, "BOS")).await);
    assert!(is_hit(arrivals(&client, "LAX")).await);
    let plain = connected(&server.grpc).await;
    for _ in 0..2 {
        assert!(!is_hit(flights(&plain)).await);
    }
    assert_eq!(plain.statistics().cache_misses, 0);
}
