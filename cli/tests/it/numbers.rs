//! The table of numbers in docs/values.md, by every way in that is text: each cell is the value there, or refuses its
//! row and no other.

use materializer::{PushLog, Pushed};
use serde_json::Value;

use crate::project::{Project, says};
use crate::pushed::{micros_now, with};
use crate::served::Server;
use crate::stored;

const COLUMNS: [&str; 4] = ["int32", "int64", "float32", "float64"];
const AT: &str = "2024-01-01T00:00:00Z";

const WAYS: [(&str, &str); 4] = [
    ("csv", "batch: {path: data/csv}"),
    ("lines", "batch: {path: data/lines}"),
    ("topic", "stream: {topic: topic, format: json}"),
    ("pushed", "stream: {topic: pushed, format: json}"),
];

fn definitions() -> String {
    let mut text = "kind: entity\nname: one\nkeys: {id: int64}\n".to_owned();
    for (way, origin) in WAYS {
        text += &format!(
            "---\nkind: source\nname: {way}\nschema: {{id: int64, at: timestamp, x_int32: int32, x_int64: int64, \
             x_float32: float32, x_float64: float64}}\nevent_time: at\n{origin}\n---\nkind: feature_view\nname: {way}\n\
             version: 1\nentity: one\nsource: {way}\nfeatures: {{x_int32: {{latest: x_int32}}, x_int64: {{latest: \
             x_int64}}, x_float32: {{latest: x_float32}}, x_float64: {{latest: x_float64}}}}\n"
        );
    }
    text + "---\nkind: on_demand_view\nname: echo\nversion: 1\nrequest: {r_int32: int32, r_int64: int64, r_float32: \
            float32, r_float64: float64}\nfeatures: {e_int32: {expression: r_int32}, e_int64: {expression: r_int64}, \
            e_float32: {expression: r_float32}, e_float64: {expression: r_float64}}\n---\nkind: feature_service\n\
            name: svc\nversion: 1\nfeatures: [{from: csv@1}, {from: echo@1}]\n"
}

/// What is written into a column, and the value there; none where it is refused.
struct Cell {
    written: String,
    column: &'static str,
    value: Option<f64>,
}

/// A value as its column has it, as a double.
fn as_column(text: &str, column: &str) -> f64 {
    match column {
        "float32" => f64::from(text.parse::<f64>().unwrap() as f32),
        _ => text.parse().unwrap(),
    }
}

/// The cells of the table, with several numbers of one line apart.
fn cells() -> Vec<Cell> {
    let docs = std::fs::read_to_string("../docs/values.md").unwrap();
    let table = docs.split("| written | int32 | int64 | float32 | float64 |\n").nth(1).unwrap();
    let mut cells = Vec::new();
    for line in table.lines().skip(1).take_while(|line| line.starts_with('|')) {
        let parts: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        for written in parts[0].split('`').skip(1).step_by(2) {
            for (column, meaning) in COLUMNS.into_iter().zip(&parts[1..]) {
                let value = match *meaning {
                    "refused" => None,
                    "the number" | "nearest" | "nearest; from typed formats refused" => {
                        Some(as_column(written, column))
                    }
                    number => Some(as_column(number, column)),
                };
                cells.push(Cell { written: written.to_owned(), column, value });
            }
        }
    }
    assert!(cells.len() > 40, "{}", cells.len());
    cells
}

fn logged(rows: &[stored::Row], id: usize, column: &str) -> Option<f64> {
    let row = rows.iter().find(|row| row["id"] == id.to_string())?;
    Some(as_column(&row[&format!("x_{column}")], column))
}

#[test]
fn every_number_of_the_table_is_its_value_by_every_text_or_refuses_its_row_alone() {
    let project = with(&definitions());
    let cells = cells();
    let numbered = || cells.iter().zip(1_usize..);
    let object = |(cell, id): (&Cell, usize)| {
        format!(r#"{{"id": {id}, "at": "{AT}", "x_{}": {}}}"#, cell.column, cell.written)
    };
    let csv: String = numbered()
        .map(|(cell, id)| {
            let fields = COLUMNS.map(|column| if column == cell.column { cell.written.as_str() } else { "" });
            format!("{id},{AT},{}\n", fields.join(","))
        })
        .collect();
    project.write("data/csv/a.csv", format!("id,at,x_int32,x_int64,x_float32,x_float64\n{csv}"));
    project.write("data/lines/a.jsonl", numbered().map(object).collect::<Vec<_>>().join("\n"));
    let records: Vec<Pushed> =
        numbered().map(object).map(|row| Pushed { key: None, value: Some(row.into()) }).collect();
    let at = feature::Micros::new(micros_now()).unwrap();
    PushLog::open(&project.path(".twinstore/topics/topic")).unwrap().append(&records, at).unwrap();
    project.ok("backfill csv@1 lines@1");
    project.ok("stream topic@1 --until-caught-up");
    let server = Server::start(&project);
    let rows = numbered().map(object).collect::<Vec<_>>().join(", ");
    let push = format!(r#"{{"source": "pushed", "wait": "online", "rows": [{rows}]}}"#);
    let (status, answer) = server.send("/v1/push", &push).unwrap();
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let refused: Vec<u64> =
        answer["refused"].as_array().unwrap().iter().map(|row| row["row"].as_u64().unwrap()).collect();
    let bad: Vec<u64> =
        numbered().filter(|(cell, _)| cell.value.is_none()).map(|(_, id)| id as u64).collect();
    assert_eq!(refused, bad);
    for (way, _) in WAYS {
        let rows = stored::rows(&project.path(&format!(".twinstore/offline/log/{way}/v1")));
        for (cell, id) in numbered() {
            let found = logged(&rows, id, cell.column);
            let same =
                |a: f64, b: f64| a.to_bits() == b.to_bits() || cell.column.starts_with("int") && a == b;
            let is_it = match (found, cell.value) {
                (None, None) => true,
                (Some(found), Some(value)) => same(found, value),
                _ => false,
            };
            assert!(is_it, "{way}: {} as {}: {found:?}, not {:?}", cell.written, cell.column, cell.value);
        }
    }
    for way in ["csv", "lines", "topic"] {
        let dead_letters = project.json(&format!("dead-letter list {way}@1 --limit 1000"));
        let dead_letters = dead_letters["dead_letters"].as_array().unwrap();
        assert_eq!(dead_letters.len(), bad.len(), "{way}");
        for (dead_letter, id) in dead_letters.iter().zip(&bad) {
            let cell = &cells[*id as usize - 1];
            says(dead_letter["detail"].as_str().unwrap(), &[&format!("`x_{}`", cell.column), cell.column]);
        }
    }
    given_in_requests(&server, &cells);
    assert_eq!(server.terminate().0, Some(0));
    written_in_definitions_and_spines(&project, &cells);
}

/// Request columns of a read over HTTP.
fn given_in_requests(server: &Server, cells: &[Cell]) {
    for cell in cells {
        let columns: Vec<String> = COLUMNS
            .iter()
            .map(|column| {
                let value = if *column == cell.column { cell.written.as_str() } else { "null" };
                format!(r#""r_{column}": [{value}]"#)
            })
            .collect();
        let body = format!(
            r#"{{"service": "svc", "entities": {{"id": [1]}}, "request": {{{}}}}}"#,
            columns.join(", ")
        );
        let (status, answer) = server.send("/v1/features", &body).unwrap();
        let named = format!("{} as {}: {answer}", cell.written, cell.column);
        match cell.value {
            None => {
                assert_eq!(status, 400, "{named}");
                says(&answer, &[&format!("r_{}", cell.column)]);
            }
            Some(value) => {
                assert_eq!(status, 200, "{named}");
                let answer: Value = serde_json::from_str(&answer).unwrap();
                let found = &answer["columns"][format!("e_{}", cell.column)]["values"][0];
                let found = found.as_f64().unwrap();
                let found = if cell.column == "float32" { f64::from(found as f32) } else { found };
                assert_eq!(found, value, "{named}");
            }
        }
    }
}

/// Defaults in YAML, and request columns of a spine in CSV.
fn written_in_definitions_and_spines(project: &Project, cells: &[Cell]) {
    let default = |(cell, n): (&Cell, usize)| {
        format!("  d{n}: {{latest: x_{}, default: {}}}\n", cell.column, cell.written)
    };
    let defaults: String = cells.iter().zip(0..).map(default).collect();
    project.write(
        "features/defaults.yaml",
        format!(
            "kind: feature_view\nname: defaults\nversion: 1\nentity: one\nsource: csv\nfeatures:\n{defaults}"
        ),
    );
    let refused = project.refused("plan");
    let header = "id,t,r_int32,r_int64,r_float32,r_float64";
    let row = |cell: &Cell| {
        let fields = COLUMNS.map(|column| if column == cell.column { cell.written.as_str() } else { "" });
        format!("1,2024-01-02,{}\n", fields.join(","))
    };
    for (cell, n) in cells.iter().zip(0..) {
        let is_refused = refused.contains(&format!("`d{n}`"));
        assert_eq!(is_refused, cell.value.is_none(), "{} as {}: {refused}", cell.written, cell.column);
    }
    let command = "training-set --service svc --spine spine.csv --time t --out out.parquet";
    for column in COLUMNS {
        let of = |is_good: bool| {
            cells.iter().filter(move |cell| cell.column == column && cell.value.is_some() == is_good)
        };
        project.write("spine.csv", format!("{header}\n{}", of(true).map(row).collect::<String>()));
        project.ok(command);
        let rows = stored::parquet_rows(&project.path("out.parquet"));
        assert_eq!(rows.len(), of(true).count(), "{column}");
        for (row, cell) in rows.iter().zip(of(true)) {
            let found = as_column(&row[&format!("e_{column}")], column);
            assert_eq!(Some(found), cell.value, "{} as {column}", cell.written);
        }
        for cell in of(false) {
            project.write("spine.csv", format!("{header}\n1,2024-01-02,,,,\n{}", row(cell)));
            says(&project.refused(command), &["row 2", &format!("`r_{column}`"), &cell.written, column]);
        }
    }
}
