//! Pushes: what is pushed is read, what is refused is named, and what may have been taken is never sent twice.

use std::time::{Duration, UNIX_EPOCH};

use test_support::{Proxy, Way};
use twinstore_client::{Advice, Client, Error, PushRequest, Status};

use crate::served::{Project, Server, connected, patient};

/// The sample with a stream, whose rows are alive at any age.
fn streamed() -> Project {
    let project = Project::sample();
    project.edit(|text| {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("ttl:"));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        text.replace(
            "batch: {path: data/landings.parquet}\n",
            "batch: {path: data/landings.parquet}\nstream: {topic: landings, format: json}\n",
        )
    });
    project.load();
    project
}

fn landing(client: &Client, minute: u64, arr_delay: f32) -> PushRequest {
    let landed_at = UNIX_EPOCH + Duration::from_secs(1_400_000_000 + minute * 60);
    client
        .push("landings")
        .column("flight_id", minute as i64)
        .column("landed_at", landed_at)
        .column("tailnum", "N338AA")
        .column("dest", "LAX")
        .column("arr_delay", arr_delay)
}

async fn last_delay(client: &Client) -> (Option<f32>, Option<Status>) {
    let features = client.features("late_arrival").only(["dest_last_delay"]).keys("dest", "LAX");
    let features = features.read().await.unwrap();
    let column = features.column("dest_last_delay").unwrap();
    (column.get(0).unwrap(), column.status(0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pushed_row_is_read_and_a_bad_one_is_refused_by_view_and_reason() {
    let project = streamed();
    let server = Server::start(&project);
    let client = connected(&server.grpc).await;
    let pushed = landing(&client, 0, 17.5).until_online().send().await.unwrap();
    assert_eq!((pushed.taken, pushed.topic.as_str(), pushed.first_offset), (1, "landings", 0));
    assert!(pushed.refused.is_empty(), "{pushed:?}");
    assert_eq!(last_delay(&client).await, (Some(17.5), Some(Status::Present)));
    // Beyond what one of its views expects.
    let pushed = landing(&client, 1, 9_000.0).send().await.unwrap();
    assert_eq!(pushed.refused.len(), 1, "{pushed:?}");
    let refused = &pushed.refused[0];
    assert_eq!((refused.row, refused.view.as_deref()), (0, Some("airport_arrivals@1")), "{refused:?}");
    assert!(refused.reason.contains("arr_delay"), "{refused:?}");
    let error = client.push("nowhere").column("x", 1).send().await.unwrap_err();
    assert_eq!(error.advice(), Advice::Correct);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_may_have_been_taken_are_not_sent_again() {
    let project = streamed();
    let server = Server::start(&project);
    let proxy = Proxy::before(server.port());
    let way = format!("127.0.0.1:{}", proxy.port);
    let client = patient([&way, &way]).connect().await.unwrap();
    landing(&client, 0, 1.0).send().await.unwrap();
    // The request arrives later than the way is cut, or never: the client cannot know.
    proxy.set(Way::Slow(Duration::from_millis(200)));
    let push = tokio::spawn(landing(&client, 1, 2.0).send());
    while client.statistics().attempts < 2 {
        tokio::task::yield_now().await;
    }
    proxy.set(Way::Cut);
    let error = push.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::PushUnknown { .. }), "{error}");
    assert_eq!((error.advice(), client.statistics().retries), (Advice::Stop, 0));
    // Where no connection is made, nothing can have been taken, and every server is tried.
    let error = landing(&client, 2, 3.0).send().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. } | Error::PushUnknown { .. }), "{error}");
    proxy.set(Way::Open);
    let direct = connected(&server.grpc).await;
    let next = landing(&direct, 3, 4.0).send().await.unwrap();
    assert!((1..=2).contains(&next.first_offset), "the second row was taken once at most: {next:?}");
}
