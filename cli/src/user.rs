//! Who runs the command, as the operating system says.

use std::fs;
use std::os::unix::fs::MetadataExt;

/// The name of the user whose process this is: by the list of users, else by the environment, else by number.
pub fn name() -> String {
    let number = fs::metadata("/proc/self").map(|process| process.uid()).ok();
    let listed = number.and_then(|number| named(&fs::read_to_string("/etc/passwd").ok()?, number));
    let said = || ["USER", "LOGNAME"].into_iter().find_map(|key| std::env::var(key).ok());
    let by_number = || number.map(|number| format!("user {number}"));
    listed.or_else(said).filter(|name| !name.is_empty()).or_else(by_number).unwrap_or_default()
}

/// The name of the user with this number in the text of a list of users.
fn named(users: &str, number: u32) -> Option<String> {
    let number = number.to_string();
    let name = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    };
    users.lines().find_map(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_number() {
        let users = "root:x:0:0:root:/r:/bin/sh\nana:x:1000:1000::/h:/bin/sh\nnot a user\n";
        assert_eq!(named(users, 1000).as_deref(), Some("ana"));
        assert_eq!(named(users, 7), None);
    }
}
