//! How a specification declares a view: its options, join keys, columns and features.

use feature::{
    Column, DataType, Feature, Field, Fold, Function, Name, Retention, Span, TimeError, View, Window,
};

use super::specification::Read;

/// A view without columns and features. Its name is its line, unlike any other of the file.
pub(super) fn view(line: usize, options: &[&str]) -> Read<View> {
    let id = format!("line_{line}@1").parse().map_err(|_| "no view has this name")?;
    let mut view = View::bare(id, name("entity")?, Vec::new(), name("source")?);
    view.hash = format!("{line:064x}");
    for option in options {
        match option.split_once('=') {
            Some(("ttl", text)) => view.ttl = Some(span(text)?),
            Some(("retention", text)) => {
                view.retention = Some(Retention { online: Some(span(text)?), offline: None });
            }
            None if *option == "static" => view.is_static = true,
            _ => return Err(format!("`{option}` is nothing that a view has")),
        }
    }
    Ok(view)
}

/// `key name: type`, `column: type`, `feature = latest column` or `feature = function(column) window=1h`.
pub(super) fn declare(view: &mut View, cells: &[String]) -> Read<()> {
    let words: Vec<&str> = cells.iter().map(String::as_str).collect();
    let data_type = |text: &str| text.parse::<DataType>().map_err(|error| error.to_string());
    match words.as_slice() {
        ["key", key, ty] => view.keys.push(field(key.trim_end_matches(':'), data_type(ty)?)?),
        [column, ty] if column.ends_with(':') => {
            let Field { name, data_type } = field(column.trim_end_matches(':'), data_type(ty)?)?;
            view.columns.push(Column { expression: name.to_string(), name, data_type });
        }
        [feature, "=", "latest", column] => {
            let column = column_index(view, column)?;
            let data_type = view.columns[column].data_type;
            view.features.push(self::feature(feature, data_type, Fold::Latest { column })?);
        }
        [feature, "=", call, options @ ..] => {
            let (function, column) = function(view, call)?;
            let window = window(options)?;
            let argument = column.map(|column| view.columns[column].data_type);
            let data_type = function.result_type(argument).map_err(|error| error.to_string())?;
            let fold = Fold::Aggregate { function, column, window };
            view.features.push(self::feature(feature, data_type, fold)?);
        }
        _ => {
            return Err(
                "write `column: type`, `feature = latest column` or `feature = function(column)`".into()
            );
        }
    }
    Ok(())
}

fn function(view: &View, call: &str) -> Read<(Function, Option<usize>)> {
    let (name, arguments) = match call.split_once('(') {
        Some((name, arguments)) => (name, arguments.trim_end_matches(')')),
        None => (call, ""),
    };
    let mut arguments = arguments.split(',').map(str::trim).filter(|argument| !argument.is_empty());
    let column = arguments.next().map(|column| column_index(view, column)).transpose()?;
    let known = Function::ALL.into_iter().find(|function| function.name() == name);
    let known = known.ok_or_else(|| format!("`{name}` is no aggregate"))?;
    let function = known.with_parameter(arguments.next()).map_err(|error| error.to_string())?;
    Ok((function, column))
}

fn window(options: &[&str]) -> Read<Option<Window>> {
    let (mut length, mut hop) = (None, None);
    for option in options {
        match option.split_once('=') {
            Some(("window", text)) => length = Some(span(text)?),
            Some(("hop", text)) => hop = Some(span(text)?),
            _ => return Err(format!("`{option}` is nothing that an aggregate has")),
        }
    }
    length.map(|length| Window::new(length, hop).map_err(|error| error.to_string())).transpose()
}

/// Which of the view's columns has this name.
pub(super) fn column_index(view: &View, name: &str) -> Read<usize> {
    let index = view.columns.iter().position(|column| column.name.as_str() == name);
    index.ok_or_else(|| format!("the view has no column `{name}`"))
}

fn feature(text: &str, data_type: DataType, fold: Fold) -> Read<Feature> {
    Ok(Feature { name: name(text)?, data_type, fold, unit: None, description: None, default: None })
}

pub(super) fn field(text: &str, data_type: DataType) -> Read<Field> {
    Ok(Field { name: name(text)?, data_type })
}

fn name(text: &str) -> Read<Name> {
    text.parse().map_err(|_| format!("`{text}` is not a name"))
}

fn span(text: &str) -> Read<Span> {
    text.parse().map_err(|error: TimeError| error.to_string())
}
