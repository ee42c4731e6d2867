//! A row as `COPY` writes it in its text format: fields between tabs, `\N` for null, and a backslash before what would
//! end a field or a row.

/// The fields of a row; `None` is null. Refuses what the format does not have.
pub(super) fn fields(row: &[u8]) -> Result<Vec<Option<String>>, &'static str> {
    let text = std::str::from_utf8(row).map_err(|_| "it is not UTF-8")?;
    let text = text.strip_suffix('\n').ok_or("it has no end")?;
    text.split('\t').map(field).collect()
}

fn field(text: &str) -> Result<Option<String>, &'static str> {
    if text == "\\N" {
        return Ok(None);
    }
    if !text.contains('\\') {
        return Ok(Some(text.to_owned()));
    }
    let mut field = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(found) = rest.next() {
        field.push(match (found, if found == '\\' { rest.next() } else { None }) {
            ('\\', None) => return Err("a backslash in it stands before nothing"),
            ('\\', Some('b')) => '\u{8}',
            ('\\', Some('f')) => '\u{c}',
            ('\\', Some('n')) => '\n',
            ('\\', Some('r')) => '\r',
            ('\\', Some('t')) => '\t',
            ('\\', Some('v')) => '\u{b}',
            ('\\', Some(other)) => other,
            (other, _) => other,
        });
    }
    Ok(Some(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_what_was_escaped() {
        let read = fields(b"a\t\\N\t\t\\\\x00ff\ta\\tb\\nc\\r\\\\N\t\\b\\f\\v\n").unwrap();
        let read: Vec<Option<&str>> = read.iter().map(Option::as_deref).collect();
        let expected =
            [Some("a"), None, Some(""), Some("\\x00ff"), Some("a\tb\nc\r\\N"), Some("\u{8}\u{c}\u{b}")];
        assert_eq!(read, expected);
        assert!(fields(b"a").is_err() && fields(b"a\\\n").is_err() && fields(b"\xff\n").is_err());
    }
}
