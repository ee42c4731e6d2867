//! Whole-system scenarios, one module each.

#[cfg(test)]
mod style;
