//! Text on its way to people: in a terminal, a log or an error. What others wrote may not move the cursor, reorder a
//! line or begin one, and no login of a URL is shown.

use std::borrow::Cow;

/// The text with every character escaped that a terminal would obey or that changes how others are read: controls,
/// and those that order or hide text. Line breaks and tabs stay. An escape, as `\u202e`, is one of JSON strings too.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\n' && c != '\t' && is_unseen(c))
}

/// The same of a text that is one line: its line breaks are escaped too.
pub fn visible_line(text: &str) -> Cow<'_, str> {
    escaped(text, |c| c != '\t' && is_unseen(c))
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' if is_escaped(c) => shown.push_str("\\n"),
            _ if is_escaped(c) => {
                let mut units = [0; 2];
                c.encode_utf16(&mut units).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
            }
            _ => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A URL, or a text that should be one, without the user and the password in it: all before its last `@`, and what
/// its query says of a password.
pub fn redacted(url: &str) -> Cow<'_, str> {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let host = rest.rsplit_once('@').map(|(_, host)| host);
    let secret = rest.find('?').filter(|at| is_secret(rest.get(*at..).unwrap_or_default()));
    if host.is_none() && secret.is_none() {
        return Cow::Borrowed(url);
    }
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    let login = if host.is_some() { "…@" } else { "" };
    let host = host.unwrap_or(rest);
    let host = match host.split_once('?') {
        Some((host, query)) if is_secret(query) => format!("{host}?…"),
        _ => host.to_owned(),
    };
    Cow::Owned(format!("{scheme}{login}{host}"))
}

fn is_secret(query: &str) -> bool {
    let query = query.to_ascii_lowercase();
    ["password", "passwd", "pwd", "secret", "token", "key="].iter().any(|word| query.contains(word))
}

/// A text with every URL in it [`redacted`].
pub fn without_logins(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let ends = |c: char| c.is_whitespace() || matches!(c, '`' | '"' | '\'' | '<' | '>' | '(' | ')' | '|');
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let before = rest.get(..at).unwrap_or_default();
        let begins = before.rfind(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'));
        let begins = begins
            .map_or(0, |at| at + before.get(at..).and_then(|c| c.chars().next()).map_or(1, char::len_utf8));
        let (plain, url) = (rest.get(..begins).unwrap_or_default(), rest.get(begins..).unwrap_or_default());
        let end = url.find(ends).unwrap_or(url.len());
        shown.push_str(plain);
        shown.push_str(&redacted(url.get(..end).unwrap_or_default()));
        rest = url.get(end..).unwrap_or_default();
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// What is written of a text, whoever wrote what is in it: nothing that a terminal obeys or that is unseen, no login of a
/// URL, and no backtrace of a library.
pub fn shown(text: &str) -> String {
    without_logins(&visible(&without_backtrace(text))).into_owned()
}

/// A text without the frames of a backtrace, which libraries put into their errors where `RUST_BACKTRACE` is set.
pub fn without_backtrace(text: &str) -> Cow<'_, str> {
    let is_frame = |line: &str| {
        let inside = line.trim_start();
        let is_indented = inside.len() < line.len();
        let numbered = inside.split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        let is_position = inside.starts_with("at ") && inside.contains(".rs:");
        is_indented && (numbered || is_position) || inside == "stack backtrace:"
    };
    if !text.lines().any(is_frame) {
        return Cow::Borrowed(text);
    }
    let kept: Vec<&str> = text.lines().filter(|line| !is_frame(line)).collect();
    let end = if text.ends_with('\n') { "\n" } else { "" };
    Cow::Owned(kept.join("\n") + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_what_people_write_is_not() {
        assert_eq!(visible("a\u{1b}[2Jb\u{9b}c\rd\u{202e}e"), "a\\u001b[2Jb\\u009bc\\u000dd\\u202ee");
        assert_eq!(visible("\u{e0041}"), "\\udb40\\udc41");
        assert_eq!(visible("one\ntwo\tÄ 日本 العربية 👩‍🔬"), "one\ntwo\tÄ 日本 العربية 👩‍🔬");
        assert_eq!(visible_line("one\nerror: two"), "one\\nerror: two");
        let json = format!("\"{}\"", visible("a\u{202e}b"));
        assert_eq!(json, "\"a\\u202eb\"");
    }

    #[test]
    fn the_frames_of_a_backtrace_are_left_out() {
        let text = "the table failed: no JSON\n   0: core::ops::call\n             at /rustc/library/core/ops.rs:250:5\n  12: main\n: restore it\n";
        assert_eq!(without_backtrace(text), "the table failed: no JSON\n: restore it\n");
        let plain = "a: 1\n  b: two\n  at noon";
        assert_eq!(without_backtrace(plain), plain);
    }

    #[test]
    fn no_login_of_a_url_is_shown() {
        for (url, shown) in [
            ("redis://user:secret@h:1/0", "redis://…@h:1/0"),
            ("rediss://user:p@secret@h", "rediss://…@h"),
            ("user:secret@h", "…@h"),
            ("postgres://h/db?user=a&password=secret", "postgres://h/db?…"),
            ("postgres://u:secret@h/db?sslmode=on", "postgres://…@h/db?sslmode=on"),
            ("sqlite://a/b.db", "sqlite://a/b.db"),
            ("127.0.0.1:6566", "127.0.0.1:6566"),
        ] {
            assert_eq!(redacted(url), shown);
        }
        assert_eq!(
            without_logins(
                "`http://u:secret@h/` is down (try redis://:secret@h), not fraud@2: see https://h"
            ),
            "`http://…@h/` is down (try redis://…@h), not fraud@2: see https://h"
        );
    }
}
