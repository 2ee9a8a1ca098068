//! Rules that need Rust to be parsed: the length of functions, what may panic, logs, macros.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Signature};

use crate::{Source, breach};

/// Lines a function may have, from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Macros that write a log line.
const LOGS: &[&str] = &["trace", "debug", "info", "warn", "error"];
/// Macros that end the process.
const PANICS: &[&str] = &["panic", "unreachable", "todo", "unimplemented"];
/// Words of a foreign world, and the folders that may say them; tests may say all, and all may hold
/// a channel that wire has made.
const FOREIGN_WORDS: &[(&str, &[&str])] = &[
    ("tonic::transport::", &["src/wire/"]),
    ("rustls::", &["src/wire/"]),
    ("aws_lc_rs::", &["src/wire/", "src/access/"]),
    ("sled::", &["src/store/"]),
    ("openraft::", &["src/consensus/"]),
    ("aes_gcm_siv::", &["src/envelope/"]),
    ("prometheus::", &["src/server/"]),
    ("imbl::", &["src/machine/"]),
];

/// Folders of tests that say a second time what a crate has to do, and the names by which they
/// would reach it: what copies an answer is no check of it.
const SECOND_OPINIONS: &[(&str, &[&str])] = &[(
    "src/access/tests/policy/spec/",
    &["access", "strongroom_access", "engine"],
)];

/// What the parsed files break.
pub fn check(sources: &[Source]) -> Vec<String> {
    let tests = test_modules(sources);
    let mut breaches = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let file = match syn::parse_file(&source.text) {
            Ok(file) => file,
            Err(error) => {
                let line = error.span().start().line;
                breaches.push(breach(
                    &source.path,
                    line,
                    format!("cannot be parsed: {error}"),
                ));
                continue;
            }
        };
        let lenient = is_test_file(&source.path) || tests.contains(&source.path);
        let mut walk = Walk {
            path: &source.path,
            lenient,
            given: lenient,
            breaches: Vec::new(),
        };
        walk.visit_file(&file);
        breaches.append(&mut walk.breaches);
    }
    breaches
}

/// Code that speaks of a foreign world outside its owner.
pub fn foreign_words(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    let ours = |source: &&Source| {
        source.is_rust() && source.path.starts_with("src/") && !is_test_file(&source.path)
    };
    for source in sources.iter().filter(ours) {
        for (at, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let code = code.replace("tonic::transport::Channel", "");
            for (word, owners) in FOREIGN_WORDS {
                let said = code.match_indices(word).any(|(start, _)| {
                    let before = code[..start].chars().next_back();
                    before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"')
                });
                if said && !owners.iter().any(|owner| source.path.starts_with(owner)) {
                    let sentence = format!("{word} belongs to {owners:?}");
                    breaches.push(breach(&source.path, at + 1, sentence));
                }
            }
        }
    }
    breaches
}

/// Specifications that reach what is held against them, and those that are not there.
pub fn second_opinions(sources: &[Source]) -> Vec<String> {
    let mut breaches = Vec::new();
    for (folder, names) in SECOND_OPINIONS {
        let ours = |source: &&Source| source.path.starts_with(folder);
        if !sources.iter().any(|source| ours(&source)) {
            breaches.push(format!("{folder}: no specification is there"));
        }
        for source in sources.iter().filter(ours) {
            for (at, line) in source.text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                let mut words = code.split(|c: char| !c.is_alphanumeric() && c != '_');
                if let Some(word) = words.find(|word| names.contains(word)) {
                    let sentence = format!("{word} is what this is held against");
                    breaches.push(breach(&source.path, at + 1, sentence));
                }
            }
        }
    }
    breaches
}

fn is_test_file(path: &str) -> bool {
    let in_tests = path.starts_with("tests/") || path.contains("/tests/");
    in_tests || path.ends_with("/tests.rs") || path.ends_with("build.rs")
}

/// Files that a `#[cfg(test)] mod name;` brings in.
fn test_modules(sources: &[Source]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let Ok(file) = syn::parse_file(&source.text) else {
            continue;
        };
        let stem = source.path.trim_end_matches(".rs");
        let at_head = ["/lib", "/main", "/mod"]
            .iter()
            .find_map(|name| stem.strip_suffix(name));
        let folder = at_head.unwrap_or(stem);
        for item in &file.items {
            let syn::Item::Mod(module) = item else {
                continue;
            };
            if module.content.is_none() && module.attrs.iter().any(is_for_tests) {
                paths.insert(format!("{folder}/{}.rs", module.ident));
                paths.insert(format!("{folder}/{}/mod.rs", module.ident));
            }
        }
    }
    paths
}

/// `#[test]`, `#[tokio::test]`, `#[cfg(test)]`.
fn is_for_tests(attribute: &Attribute) -> bool {
    let last = attribute
        .path()
        .segments
        .last()
        .map(|segment| segment.ident.to_string());
    match last.as_deref() {
        Some("test") => true,
        Some("cfg") => mentions(attribute, "test"),
        _ => false,
    }
}

/// A lint level with its reason: somebody thought about it and wrote it down.
fn is_reasoned(attribute: &Attribute) -> bool {
    let is_level = attribute.path().is_ident("allow") || attribute.path().is_ident("expect");
    let lints = ["unwrap_used", "expect_used", "panic", "unreachable"];
    let named = lints.iter().any(|lint| mentions(attribute, lint));
    is_level && named && mentions(attribute, "reason")
}

fn mentions(attribute: &Attribute, word: &str) -> bool {
    match &attribute.meta {
        syn::Meta::List(list) => has_word(&list.tokens, word),
        _ => false,
    }
}

fn has_word(tokens: &TokenStream, word: &str) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => has_word(&group.stream(), word),
        _ => false,
    })
}

/// The rpcs that AWS named so; their callers have no choice.
fn is_rpc(name: &str) -> bool {
    [
        "get_secret_value",
        "get_random_password",
        "get_resource_policy",
        "get_caller_identity",
        "get_principal",
        "get_policy",
        "get_provider",
        "get_status",
    ]
    .contains(&name)
}

struct Walk<'a> {
    path: &'a str,
    /// Inside a test, or where a reason is written down.
    lenient: bool,
    /// Inside the implementation of a trait, whose names others gave.
    given: bool,
    breaches: Vec<String>,
}

impl Walk<'_> {
    fn note(&mut self, span: Span, sentence: impl AsRef<str>) {
        self.breaches
            .push(breach(self.path, span.start().line, sentence));
    }

    /// Walks on, leniently if an attribute says so.
    fn within(&mut self, attributes: &[Attribute], walk: impl FnOnce(&mut Self)) {
        let before = self.lenient;
        self.lenient |= attributes.iter().any(|a| is_for_tests(a) || is_reasoned(a));
        walk(self);
        self.lenient = before;
    }

    fn measure(&mut self, signature: &Signature, end: Span) {
        let name = signature.ident.to_string();
        if name.starts_with("get_") && !self.given && !is_rpc(&name) {
            self.note(
                signature.ident.span(),
                format!("{name}: without get_, it says as much"),
            );
        }
        let lines = end.end().line + 1 - signature.ident.span().start().line;
        if lines > FUNCTION_LINES_MAX {
            let name = &signature.ident;
            let sentence = format!("{name}: {lines} lines, {FUNCTION_LINES_MAX} are the limit");
            self.note(signature.ident.span(), sentence);
        }
    }

    /// A log line: lower case, no full stop, values in fields and never in the text.
    fn log(&mut self, tokens: &TokenStream) {
        let parts: Vec<TokenTree> = tokens.clone().into_iter().collect();
        let is_value = |at: usize| {
            let before = at.checked_sub(1).and_then(|at| parts.get(at));
            matches!(before, Some(TokenTree::Punct(punct)) if "=%?:".contains(punct.as_char()))
        };
        for (at, part) in parts.iter().enumerate().filter(|(at, _)| !is_value(*at)) {
            let TokenTree::Literal(literal) = part else {
                continue;
            };
            let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) else {
                continue;
            };
            let text = text.value();
            if at + 1 < parts.len() && parts.len() > at + 2 {
                self.note(
                    literal.span(),
                    "a value after the message: name it as a field before",
                );
            }
            if text.chars().next().is_some_and(char::is_uppercase) {
                self.note(literal.span(), "a log message begins in lower case");
            }
            if text.ends_with('.') || text.contains('{') {
                self.note(
                    literal.span(),
                    "a log message ends bare and holds no values",
                );
            }
        }
    }

    /// Looks for `.unwrap()` and `.expect(…)` where the parser sees only tokens.
    fn tokens(&mut self, tokens: TokenStream) {
        let parts: Vec<TokenTree> = tokens.into_iter().collect();
        for window in parts.windows(3) {
            let [
                TokenTree::Punct(dot),
                TokenTree::Ident(name),
                TokenTree::Group(group),
            ] = window
            else {
                continue;
            };
            let called = group.delimiter() == Delimiter::Parenthesis && dot.as_char() == '.';
            if called && (name == "unwrap" || name == "expect") {
                self.note(name.span(), format!("{name} outside a test"));
            }
        }
        for part in parts {
            if let TokenTree::Group(group) = part {
                self.tokens(group.stream());
            }
        }
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, item.block.brace_token.span.close());
        self.within(&item.attrs, |walk| visit::visit_item_fn(walk, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, item.block.brace_token.span.close());
        self.within(&item.attrs, |walk| visit::visit_impl_item_fn(walk, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig, block.brace_token.span.close());
        }
        self.within(&item.attrs, |walk| visit::visit_trait_item_fn(walk, item));
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.within(&item.attrs, |walk| visit::visit_item_mod(walk, item));
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let before = self.given;
        self.given |= item.trait_.is_some();
        self.within(&item.attrs, |walk| visit::visit_item_impl(walk, item));
        self.given = before;
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        self.within(&local.attrs, |walk| visit::visit_local(walk, local));
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if item.mac.path.is_ident("macro_rules") {
            self.note(
                item.mac.bang_token.span,
                "a macro of our own: write the lines",
            );
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let name = call.method.to_string();
        let panics = match name.as_str() {
            "unwrap" => call.args.is_empty(),
            "expect" => call.args.len() == 1,
            _ => false,
        };
        self.within(&call.attrs, |walk| {
            if panics && !walk.lenient {
                walk.note(call.method.span(), format!("{name} outside a test"));
            }
            visit::visit_expr_method_call(walk, call);
        });
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let name = called
            .path
            .segments
            .last()
            .map(|segment| segment.ident.to_string());
        let name = name.unwrap_or_default();
        if LOGS.contains(&name.as_str()) {
            self.log(&called.tokens);
        }
        if !self.lenient {
            if PANICS.contains(&name.as_str()) {
                self.note(called.bang_token.span, format!("{name}! outside a test"));
            }
            self.tokens(called.tokens.clone());
        }
        visit::visit_macro(self, called);
    }
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let long = format!(
        "fn long() {{\n{}}}",
        "    step();\n".repeat(FUNCTION_LINES_MAX)
    );
    let broken = [
        (long.as_str(), "are the limit"),
        ("fn a() { b().unwrap(); }", "unwrap outside"),
        ("fn a() { b().expect(\"c\"); }", "expect outside"),
        (
            "fn a() { select! { c = d.unwrap() => {} } }",
            "unwrap outside",
        ),
        ("fn a() { panic!(\"b\") }", "panic! outside"),
        ("macro_rules! a { () => {} }", "macro of our own"),
        ("fn a() { tracing::info!(b, \"Began\"); }", "lower case"),
        ("fn a() { warn!(\"began.\"); }", "ends bare"),
        ("fn a() { warn!(\"began {b}\"); }", "holds no values"),
        ("fn a() { warn!(\"began\", b); }", "as a field"),
        ("fn get_a() {}", "without get_"),
        ("fn a( {", "cannot be parsed"),
    ];
    for (text, wanted) in broken {
        let source = Source {
            path: "src/a/src/b.rs".into(),
            text: text.into(),
        };
        let found = check(&[source]);
        assert!(
            found.iter().any(|breach| breach.contains(wanted)),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn a_specification_that_reaches_what_it_specifies_is_found() {
    let folder = SECOND_OPINIONS[0].0;
    let found = |text: &str| {
        let source = Source {
            path: format!("{folder}mod.rs"),
            text: text.into(),
        };
        second_opinions(&[source])
    };
    for text in [
        "use access::Policy;",
        "use strongroom_access as ours;",
        "let a = access::decide();",
        "use crate::{case, engine};",
    ] {
        assert_eq!(found(text).len(), 1, "{text}");
    }
    for text in ["// access decides otherwise", "let accesses = 1;"] {
        assert_eq!(found(text), Vec::<String>::new(), "{text}");
    }
    assert_eq!(second_opinions(&[]).len(), SECOND_OPINIONS.len());
}

#[test]
fn tests_and_written_reasons_may_unwrap() {
    let good = [
        "#[cfg(test)] mod tests { fn a() { b().unwrap(); } }",
        "#[tokio::test] async fn a() { b().unwrap(); }",
        "#[allow(clippy::expect_used, reason = \"c\")] fn a() { b().expect(\"c\"); }",
        "fn a() { b().unwrap_or(1); tracing::info!(index = 1, name = \"N.\", \"began\"); }",
    ];
    for text in good {
        let source = Source {
            path: "src/a/src/b.rs".into(),
            text: text.into(),
        };
        assert_eq!(check(&[source]), Vec::<String>::new(), "{text}");
    }
}
