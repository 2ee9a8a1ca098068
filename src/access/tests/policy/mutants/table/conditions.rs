//! Mistakes of conditions, of keys and of what a document is.

use crate::mutants::Mutant;

/// One a row.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "names of keys are compared with regard to case",
        file: "context.rs",
        text: "self.values.insert(key.to_lowercase(), value);",
        replacement: "self.values.insert(key.to_owned(), value);",
    },
    Mutant {
        name: "version 2008-10-17 has variables",
        file: "document/mod.rs",
        text: "let (mut variables, mut found) = (false, None);",
        replacement: "let (mut variables, mut found) = (true, None);",
    },
    Mutant {
        name: "the default of a variable is ignored",
        file: "variable.rs",
        text: "Some(Value::Many(_)) | None => self.default.as_deref(),",
        replacement: "Some(Value::Many(_)) | None => None,",
    },
    Mutant {
        name: "a multivalued key is a variable",
        file: "variable.rs",
        text: "Some(Value::Many(_)) | None => self.default.as_deref(),",
        replacement: r#"Some(Value::Many(values)) => values.first().map(String::as_str),
            None => self.default.as_deref(),"#,
    },
    Mutant {
        name: "IfExists is dropped",
        file: "condition/mod.rs",
        text: "negated || if_exists,",
        replacement: "negated,",
    },
    Mutant {
        name: "a negated operator does not hold for a missing key",
        file: "condition/mod.rs",
        text: "negated || if_exists,",
        replacement: "if_exists,",
    },
    Mutant {
        name: "ForAllValues does not hold for an empty set",
        file: "condition/mod.rs",
        text: "Quantifier::All if is_empty(found) => true,",
        replacement: "Quantifier::All if is_empty(found) => if_exists,",
    },
    Mutant {
        name: "ForAnyValue holds for an empty set",
        file: "condition/mod.rs",
        text: "Quantifier::Any if is_empty(found) => if_exists,",
        replacement: "Quantifier::Any if is_empty(found) => true,",
    },
    Mutant {
        name: "ForAllValues asks for one value",
        file: "condition/mod.rs",
        text: "Quantifier::All => found.iter().all(passes),",
        replacement: "Quantifier::All => found.iter().any(passes),",
    },
    Mutant {
        name: "ForAnyValue asks for all values",
        file: "condition/mod.rs",
        text: "Quantifier::Any => found.iter().any(passes),",
        replacement: "Quantifier::Any => found.iter().all(passes),",
    },
    Mutant {
        name: "Null is the other way round",
        file: "condition/mod.rs",
        text: "wanted.contains(&found.is_empty())",
        replacement: "wanted.contains(&!found.is_empty())",
    },
    Mutant {
        name: "Null asks any value of a set",
        file: "condition/mod.rs",
        text: "Quantifier::Any => false,",
        replacement: "Quantifier::Any => wanted.contains(&found.is_empty()),",
    },
    Mutant {
        name: "a variable without a value fails a negated operator",
        file: "condition/mod.rs",
        text: "let is_same = |one: &Pattern| one.matches(value, context) == Some(true);",
        replacement: r#"let is_same = |one: &Pattern| {
                    one.matches(value, context).unwrap_or(self.operator.negated)
                };"#,
    },
    Mutant {
        name: "ARNs of conditions are compared as texts",
        file: "condition/mod.rs",
        text: "one.matches_arn(value, context)",
        replacement: "one.matches(value, context)",
    },
    Mutant {
        name: "a range of addresses is twice as wide",
        file: "condition/ip.rs",
        text: r#"let differing = ours.to_bits() ^ theirs.to_bits();
                differing.leading_zeros() >= self.bits
            }
            (IpAddr::V6"#,
        replacement: r#"let differing = ours.to_bits() ^ theirs.to_bits();
                differing.leading_zeros() + 1 >= self.bits
            }
            (IpAddr::V6"#,
    },
    Mutant {
        name: "an IPv6 range is half as wide",
        file: "condition/ip.rs",
        text: r#"differing.leading_zeros() >= self.bits
            }
            _ => false,"#,
        replacement: r#"differing.leading_zeros() > self.bits
            }
            _ => false,"#,
    },
    Mutant {
        name: "an IPv6 address alone is a range of 32 bits",
        file: "condition/ip.rs",
        text: "None => max,",
        replacement: "None => 32,",
    },
    Mutant {
        name: "numbers are compared as texts",
        file: "condition/number.rs",
        text: "let by_digits = self.whole.len().cmp(&other.whole.len());",
        replacement: "let by_digits = Ordering::Equal;",
    },
    Mutant {
        name: "negative numbers are compared by their size",
        file: "condition/number.rs",
        text: "(true, true) => other.cmp_size(self),",
        replacement: "(true, true) => self.cmp_size(other),",
    },
    Mutant {
        name: "LessThanEquals is LessThan",
        file: "condition/operator.rs",
        text: "Relation::LessOrEqual => ordering.is_le(),",
        replacement: "Relation::LessOrEqual => ordering.is_lt(),",
    },
    Mutant {
        name: "dates are compared as texts",
        file: "condition/date.rs",
        text: r#"#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    /// Seconds since 1970, UTC.
    seconds: i64,
    nanoseconds: u32,
}
"#,
        replacement: r#"#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    seconds: i64,
    nanoseconds: u32,
}

impl Ord for Moment {
    fn cmp(&self, other: &Moment) -> std::cmp::Ordering {
        let seconds = self.seconds.to_string().cmp(&other.seconds.to_string());
        seconds.then(self.nanoseconds.cmp(&other.nanoseconds))
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Moment) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
"#,
    },
    Mutant {
        name: "the offset of a date is added",
        file: "condition/date.rs",
        text: "seconds: midnight + seconds - offset,",
        replacement: "seconds: midnight + seconds + offset,",
    },
    Mutant {
        name: "parts of a second are dropped",
        file: "condition/date.rs",
        text: "nanoseconds: nanoseconds(fraction)?,",
        replacement: "nanoseconds: nanoseconds(fraction).map(|_| 0)?,",
    },
    Mutant {
        name: "a key that stands twice is taken",
        file: "document/json.rs",
        text: "if !seen.insert(key.as_str()) {",
        replacement: "if !seen.insert(key.as_str()) && key.is_empty() {",
    },
];
