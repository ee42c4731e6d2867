//! A size of memory as it is written on the command line.

/// Less than a few rows take is a mistake, such as a unit that was forgotten.
const LEAST: u64 = 1 << 10;

/// A size in bytes, as in `512MB`.
pub(super) fn memory_size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" | "kib" => 1 << 10,
        "mb" | "mib" => 1 << 20,
        "gb" | "gib" => 1 << 30,
        _ => return Err("write it as 512MB or 4GB".to_owned()),
    };
    let count: u64 = count.parse().map_err(|_| "write it as 512MB or 4GB".to_owned())?;
    match count.checked_mul(unit) {
        None => Err("it is too large".to_owned()),
        Some(bytes) if bytes < LEAST => {
            Err("it is too little to work with: give 1KB or more, as in 512MB".to_owned())
        }
        Some(bytes) => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_with_a_unit_and_at_least_a_kilobyte() {
        assert_eq!(memory_size("512MB"), Ok(512 << 20));
        assert_eq!(memory_size("4 GiB"), Ok(4 << 30));
        assert_eq!(memory_size("1048576"), Ok(1 << 20));
        for too_little in ["0", "0MB", "1023", "512"] {
            assert!(memory_size(too_little).is_err_and(|said| said.contains("1KB or more")), "{too_little}");
        }
        for wrong in ["", "MB", "-1MB", "1.5GB", "12 parsecs"] {
            assert!(memory_size(wrong).is_err_and(|said| said.contains("512MB or 4GB")), "{wrong}");
        }
        assert!(memory_size("99999999999GB").is_err_and(|said| said.contains("too large")));
    }
}
