//! What `envelope` seals, opened by another implementation of the cipher.

use std::process::Command;

use strongroom_tests::{python, root};

#[test]
#[ignore = "needs the packages of tests/requirements.txt; scripts/test runs it"]
fn another_implementation_agrees_with_every_golden_vector() {
    let mut command = Command::new(python());
    command.current_dir(root()).arg("tests/envelope_vectors.py");
    let output = command.arg("tests/fixtures/envelope").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{failed}");
    assert!(said.contains("5 domains"), "{said}");
}
