//! What an answer says of the version that gave it: its name, that it is deprecated, and that it is not the one that a
//! model was trained on; and what a server says while its registry is away.

use serde_json::{Value, json};

use crate::project::{GET, TRAINING, says};
use crate::rolled_out::{cut_over, two_versions};
use crate::served::Server;

fn request(service: &str) -> Value {
    json!({
        "service": service, "entities": {"dest": ["LAX"], "tailnum": ["N338AA"]},
        "request": {"distance": [2475]}, "at": "2013-06-08T01:00:00Z",
    })
}

#[test]
fn a_model_is_refused_another_version_than_the_one_that_it_was_trained_on() {
    let project = two_versions();
    project.ok(&format!("{TRAINING} training.parquet"));
    let manifest: Value = serde_json::from_str(&project.read("training.parquet.manifest.json")).unwrap();
    let server = Server::start(&project);
    let demanded = |service: &str| {
        let mut body = request(service);
        body["trained_on"] = manifest["service_hash"].clone();
        body
    };
    let file = "--trained-on training.parquet.manifest.json";
    let remote = format!("--grpc {}", server.grpc);
    for command in [format!("{GET} {file}"), format!("{GET} --trained-on training.parquet {remote}")] {
        says(&project.ok(&command), &["late_arrival@1"]);
    }
    assert_eq!(server.post("/v1/features", &demanded("late_arrival")).0, 200);
    cut_over(&project, "2", 100);
    let sentence = [
        "late_arrival@2 is not what the model was trained on: its hash is ",
        manifest["service_hash"].as_str().unwrap(),
        "ask for late_arrival@1, which has it",
    ];
    let refused = server.waits_for(&demanded("late_arrival"), |status, _| status == 409);
    says(
        &refused["error"].to_string(),
        &["FAILED_PRECONDITION", "late_arrival@2 is not what", "ask for late_arrival@1"],
    );
    for command in [format!("{GET} {file}"), format!("{GET} {file} {remote}")] {
        says(&project.refused(&command), &sentence);
    }
    // The version that it was trained on is still there under its exact name.
    assert_eq!(server.post("/v1/features", &demanded("late_arrival@1")).0, 200);
    let exact = GET.replace("get late_arrival ", "get late_arrival@1 ");
    says(&project.ok(&format!("{exact} {file}")), &["late_arrival@1"]);
    says(
        &project.refused(&format!("{GET} --trained-on nothing.parquet")),
        &["nothing.parquet.manifest.json"],
    );
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn an_answer_names_its_version_and_says_what_of_it_is_deprecated() {
    let project = two_versions();
    let server = Server::start(&project);
    let head = |path: &str, body: &Value| {
        let answer = server.head_of(path, &body.to_string());
        answer.to_ascii_lowercase()
    };
    let feast = json!({
        "feature_service": "late_arrival",
        "entities": {"dest": ["LAX"], "tailnum": ["N338AA"], "distance": [2475]},
    });
    for (path, body) in [("/v1/features", &request("late_arrival")), ("/get-online-features", &feast)] {
        let head = head(path, body);
        says(&head, &["x-twinstore-service: late_arrival@1"]);
        assert!(!head.contains("deprecation"), "{head}");
    }
    project.ok("deprecate airport_arrivals@1 --sunset 2099-12-31 --reason use-version-2");
    let said = [
        "deprecation: @",
        "sunset: thu, 31 dec 2099 00:00:00 gmt",
        "x-twinstore-deprecated: airport_arrivals@1 is",
    ];
    let views = json!({"features": ["airport_arrivals@1:last_delay"], "entities": {"airport": ["LAX"]}});
    let began = std::time::Instant::now();
    while !head("/v1/features", &request("late_arrival")).contains("deprecation") {
        assert!(began.elapsed().as_secs() < 30, "the deprecation is never said");
    }
    for (path, body) in [
        ("/v1/features", &request("late_arrival@1")),
        ("/get-online-features", &feast),
        ("/get-online-features", &views),
    ] {
        says(&head(path, body), &said);
    }
    let metrics = server.get("/metrics");
    let counted =
        "twinstore_serve_deprecated_answers_total{service=\"late_arrival@1\",version=\"airport_arrivals@1\"}";
    says(&metrics, &[counted, "{service=\"views\",version=\"airport_arrivals@1\"}"]);
    assert_eq!(server.terminate().0, Some(0));
}

#[test]
fn a_server_goes_on_with_what_it_knows_while_its_registry_is_away_and_says_so() {
    let project = two_versions();
    let server = Server::start(&project);
    let body = request("late_arrival");
    assert_eq!(server.post("/v1/features", &body).0, 200);
    says(&server.get("/health"), &["SERVING"]);
    let away = project.path(".twinstore/away");
    std::fs::create_dir(&away).unwrap();
    let move_files = |from: &std::path::Path, to: &std::path::Path| {
        for suffix in ["", "-wal", "-shm"] {
            let name = format!("registry.db{suffix}");
            if from.join(&name).exists() {
                std::fs::rename(from.join(&name), to.join(&name)).unwrap();
            }
        }
    };
    let stores = project.path(".twinstore");
    move_files(&stores, &away);
    let wait = |part: &str| {
        let began = std::time::Instant::now();
        loop {
            let health = server.get("/health");
            if health.contains(part) {
                return health;
            }
            assert!(began.elapsed().as_secs() < 30, "{health}");
        }
    };
    let health = wait("DEGRADED");
    says(&health, &["200 OK", "\"registry\":{", "is not there any more", "\"since\":"]);
    says(&server.get("/metrics"), &["twinstore_serve_registry_up 0"]);
    assert_eq!(server.post("/v1/features", &body).0, 200);
    move_files(&away, &stores);
    wait("\"SERVING\"");
    says(&server.get("/metrics"), &["twinstore_serve_registry_up 1"]);
    // And it follows again.
    cut_over(&project, "2", 100);
    server.waits_for(&body, |_, answer| answer["service"] == "late_arrival@2");
    assert_eq!(server.terminate().0, Some(0));
}
