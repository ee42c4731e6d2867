//! The grammar of a specification: cases, each with its law, a view, its rows, and what labels see.

use feature::{AsOf, Micros, Position, Row, Scalar, Value, View};

use super::view::{column_index, declare, field, view};
use super::written::{cells, time, value};
use crate::label::Label;

/// Some rows, and what is seen of them.
pub(super) struct Case {
    pub(super) view: View,
    /// The join keys of each row's entity, and the row.
    pub(super) facts: Vec<(Vec<Value>, Row)>,
    pub(super) joins: Vec<Join>,
}

/// A table of labels that are joined in one mode.
pub(super) struct Join {
    pub(super) as_of: AsOf,
    pub(super) rows: Vec<Expected>,
}

/// A label, and what it sees.
pub(super) struct Expected {
    pub(super) line: usize,
    pub(super) label: Label,
    pub(super) cells: Vec<(Shown, Value)>,
}

/// What a column of expected cells shows; features by their index in the view.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    Value(usize),
    Status(usize),
    EventTime,
    AvailableAt,
}

/// What was read, or why it cannot be.
pub(super) type Read<T> = Result<T, String>;

/// The cases of a file; an error names the file and the line.
pub(super) fn cases(file: &str, text: &str) -> Read<Vec<Case>> {
    let mut reader = Reader::default();
    for (line, text) in (1..).zip(text.lines()) {
        reader.read(line, text).map_err(|why| format!("{file}:{line}: {why}"))?;
    }
    match reader.cases.iter().find(|case| case.joins.is_empty()) {
        Some(case) => Err(format!("{file}: {} has no join", case.view.id)),
        None => Ok(reader.cases),
    }
}

#[derive(Default)]
struct Reader {
    cases: Vec<Case>,
    /// The comment right above.
    law: String,
    section: Section,
    /// The first line of the section's table.
    header: Vec<String>,
}

#[derive(Default, Clone, Copy)]
enum Section {
    #[default]
    None,
    View,
    Rows,
    Join,
}

impl Reader {
    fn read(&mut self, line: usize, text: &str) -> Read<()> {
        if text.trim().is_empty() {
            self.law.clear();
            self.section = Section::None;
            return Ok(());
        }
        if let Some(comment) = text.strip_prefix('#') {
            self.law.push_str(comment);
            return Ok(());
        }
        let cells = cells(text)?;
        if !text.starts_with(' ') {
            self.header.clear();
            return self.begin(line, &cells);
        }
        let case = self.cases.last_mut();
        match (self.section, case) {
            (_, _) if cells.is_empty() => Ok(()),
            (Section::View, Some(case)) => declare(&mut case.view, &cells),
            (Section::Rows | Section::Join, _) if self.header.is_empty() => {
                self.header = cells;
                Ok(())
            }
            (Section::Rows, Some(case)) => case.add_rows(&self.header, &cells),
            (Section::Join, Some(case)) => case.add_label(line, &self.header, &cells),
            _ => Err("this belongs to nothing: it stands below no view, rows or join".to_owned()),
        }
    }

    /// Begins a section.
    fn begin(&mut self, line: usize, cells: &[String]) -> Read<()> {
        let words: Vec<&str> = cells.iter().map(String::as_str).collect();
        if words.first() == Some(&"view") {
            if std::mem::take(&mut self.law).is_empty() {
                return Err("say in a comment right above the view which law it shows".to_owned());
            }
            let view = view(line, &words[1..])?;
            self.cases.push(Case { view, facts: Vec::new(), joins: Vec::new() });
            self.section = Section::View;
            return Ok(());
        }
        let case = self.cases.last_mut().ok_or("a file begins with a view")?;
        if case.view.keys.is_empty() {
            case.view.keys.push(field("entity", Scalar::String.into())?);
        }
        let as_of = match words.as_slice() {
            ["rows"] => {
                self.section = Section::Rows;
                return Ok(());
            }
            ["join"] => AsOf::Available,
            ["join", "as_of=event"] => AsOf::Event,
            _ => return Err(format!("`{}` begins nothing: write view, rows or join", words.join(" "))),
        };
        case.joins.push(Join { as_of, rows: Vec::new() });
        self.section = Section::Join;
        Ok(())
    }
}

impl Case {
    /// The rows of one line: several where a cell is a range, one for each of its numbers.
    fn add_rows(&mut self, header: &[String], cells: &[String]) -> Read<()> {
        let range = |cell: &String| {
            let (first, last) = cell.split_once("..")?;
            Some(first.parse::<i64>().ok()?..=last.parse::<i64>().ok()?)
        };
        let Some((index, range)) = cells.iter().enumerate().find_map(|(n, cell)| Some((n, range(cell)?)))
        else {
            return self.add_row(header, cells);
        };
        let mut cells = cells.to_vec();
        for number in range {
            cells[index] = number.to_string();
            self.add_row(header, &cells)?;
        }
        Ok(())
    }

    fn add_row(&mut self, header: &[String], cells: &[String]) -> Read<()> {
        let mut keys = vec![Value::Null; self.view.keys.len()];
        let mut row = Row {
            event_time: Micros::MIN,
            available_at: Micros::MIN,
            position: Position::History { file: 0, row: self.facts.len() as u64 },
            deleted: false,
            values: vec![Value::Null; self.view.columns.len()],
        };
        let (mut happened, mut available) = (None, None);
        for (column, cell) in pairs(header, cells)? {
            match column {
                "event_time" => happened = Some(time(cell)?),
                "available_at" => available = Some(time(cell)?),
                "load" if cell == "first" => happened = Some(Micros::MIN),
                "load" => happened = Some(time(cell)?),
                "position" => row.position = position(cell)?,
                "deleted" => {
                    row.deleted = cell.parse().map_err(|_| format!("`{cell}` is not true or false"))?
                }
                _ => match self.view.keys.iter().position(|key| key.name.as_str() == column) {
                    Some(key) => keys[key] = value(cell, self.view.keys[key].data_type)?,
                    None => {
                        let column = column_index(&self.view, column)?;
                        row.values[column] = value(cell, self.view.columns[column].data_type)?;
                    }
                },
            }
        }
        if keys.contains(&Value::Null) {
            return Err("a row has a value for each join key".to_owned());
        }
        row.event_time = happened.ok_or("a row has an event_time, or in a static view a load")?;
        row.available_at = available.unwrap_or(row.event_time);
        if self.facts.iter().any(|(_, other)| other.position == row.position) {
            return Err(format!("{} is taken by another row", row.position));
        }
        self.facts.push((keys, row));
        Ok(())
    }

    fn add_label(&mut self, line: usize, header: &[String], cells: &[String]) -> Read<()> {
        let mut keys = vec![Value::Null; self.view.keys.len()];
        let (mut at, mut expected) = (None, Vec::new());
        for (column, cell) in pairs(header, cells)? {
            if let Some(key) = self.view.keys.iter().position(|key| key.name.as_str() == column) {
                keys[key] = value(cell, self.view.keys[key].data_type)?;
                continue;
            }
            let feature = |name: &str| {
                self.view.feature(name).ok_or_else(|| format!("`{name}` is neither a key nor a feature"))
            };
            let moment = |cell: &str| value(cell, Scalar::Timestamp.into());
            match (column, column.strip_suffix(":status")) {
                ("at", _) => at = Some(time(cell)?),
                ("|", _) => {}
                ("event_time", _) => expected.push((Shown::EventTime, moment(cell)?)),
                ("available_at", _) => expected.push((Shown::AvailableAt, moment(cell)?)),
                (_, Some(name)) => {
                    expected.push((Shown::Status(feature(name)?), value(cell, Scalar::String.into())?));
                }
                (name, None) => {
                    let feature = feature(name)?;
                    let data_type = self.view.features[feature].data_type;
                    expected.push((Shown::Value(feature), value(cell, data_type)?));
                }
            }
        }
        let label = Label { keys, request: Vec::new(), at: at.ok_or("a label has a column `at`")? };
        let join = self.joins.last_mut().ok_or("a label stands below a join")?;
        join.rows.push(Expected { line, label, cells: expected });
        Ok(())
    }
}

/// Each cell with its column.
fn pairs<'a>(header: &'a [String], cells: &'a [String]) -> Read<impl Iterator<Item = (&'a str, &'a str)>> {
    if header.len() != cells.len() {
        return Err(format!("{} cells stand below {} columns", cells.len(), header.len()));
    }
    Ok(header.iter().map(String::as_str).zip(cells.iter().map(String::as_str)))
}

/// `file0:row3` or `partition1:offset5`.
fn position(text: &str) -> Read<Position> {
    let parse = || {
        let (major, minor) = text.split_once(':')?;
        let history = major.strip_prefix("file").zip(minor.strip_prefix("row"));
        let stream = major.strip_prefix("partition").zip(minor.strip_prefix("offset"));
        let (kind, (major, minor)) = history.map(|parts| (0, parts)).or(stream.map(|parts| (1, parts)))?;
        Position::from_parts(kind, major.parse().ok()?, minor.parse().ok()?)
    };
    parse().ok_or_else(|| format!("`{text}` is not a position: write file0:row3 or partition1:offset5"))
}

#[test]
fn what_cannot_be_read_is_reported_with_its_file_and_line() {
    let view = "# Law.\nview\n  x: int64\n  last = latest x\n";
    let rows = format!("{view}rows\n  entity event_time x\n");
    let join = format!("{rows}join\n  entity at | last\n");
    let misread = [
        ("view\n".to_owned(), "1: say in a comment right above the view which law it shows"),
        ("# Law.\nview ttl=soon\n".to_owned(), "2: `soon` is not a duration"),
        (format!("{view}  n = sum(y)\n"), "5: the view has no column `y`"),
        (format!("{view}  n = sum(x) window=7m hop=2m\n"), "5: a window of 7m is not a multiple of its hop"),
        (format!("{view}  n = total(x)\n"), "5: `total` is no aggregate"),
        (format!("{view}table\n"), "5: `table` begins nothing"),
        (format!("{rows}  a 12:00\n"), "7: 2 cells stand below 3 columns"),
        (format!("{rows}  a noon 1\n"), "7: `noon` is not a time"),
        (format!("{rows}  a 12:00 one\n"), "7: `one` is not int64"),
        (format!("{join}  a 12:00 | one\n"), "9: `one` is not int64"),
        (format!("{view}\n  y: int64\n"), "6: this belongs to nothing"),
    ];
    for (text, why) in misread {
        let reported = cases("x.slt", &text).err().unwrap();
        assert!(reported.starts_with(&format!("x.slt:{why}")), "{reported}");
    }
    assert_eq!(cases("x.slt", &rows).err().unwrap(), "x.slt: line_2@1 has no join");
}
