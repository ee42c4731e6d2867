//! The laws as tables: every case of `tests/point_in_time/*.slt` says what a label sees of some rows,
//! and the training set, the oracle and the online store each have to say the same.
//!
//! How the files are written stands in `tests/point_in_time/README.md`.

mod specification;
mod view;
mod written;

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use feature::oracle;
use feature::{Answer, AsOf, EntityKey, Micros, Row, Scalar, ServicePlan, Value, View};
use online::{Layout, PackedRow, Read, Reader};

use crate::generated::{self, Fact};
use crate::label::{LABEL_TIME, Label, spine};
use crate::project::{Project, Trained};
use specification::{Case, Expected, Join, Shown};

thread_local! {
    /// What the materializer's clock shows.
    static NOW: Cell<Micros> = const { Cell::new(Micros::MIN) };
}

fn clock() -> Micros {
    NOW.get()
}

#[tokio::test]
async fn training_the_oracle_and_serving_say_what_the_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("point_in_time");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "slt"));
    paths.sort();
    let (mut cases, mut wrong) = (0, Vec::new());
    for path in &paths {
        let file = format!("tests/point_in_time/{}", path.file_name().unwrap().display());
        let read = specification::cases(&file, &fs::read_to_string(path).unwrap());
        let project = Project::empty(clock);
        for case in read.unwrap_or_else(|why| panic!("{why}")) {
            cases += 1;
            wrong.extend(check(&project, &case).await.iter().map(|why| format!("{file}:{why}")));
        }
    }
    assert!(cases > 70, "only {cases} cases in {} files", paths.len());
    assert!(wrong.is_empty(), "{} answers differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_case_that_is_wrong_is_reported_with_its_line_and_who_disagrees() {
    let text = "# A row counts.\nview\n  n = count\nrows\n  entity event_time\n  a 12:00\n\
                join\n  entity at | n n:status\n  a 12:00 | 1 PRESENT\n  a 13:00 | 2 NULL_VALUE\n";
    let case = specification::cases("wrong.slt", text).unwrap().remove(0);
    let reported = check(&Project::empty(clock), &case).await;
    let expected = [
        "10: n is not 2 but 1 in training",
        "10: n is not 2 but 1 in the oracle",
        "10: n is not 2 but 1 in serving",
        "10: n:status is not NULL_VALUE but PRESENT in the oracle",
        "10: n:status is not NULL_VALUE but PRESENT in serving",
    ];
    assert_eq!(reported, expected);
}

/// What is wrong with a case, each with its line.
async fn check(project: &Project, case: &Case) -> Vec<String> {
    let view = Arc::new(case.view.clone());
    let facts: Vec<Fact<'_>> = case.facts.iter().map(|(keys, row)| (keys.as_slice(), row)).collect();
    // In two commits, the later rows first.
    let (first, second) = facts.split_at(facts.len() / 2);
    generated::append(project, &view, second).await;
    generated::append(project, &view, first).await;
    let moments = case.joins.iter().flat_map(|join| &join.rows).map(|row| row.label.at);
    // What is visible at the earliest label is folded, the rest waits in the packed rows.
    NOW.set(moments.min().unwrap_or(Micros::MIN));
    project.materializer.sync(&view).await.unwrap();
    let plan = generated::plan(&view);
    let mut wrong = Vec::new();
    for join in &case.joins {
        let table = LabelTable { project, view: &view, plan: &plan, facts: &facts, join };
        table.differences(&mut wrong).await;
    }
    wrong
}

/// One table of labels, answered in every way.
struct LabelTable<'a> {
    project: &'a Project,
    view: &'a Arc<View>,
    plan: &'a ServicePlan,
    facts: &'a [Fact<'a>],
    join: &'a Join,
}

impl LabelTable<'_> {
    async fn differences(&self, wrong: &mut Vec<String>) {
        let labels: Vec<Label> = self.join.rows.iter().map(|row| row.label.clone()).collect();
        let as_of = self.join.as_of;
        let spine = spine(self.plan, &labels);
        let set = self.project.training_set(self.plan, &spine, LABEL_TIME, as_of).await;
        for (index, expected) in self.join.rows.iter().enumerate() {
            let oracle = self.oracle(&expected.label);
            // A server knows what it has received, and nothing else.
            let served = match as_of {
                AsOf::Available => Some(self.served(&expected.label).await),
                AsOf::Event => None,
            };
            for (shown, value) in &expected.cells {
                let said = [
                    ("training", self.trained(&set, index, *shown)),
                    ("the oracle", Some(self.of_answer(&oracle, *shown))),
                    ("serving", served.as_ref().map(|answer| self.of_answer(answer, *shown))),
                ];
                for (who, got) in said {
                    if let Some(got) = got.filter(|got| got != value) {
                        wrong.push(self.difference(expected, *shown, value, &got, who));
                    }
                }
            }
        }
    }

    fn difference(&self, row: &Expected, shown: Shown, value: &Value, got: &Value, who: &str) -> String {
        let column = match shown {
            Shown::Value(feature) => self.view.features[feature].name.to_string(),
            Shown::Status(feature) => format!("{}:status", self.view.features[feature].name),
            Shown::EventTime => "event_time".to_owned(),
            Shown::AvailableAt => "available_at".to_owned(),
        };
        format!("{}: {column} is not {value} but {got} in {who}", row.line)
    }

    /// What a training set has at a label; a training set has no statuses.
    fn trained(&self, set: &Trained, row: usize, shown: Shown) -> Option<Value> {
        let time =
            |name: &str| set.value(&format!("{}__{name}", self.view.id.name), row, Scalar::Timestamp.into());
        match shown {
            Shown::Value(feature) => {
                let output = &self.plan.outputs[feature];
                Some(set.value(&output.name, row, output.data_type))
            }
            Shown::Status(_) => None,
            Shown::EventTime => Some(time("event_time")),
            Shown::AvailableAt => Some(time("available_at")),
        }
    }

    fn oracle(&self, label: &Label) -> Answer {
        let of_entity = self.facts.iter().filter(|(keys, _)| *keys == label.keys);
        let rows: Vec<Row> = of_entity.map(|(_, row)| (*row).clone()).collect();
        oracle::answer(self.view, &rows, label.at, self.join.as_of)
    }

    /// What the packed row of the entity says as of the label's moment.
    async fn served(&self, label: &Label) -> Answer {
        let nobody = Answer::not_found(self.view.features.len());
        let Ok(key) = EntityKey::encode(&self.view.keys, &label.keys) else { return nobody };
        let online = &self.project.materializer.online;
        let found = online.read(&[Read { view: &self.view.id, keys: &[key] }]).await.unwrap();
        let Some(bytes) = found[0].row(0) else { return nobody };
        PackedRow::new(&Layout::new(self.view), bytes).unwrap().answer(label.at).unwrap()
    }

    fn of_answer(&self, answer: &Answer, shown: Shown) -> Value {
        // The times of a static view are shown to nobody.
        let times = answer.times.filter(|_| !self.view.is_static);
        match shown {
            Shown::Value(feature) => answer.cells[feature].value.clone(),
            Shown::Status(feature) => Value::String(answer.cells[feature].status.name().into()),
            Shown::EventTime => times.map_or(Value::Null, |times| Value::Timestamp(times.event_time)),
            Shown::AvailableAt => times.map_or(Value::Null, |times| Value::Timestamp(times.available_at)),
        }
    }
}
