//! Mistakes of how texts match.

use crate::mutants::Mutant;

/// One a row.
pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a wildcard reaches over the colons of an ARN",
        file: "pattern.rs",
        text: "(!barred.contains(':')).then(|| self.after(bytes))",
        replacement: r"(!barred.contains('\0')).then(|| self.after(bytes))",
    },
    Mutant {
        name: "a wildcard stops at a slash",
        file: "pattern.rs",
        text: "(!barred.contains(':')).then(|| self.after(bytes))",
        replacement: r#"let passed = self.text.get(..bytes).unwrap_or_default();
        (!barred.contains(':') && !passed.contains('/')).then(|| self.after(bytes))"#,
    },
    Mutant {
        name: "a wildcard stops at any colon",
        file: "pattern.rs",
        text: "(!barred.contains(':')).then(|| self.after(bytes))",
        replacement: r#"let passed = self.text.get(..bytes).unwrap_or_default();
        (!barred.contains(':') && !passed.contains(':')).then(|| self.after(bytes))"#,
    },
    Mutant {
        name: "a question mark stands for no character too",
        file: "pattern.rs",
        text: "Piece::Any => return rest.skip(rest.text.chars().next()?.len_utf8()),",
        replacement: r#"Piece::Any => {
                    let bytes = rest.text.chars().next().map_or(0, char::len_utf8);
                    return rest.skip(bytes);
                }"#,
    },
    Mutant {
        name: "a pattern matches the beginning of a text",
        file: "pattern.rs",
        text: "return rest.text.is_empty().then_some(());",
        replacement: "return Some(());",
    },
    Mutant {
        name: "a star stands for at least one character",
        file: "pattern.rs",
        text: "rest.skip(skipped).map(|_| ())",
        replacement: "rest.skip(skipped).filter(|_| skipped > 0).map(|_| ())",
    },
    Mutant {
        name: "the value of a variable is read again as a pattern",
        file: "pattern.rs",
        text: "let is_resolved = self.resolves(context);",
        replacement: r#"let is_resolved = self.resolves(context);
        if is_resolved && self.parts.iter().flatten().any(|one| matches!(one, Piece::Variable(_))) {
            let part = |part: &Vec<Piece>| -> String {
                let pieces = part.iter().map(|piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Any => "?".to_owned(),
                    Piece::Variable(one) => one.value(context).unwrap_or_default().to_owned(),
                });
                pieces.collect()
            };
            let parts: Vec<String> = self.parts.iter().map(part).collect();
            let dialect = Dialect {
                wildcards: true,
                variables: false,
                case: self.case,
            };
            if let Ok(again) = Pattern::parse(&parts.join("*"), dialect) {
                return again.matches(text, context);
            }
        }"#,
    },
    Mutant {
        name: "actions are compared with regard to case",
        file: "document/statement.rs",
        text: "case: Case::Ascii,",
        replacement: "case: Case::Exact,",
    },
    Mutant {
        name: "resources are compared without regard to case",
        file: "document/statement.rs",
        text: "case: Case::Exact,",
        replacement: "case: Case::Folded,",
    },
    Mutant {
        name: "StringEquals ignores case",
        file: "condition/text.rs",
        text: "TextKind::Equal => (false, Case::Exact),",
        replacement: "TextKind::Equal => (false, Case::Folded),",
    },
    Mutant {
        name: "StringEquals has wildcards",
        file: "condition/text.rs",
        text: "TextKind::Equal => (false, Case::Exact),",
        replacement: "TextKind::Equal => (true, Case::Exact),",
    },
    Mutant {
        name: "StringEqualsIgnoreCase regards case",
        file: "condition/text.rs",
        text: "(false, Case::Folded)",
        replacement: "(false, Case::Exact)",
    },
];
