//! Sources that are queries over Postgres: a load takes the rows that no load took before, whatever happened to the others,
//! and however it or the database ends in between.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};

use arrow::csv::WriterBuilder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use test_support::{Authority, PostgresServer, Proxy, Way, eventually, user_events};

use crate::project::{Done, Project, says};
use crate::stored;

const TABLE: &str =
    "CREATE TABLE events (id serial, user_id bigint, at timestamptz, amount double precision)";
const ROWS: &str = "INSERT INTO events (user_id, at, amount) VALUES (1, '2013-06-01 12:00+00', 2.5), \
                    (2, '2013-06-02 12:00+00', 7), (2, '2013-06-03 12:00+00', 9)";
const QUERY: &str = "select user_id, at, amount from events order by id";
const EXTRACTS: &str = ".twinstore/extracts/events";
const LOG: &str = ".twinstore/offline/log/v/v1";
/// The points of an extraction and of the load behind it, in their order.
const POINTS: [&str; 6] =
    ["extract-begun", "extract-written", "extracted", "hashed", "file-written", "committed"];

fn definitions(sql: &str, connection: &str, more: &str) -> String {
    let source = format!(
        "schema: {{user_id: int64, at: timestamp, amount: float64}}\nevent_time: at\n\
         batch: {{sql: \"{sql}\", connection: \"{connection}\"{more}}}\n"
    );
    user_events("user_id", &source, "features:\n  amount: {latest: amount}\n  count: {aggregate: count}\n")
}

/// A server with a table of three events, and a project whose source is a query over it.
fn three_events() -> (PostgresServer, Project) {
    let server = PostgresServer::start();
    server.sql(TABLE);
    server.sql(ROWS);
    let project = Project::empty();
    project.write("features/all.yaml", definitions(QUERY, &server.url("postgres"), ""));
    project.ok("apply");
    (server, project)
}

/// Loads, and gives what was extracted and how many rows were loaded.
fn load(project: &Project, words: &str) -> (Value, u64) {
    let loaded = project.json(words);
    (loaded["extracts"][0].clone(), loaded["views"][0]["rows_loaded"].as_u64().unwrap())
}

fn values(project: &Project, user: u32) -> (Value, Value) {
    let features = &project.json(&format!("get svc user_id={user}"))["features"];
    (features["amount"]["value"].clone(), features["count"]["value"].clone())
}

fn extracts(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.path(EXTRACTS)).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name != ".lock").collect();
    names.sort();
    names
}

/// The amounts in the log, in the order of their positions.
fn amounts(project: &Project) -> Vec<String> {
    let rows = stored::rows(&project.path(LOG));
    rows.iter().map(|row| row["amount"].clone()).collect()
}

#[test]
fn each_row_of_a_query_is_loaded_once_and_a_reload_changes_nothing() {
    let (server, project) = three_events();
    let (extract, loaded) = load(&project, "backfill --all");
    assert_eq!((&extract["rows_read"], &extract["rows_new"], loaded), (&3.into(), &3.into(), 3));
    assert_eq!(extract["database"], format!("127.0.0.1:{}/ops", server.port));
    assert_eq!(values(&project, 2), (9.0.into(), 2.into()));
    for words in ["backfill --all", "materialize"] {
        let before = project.state();
        let (extract, loaded) = load(&project, words);
        assert_eq!((&extract["rows_new"], &extract["file"], loaded), (&0.into(), &Value::Null, 0));
        assert_eq!(extracts(&project), ["000001.csv.zst"]);
        let logs = |state: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>| {
            state.iter().filter(|(path, _)| path.ends_with("parquet")).count()
        };
        assert_eq!(logs(&project.state()), logs(&before), "{words}");
    }
    // A row that was written before the others and is committed after them has a lower id.
    server.sql("INSERT INTO events VALUES (0, 1, '2013-06-01 11:00+00', 1), (10, 3, '2013-06-04', 4)");
    let (extract, loaded) = load(&project, "materialize");
    assert_eq!((&extract["rows_read"], &extract["rows_new"], loaded), (&5.into(), &2.into(), 2));
    assert_eq!(values(&project, 1), (2.5.into(), 2.into()));
    assert_eq!(extracts(&project), ["000001.csv.zst", "000002.csv.zst"]);
    // What is there twice counts twice.
    server.sql("INSERT INTO events VALUES (10, 3, '2013-06-04', 4), (11, 3, '2013-06-04', 4)");
    assert_eq!(load(&project, "materialize").1, 2);
    assert_eq!(values(&project, 3), (4.0.into(), 3.into()));
    assert_eq!(load(&project, "materialize").1, 0);
}

#[test]
fn a_row_that_was_changed_or_deleted_is_reported_and_stays_in_the_log() {
    let (server, project) = three_events();
    project.ok("backfill --all");
    server.sql("UPDATE events SET amount = 10 WHERE id = 3; DELETE FROM events WHERE id = 1");
    let done = project.run("materialize");
    says(
        &done.stderr,
        &["events: 1 new of 2 rows", "2 rows extracted before", "changed or deleted", "kept in the log"],
    );
    assert_eq!(amounts(&project), ["2.5", "7.0", "9.0", "10.0"]);
    // The changed row follows the one that it was.
    assert_eq!(values(&project, 2), (10.0.into(), 3.into()));
    let (extract, loaded) = load(&project, "materialize");
    assert_eq!((&extract["rows_gone"], loaded), (&2.into(), 0));
}

#[test]
fn a_training_set_is_the_same_to_the_bit_as_of_the_same_rows_in_a_file() {
    let of_files = Project::loaded();
    let server = PostgresServer::start();
    server.sql(
        "CREATE TABLE landings (flight_id bigint, landed_at timestamptz, tailnum text, origin varchar(3), dest char(3), \
         arr_delay real, air_time real, distance smallint, id serial)",
    );
    let columns = "flight_id, landed_at, tailnum, origin, dest, arr_delay, air_time, distance";
    let file = File::open(of_files.path("data/landings.parquet")).unwrap();
    let mut csv = WriterBuilder::new().with_header(false).build(Vec::new());
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
        csv.write(&batch.unwrap()).unwrap();
    }
    server.copy(&format!("landings ({columns})"), &String::from_utf8(csv.into_inner()).unwrap());
    let project = Project::sample();
    let query = format!(
        "batch:\n  sql: select {columns} from landings order by id\n  connection: {}",
        server.url("postgres")
    );
    project.edit("features/flights.yaml", "batch: {path: data/landings.parquet}", &query);
    project.ok("apply");
    project.ok("backfill --all");
    for log in ["airport_arrivals/v1", "aircraft_last_flight/v1"] {
        let rows = |project: &Project| stored::rows(&project.path(&format!(".twinstore/offline/log/{log}")));
        assert_eq!(rows(&project), rows(&of_files), "{log}");
    }
    assert_eq!(project.training_set(), of_files.training_set());
    assert_eq!(project.answer(), of_files.answer());
    // Two views read the source, which was extracted once.
    assert_eq!(project.json("materialize")["extracts"].as_array().unwrap().len(), 1);
    // Date by date it is the same.
    let by_date = Project::sample();
    by_date.edit("features/flights.yaml", "batch: {path: data/landings.parquet}", &query);
    by_date.ok("apply");
    let done = by_date.run("backfill start airport_arrivals");
    says(&done.stderr, &["landings: 2,099 new of 2,099 rows"]);
    let positions = |project: &Project| {
        stored::positions(&stored::rows(&project.path(".twinstore/offline/log/airport_arrivals/v1")))
    };
    assert_eq!(positions(&by_date), positions(&of_files));
}

#[test]
fn with_a_cursor_a_load_reads_from_the_newest_row_on_less_the_lookback() {
    let (server, project) = three_events();
    let definitions = definitions(QUERY, &server.url("postgres"), ", cursor: at, lookback: 36h");
    project.write("features/all.yaml", definitions);
    project.ok("apply");
    let (extract, _) = load(&project, "backfill --all");
    assert_eq!((&extract["rows_read"], &extract["read_from"]), (&3.into(), &Value::Null));
    // From 2013-06-02T00:00:00Z on; what is older is missed, and not said to be gone.
    server.sql(
        "INSERT INTO events VALUES (4, 1, '2013-06-01 23:59+00', 100), (5, 1, '2013-06-02 00:00+00', 3), \
         (6, 1, NULL, 4), (7, 1, '-infinity', 5), (8, 1, 'infinity', 6)",
    );
    let (extract, loaded) = load(&project, "materialize");
    // 2013-06-02T00:00:00Z
    assert_eq!(extract["read_from"], 1_370_131_200_000_000_u64);
    assert_eq!(
        (&extract["rows_read"], &extract["rows_new"], &extract["rows_gone"]),
        (&6.into(), &4.into(), &0.into())
    );
    assert_eq!((loaded, values(&project, 1).0), (1, 3.0.into()));
    // Rows without a moment are known as well.
    let (extract, _) = load(&project, "materialize");
    assert_eq!((&extract["rows_new"], &extract["rows_gone"]), (&0.into(), &0.into()));
    server.sql("DELETE FROM events WHERE id IN (1, 3, 6)");
    let (extract, _) = load(&project, "materialize");
    assert_eq!((&extract["rows_new"], &extract["rows_gone"]), (&0.into(), &2.into()));
}

#[test]
fn a_column_that_is_added_to_the_source_makes_no_row_new() {
    let (server, project) = three_events();
    project.ok("backfill --all");
    server.sql("ALTER TABLE events ADD note text; UPDATE events SET note = 'old'");
    let text = project.read("features/all.yaml").replace("select user_id,", "select note, user_id,");
    let text = text.replace("amount: float64}", "amount: float64, note: {type: string, optional: true}}");
    project.write("features/all.yaml", text);
    project.ok("apply");
    let (extract, loaded) = load(&project, "materialize");
    assert_eq!((&extract["rows_read"], &extract["rows_gone"], loaded), (&3.into(), &0.into(), 0));
    server.sql("INSERT INTO events VALUES (4, 2, '2013-06-05', 1, 'new')");
    assert_eq!(load(&project, "materialize").1, 1);
    assert_eq!(load(&project, "materialize").1, 0);
    assert_eq!(extracts(&project).len(), 2);
}

#[test]
fn a_column_that_gets_another_type_makes_no_row_new() {
    let (server, project) = three_events();
    server.sql("ALTER TABLE events ADD note int DEFAULT 3");
    let text = project.read("features/all.yaml").replace("select user_id,", "select note, user_id,");
    let text = text.replace("amount: float64}", "amount: float64, note: int64}");
    project.write("features/all.yaml", &text);
    project.ok("apply");
    project.ok("backfill --all");
    project.write("features/all.yaml", text.replace("note: int64", "note: float64"));
    project.ok("apply");
    let (extract, loaded) = load(&project, "materialize");
    assert_eq!((&extract["rows_read"], &extract["rows_gone"], loaded), (&3.into(), &0.into(), 0));
}

#[test]
fn a_load_that_is_killed_at_any_point_and_repeated_has_each_row_once() {
    let (server, whole) = three_events();
    whole.ok("backfill --all");
    server.sql("INSERT INTO events (user_id, at, amount) VALUES (1, '2013-06-05', 1), (2, '2013-06-06', 2)");
    whole.ok("materialize");
    for point in POINTS {
        let project = Project::empty();
        project.write("features/all.yaml", definitions(QUERY, &server.url("postgres"), ""));
        project.ok("apply");
        let mut command = project.command("backfill --all");
        let killed = command.env("TWINSTORE_TRIAL_BATCH_END", point).output().unwrap();
        assert_eq!(killed.status.code(), None, "{point} was not passed");
        let named: Vec<String> =
            extracts(&project).into_iter().filter(|name| !name.starts_with('.')).collect();
        let is_named = !point.starts_with("extract-");
        assert_eq!(named.len(), usize::from(is_named), "{point}: {named:?}");
        project.ok("backfill --all");
        assert_eq!(extracts(&project), ["000001.csv.zst"], "{point}");
        assert_eq!(load(&project, "materialize").1, 0, "{point}");
        let sorted = |project: &Project| {
            let mut amounts = amounts(project);
            amounts.sort();
            amounts
        };
        assert_eq!(sorted(&project), sorted(&whole), "{point}");
        assert_eq!(values(&project, 1), values(&whole, 1), "{point}");
    }
}

#[test]
fn loads_beside_each_other_take_each_row_once() {
    let (server, project) = three_events();
    project.ok("backfill --all");
    for round in 0..4 {
        server.sql(&format!(
            "INSERT INTO events (user_id, at, amount) SELECT n % 3, timestamptz '2013-07-01' + n * interval '1 minute', 100 + n \
             FROM generate_series({round} * 500 + 1, {round} * 500 + 500) n"
        ));
        let begin = || {
            let mut command = project.command("materialize");
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let both: [Child; 2] = [begin(), begin()];
        for one in both {
            let done = Done::of(one.wait_with_output().unwrap());
            assert_eq!(done.code, Some(0), "{}", done.stderr);
        }
        let mut rows = amounts(&project);
        let all = rows.len();
        rows.sort();
        rows.dedup();
        assert_eq!((all, rows.len()), (503 + round * 500, 503 + round * 500), "round {round}");
    }
    assert_eq!(extracts(&project).len(), 5);
}

#[test]
fn two_first_loads_beside_each_other_take_each_row_once() {
    let (_server, project) = three_events();
    let begin = || {
        let mut command = project.command("backfill --all");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both: [Child; 2] = [begin(), begin()];
    for one in both {
        let done = Done::of(one.wait_with_output().unwrap());
        assert_eq!(done.code, Some(0), "{}", done.stderr);
    }
    assert_eq!(amounts(&project), ["2.5", "7.0", "9.0"]);
    assert_eq!(extracts(&project), ["000001.csv.zst"]);
}

#[test]
fn a_database_that_is_lost_in_the_middle_leaves_nothing_and_is_named() {
    let (server, project) = three_events();
    server.sql(
        "INSERT INTO events (user_id, at, amount) SELECT 4, '2013-06-05', n FROM generate_series(1, 40) n",
    );
    let proxy = Proxy::before(server.port);
    let address = format!("postgres://postgres@127.0.0.1:{}/ops", proxy.port);
    // A row of several pages each moment, so that rows arrive one by one.
    let slow =
        "select user_id, at, amount, repeat('x', 20000) as note from events where pg_sleep(0.1)::text = ''";
    let text = definitions(slow, &address, "").replace("amount: float64}", "amount: float64, note: string}");
    project.write("features/all.yaml", text);
    project.ok("apply");
    let mut command = project.command("backfill --all");
    let loading = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("the extract is begun", || extracts(&project) == [".000001.csv.zst.partial"]);
    proxy.set(Way::Cut);
    let done = Done::of(loading.wait_with_output().unwrap());
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let address_said = format!("127.0.0.1:{}/ops was lost after ", proxy.port);
    says(
        &done.stderr,
        &["v@1", "the source `events`", &address_said, " of the query: ", "nothing of this extract is kept"],
    );
    assert_eq!(extracts(&project), Vec::<String>::new());
    proxy.set(Way::Open);
    let quick = project.read("features/all.yaml").replace("pg_sleep(0.1)::text = ''", "true");
    project.write("features/all.yaml", quick);
    project.ok("apply");
    assert_eq!(load(&project, "backfill --all").1, 43);
}

#[test]
fn an_interrupted_load_ends_its_query_and_leaves_nothing() {
    let (server, project) = three_events();
    let slow = "select user_id, at, amount from events where pg_sleep(30)::text = '' and user_id > 0";
    project.write("features/all.yaml", definitions(slow, &server.url("postgres"), ""));
    project.ok("apply");
    let active = || {
        let sleeping = "select count(*) from pg_stat_activity where application_name = 'twinstore'";
        server.sql(sleeping).parse::<u32>().unwrap()
    };
    for signal in ["INT", "KILL"] {
        let mut command = project.command("backfill --all");
        let loading = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        eventually("the query is executed", || active() == 1);
        let id = loading.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        let done = Done::of(loading.wait_with_output().unwrap());
        assert_eq!(done.code, if signal == "INT" { Some(130) } else { None }, "{}", done.stderr);
        eventually("the server has ended the query", || active() == 0);
        assert_eq!(extracts(&project), Vec::<String>::new());
    }
}

#[test]
fn an_extract_that_is_missing_or_damaged_is_refused_by_name() {
    let (server, project) = three_events();
    project.ok("backfill --all");
    server.sql("INSERT INTO events (user_id, at, amount) VALUES (1, '2013-06-05', 1)");
    project.ok("materialize");
    let first = project.path(&format!("{EXTRACTS}/000001.csv.zst"));
    let bytes = fs::read(&first).unwrap();
    fs::remove_file(&first).unwrap();
    says(
        &project.refused("materialize"),
        &["the extracts of the source `events`", "000001.csv.zst is missing"],
    );
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 0x10;
    fs::write(&first, damaged).unwrap();
    says(&project.refused("materialize"), &["000001.csv.zst"]);
    fs::write(&first, &bytes).unwrap();
    assert_eq!(load(&project, "materialize").1, 0);
    // Without any extract every row would be new: the log has other contents under that name.
    fs::remove_dir_all(project.path(EXTRACTS)).unwrap();
    let done = project.run("materialize");
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    says(&done.stderr, &["000001.csv.zst", "changed since v@1 loaded it"]);
    assert_eq!(amounts(&project).len(), 4);
}

/// What `plan` prints; it succeeds.
fn said_by_plan(project: &Project) -> String {
    let done = project.run("plan");
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    format!("{}{}", done.stdout, done.stderr)
}

#[test]
fn what_is_wrong_with_a_query_is_said_by_plan_all_at_once() {
    let (server, project) = three_events();
    let planned = |sql: &str, connection: &str| {
        project.write("features/all.yaml", definitions(sql, connection, ""));
        said_by_plan(&project)
    };
    let url = server.url("postgres");
    let said =
        planned("select user_id::text, at, amount as amounts, interval '1 day' as x from events", &url);
    says(
        &said,
        &[
            "`user_id` of the query is text",
            "int64",
            "user_id::bigint",
            "no column `amount`",
            "did you mean `amounts`?",
        ],
    );
    let done = project.run("apply");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let done = project.run("backfill --all");
    assert_eq!(done.code, Some(1));
    says(&done.stderr, &["the query of the source `events`", "user_id::bigint", "did you mean `amounts`?"]);
    says(&planned("select * from event", &url), &["refuses the query", "relation \"event\" does not exist"]);
    says(&planned("delete from events returning *", &url), &["refuses the query", "syntax error"]);
    says(&planned("select 1; delete from events", &url), &["refuses the query", "syntax error"]);
    says(&planned("select 1) as q; delete from events; select (1", &url), &["refuses the query"]);
    // A query that writes by a function is refused when it is executed.
    server.sql("CREATE SEQUENCE s");
    project.write(
        "features/all.yaml",
        definitions("select nextval('s') as user_id, at, amount from events", &url, ""),
    );
    project.ok("apply");
    let done = project.run("backfill --all");
    says(&done.stderr, &["the query of the source `events`", "read-only transaction"]);
    assert_eq!(server.sql("SELECT count(*) FROM events"), "3");
    // A semicolon at its end is left out, and one before its end is not; a comment ends with its line.
    project.write("features/all.yaml", definitions("select * from events; -- all", &url, ""));
    says(&said_by_plan(&project), &["refuses the query", "syntax error"]);
    project.write("features/all.yaml", definitions("select * from events -- all", &url, ""));
    project.ok("apply");
    assert_eq!(load(&project, "backfill --all").1, 3);
}

#[test]
fn a_database_that_cannot_be_reached_is_a_note_of_plan_and_an_error_of_a_load() {
    let (server, project) = three_events();
    let address_said = format!("127.0.0.1:{}/ops", server.port);
    drop(server);
    says(&said_by_plan(&project), &[&address_said, "cannot be reached", "were not checked"]);
    let done = project.run("backfill --all");
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    says(&done.stderr, &["v@1", "the source `events`", &address_said, "cannot be reached"]);
    // What is silent is given up.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!(
        "postgres://postgres@127.0.0.1:{}/ops?connect_timeout=1",
        silent.local_addr().unwrap().port()
    );
    project.write("features/all.yaml", definitions(QUERY, &address, ""));
    says(&said_by_plan(&project), &["did not answer within 1s"]);
}

#[test]
fn a_password_comes_from_the_environment_and_is_never_shown() {
    let (server, project) = three_events();
    server.sql("GRANT SELECT ON events TO guarded");
    let url = server.url("guarded");
    let with_password = url.replace("guarded@", "guarded:s3cret@");
    project.write("features/all.yaml", definitions(QUERY, &with_password, ""));
    let done = project.run("plan");
    assert_eq!(done.code, Some(1), "{}", done.stdout);
    says(&done.stderr, &["has a password", "PGPASSWORD", "$OPS_DATABASE"]);
    assert!(!format!("{}{}", done.stdout, done.stderr).contains("s3cret"));
    project.write("features/all.yaml", definitions(QUERY, &url, ""));
    project.ok("apply");
    let loaded = |set: &[(&str, &str)]| {
        let mut command = project.command("backfill --all");
        command.env_remove("PGPASSWORD").env("HOME", project.path("home")).envs(set.iter().copied());
        let done = Done::of(command.output().unwrap());
        assert!(!format!("{}{}", done.stdout, done.stderr).contains("s3cret"));
        (done.code, done.stderr)
    };
    let (code, said) = loaded(&[]);
    assert_eq!(code, Some(1));
    says(&said, &["cannot be reached", "password"]);
    let (code, said) = loaded(&[("PGPASSWORD", "wrong")]);
    assert_eq!(code, Some(1));
    says(&said, &["password authentication failed for user \"guarded\""]);
    assert_eq!(loaded(&[("PGPASSWORD", "s3cret")]).0, Some(0));
    project.write("home/.pgpass", "127.0.0.1:*:ops:guarded:s3cret\n");
    let pgpass = project.path("home/.pgpass");
    assert!(Command::new("chmod").arg("0600").arg(&pgpass).status().unwrap().success());
    assert_eq!(loaded(&[]).0, Some(0));
    fs::remove_file(pgpass).unwrap();
    project.write("features/all.yaml", definitions(QUERY, "$OPS_DATABASE", ""));
    project.ok("apply");
    assert_eq!(loaded(&[("OPS_DATABASE", &with_password)]).0, Some(0));
    let (code, said) = loaded(&[]);
    assert_eq!(code, Some(1));
    says(&said, &["the source `events`", "the environment variable OPS_DATABASE is not set"]);
}

#[test]
fn an_encrypted_connection_is_one_to_a_server_whose_certificate_is_trusted() {
    let authority = Authority::new();
    let server = PostgresServer::start_with_tls(&authority);
    server.sql(TABLE);
    server.sql(ROWS);
    let project = Project::empty();
    fs::copy(authority.certificate(), project.path("ca.pem")).unwrap();
    let url = |query: &str| format!("{}?{query}", server.url("postgres"));
    let loaded = |url: &str| {
        project.write("features/all.yaml", definitions(QUERY, url, ""));
        project.ok("apply");
        let done = project.run("backfill --all");
        (done.code, done.stderr)
    };
    let (code, said) = loaded(&url("sslmode=require&sslrootcert=ca.pem"));
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = loaded(&url("sslmode=require"));
    assert_eq!(code, Some(1));
    says(&said, &["cannot be reached", "certificate"]);
    // The certificate names another server.
    let elsewhere = url("sslmode=verify-full&sslrootcert=ca.pem").replace("127.0.0.1", "localhost");
    let (code, said) = loaded(&elsewhere);
    assert_eq!(code, Some(1));
    says(&said, &["cannot be reached", "certificate"]);
    // A server without TLS is not spoken to in the clear.
    let plain = PostgresServer::start();
    let (code, said) = loaded(&format!("{}?sslmode=require&sslrootcert=ca.pem", plain.url("postgres")));
    assert_eq!(code, Some(1));
    says(&said, &["cannot be reached", "TLS"]);
}
