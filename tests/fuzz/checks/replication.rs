//! What nodes of other regions say: refused with a typed error, or read, and what was read is
//! written in a form that is read the same.

use replication::{MessageKind, reread};

/// Takes the kind of a message and its bytes.
pub fn check(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else {
        return;
    };
    let kind = MessageKind::ALL[usize::from(*kind) % MessageKind::ALL.len()];
    match reread(kind, bytes) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(read) => {
            let again = reread(kind, &read).expect("what was written can be read");
            assert_eq!(again, read, "{kind:?}");
        }
    }
}
