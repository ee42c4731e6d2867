//! Names that definitions can use, from the names that files and columns have.

use std::collections::BTreeSet;

use feature::Name;

/// Characters of a name at most, so that a number fits behind it.
const LONGEST: usize = 55;

/// What the columns of a file are called in a definition, in their order, each by the name that it has in the file: the
/// same where that is legal, and no two the same.
pub fn column_names<'a>(stored: impl IntoIterator<Item = &'a str>) -> Vec<Name> {
    let all: Vec<&str> = stored.into_iter().collect();
    let mut taken = BTreeSet::new();
    let legal: Vec<Option<Name>> =
        all.iter().map(|one| one.parse().ok().filter(|_| taken.insert((*one).to_owned()))).collect();
    let named = legal.into_iter().zip(&all).enumerate().map(|(index, (same, one))| {
        let name = same.or_else(|| legal_name(one, &format!("column_{}", index + 1), &mut taken));
        name.expect("invariant: some number behind a legal name is free")
    });
    named.collect()
}

/// A name for what is called `given`, other than all that are taken: words in lower case with `_` between. The
/// fallback stands where no character of it can be in a name.
pub(crate) fn legal_name(given: &str, fallback: &str, taken: &mut BTreeSet<String>) -> Option<Name> {
    let plain = match plain(given) {
        plain if plain.is_empty() => fallback.to_owned(),
        plain => plain,
    };
    let begins_well = plain.chars().next().is_some_and(|first| first.is_ascii_lowercase());
    let plain = if begins_well { plain } else { format!("c_{plain}") };
    let plain = plain.get(..LONGEST.min(plain.len())).unwrap_or_default().trim_end_matches('_').to_owned();
    let name = (1..).map(|n| if n == 1 { plain.clone() } else { format!("{plain}_{n}") });
    let free = name.into_iter().find(|name| !taken.contains(name))?;
    taken.insert(free.clone());
    free.parse().ok()
}

/// The alphanumeric words of a text, with `_` between its words.
pub(crate) fn plain(given: &str) -> String {
    let characters: Vec<char> = given.chars().collect();
    let mut name = String::new();
    for (at, character) in characters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| characters.get(at));
        let after = characters.get(at + 1);
        let begins_word = character.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_uppercase() && after.is_some_and(|after| after.is_lowercase()))
            });
        if begins_word && !name.ends_with('_') {
            name.push('_');
        }
        match folded(*character) {
            Some(ascii) => name.push_str(&ascii),
            None if name.ends_with('_') => {}
            None => name.push('_'),
        }
    }
    name.trim_matches('_').to_owned()
}

/// A character as a name may have it; `None` if there is no such.
fn folded(character: char) -> Option<String> {
    if character.is_ascii_alphanumeric() {
        return Some(character.to_ascii_lowercase().to_string());
    }
    let small = character.to_lowercase().next()?;
    let plain = match small {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'ı' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ő' => "o",
        'œ' => "oe",
        'ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'ß' => "ss",
        'ť' | 'ț' => "t",
        'þ' => "th",
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    };
    Some(plain.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_whatever_a_header_holds() {
        let mut taken = BTreeSet::new();
        for (given, name) in [
            ("userId", "user_id"),
            ("User ID", "user_id_2"),
            ("user.id", "user_id_3"),
            ("HTTPStatus", "http_status"),
            ("Größe (cm)", "grosse_cm"),
            ("2023 sales", "c_2023_sales"),
            ("名前", "column_7"),
            ("ORDER", "order"),
            ("  _x_ ", "x"),
            ("price-in-€", "price_in"),
        ] {
            assert_eq!(legal_name(given, "column_7", &mut taken).unwrap().as_str(), name, "{given}");
        }
        let long = legal_name(&"x".repeat(200), "column_1", &mut taken).unwrap();
        assert_eq!(long.as_str().len(), LONGEST);
    }

    #[test]
    fn a_column_with_a_legal_name_keeps_it_and_the_others_have_names_beside_it() {
        let names = column_names(["userId", "user_id", "a__b", "", "User-Id", "at"]);
        let names: Vec<&str> = names.iter().map(Name::as_str).collect();
        assert_eq!(names, ["user_id_2", "user_id", "a__b", "column_4", "user_id_3", "at"]);
    }
}
