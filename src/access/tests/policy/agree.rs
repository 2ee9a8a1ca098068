//! Specification and engine on generated cases.

use crate::generate::{self, Report};
use crate::{engine, number, seed, shrink, spec};

/// Cases unless the environment says otherwise.
const COUNT: u64 = 20_000;
/// Fewer cases than this prove nothing about how often something comes.
const PROOF_COUNT_MIN: u64 = 20_000;

#[test]
fn specification_and_engine_agree() {
    let first = seed();
    let count = number("STRONGROOM_COUNT").unwrap_or(COUNT);
    println!("STRONGROOM_SEED={first} STRONGROOM_COUNT={count}");
    let mut report = Report::new();
    for at in 0..count {
        let seed = first.wrapping_add(at);
        let case = generate::case(seed, &mut report);
        let wanted = spec::outcome(&case);
        let answer = engine::answer(&case);
        report.outcome(wanted);
        if wanted != answer.outcome {
            let small = shrink::smallest(&case, |case| {
                spec::outcome(case) == wanted && engine::answer(case).outcome == answer.outcome
            });
            let json = serde_json::to_string_pretty(&small).expect("a case is JSON");
            let found = engine::answer(&small);
            panic!(
                "the specification says {wanted:?} {:?}, the engine {found:?}; run again with \
                 STRONGROOM_SEED={seed} STRONGROOM_COUNT=1\n{json}",
                spec::refusal(&small)
            );
        }
    }
    println!("{}", report.table());
    if count >= PROOF_COUNT_MIN {
        let rare = report.rare(count);
        assert!(
            rare.is_empty(),
            "too rare to prove anything:\n{}",
            rare.join("\n")
        );
    }
    println!("soak: {}", report.summary(count));
}
