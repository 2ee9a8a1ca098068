//! What the process must not do: leave its memory behind in a core dump, or go on with a fault.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// The exit code when the disk failed, as `EX_IOERR` of `sysexits.h`.
const EXIT_DISK_FAILED: i32 = 74;

/// The exit code of every other fault, as `EX_SOFTWARE`.
const EXIT_FAULT: i32 = 70;

/// Turns core dumps off, and attaching by other processes of the same user with them.
///
/// # Errors
/// When the kernel refuses.
pub fn deny_core_dumps() -> std::io::Result<()> {
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Ends the process at once, with one line that says why and what to do.
pub fn end_with(fault: &(dyn Error + 'static)) -> ! {
    let (exit_code, cure) = ending(fault);
    let cause = chain(fault);
    tracing::error!(
        %fault,
        cause,
        exit_code,
        cure,
        "this node can no longer keep its promises, it ends"
    );
    exit(exit_code)
}

#[allow(
    clippy::disallowed_methods,
    reason = "destructors would write to the disk that failed, or wait for it"
)]
fn exit(code: i32) -> ! {
    // Its own destructors would run on a worker of the runtime, which they are not made for.
    let exiting = std::thread::Builder::new().spawn(move || std::process::exit(code));
    // Neither a refusal of the thread nor its end can be anything to go on from.
    let _ = exiting.map(std::thread::JoinHandle::join);
    std::process::abort()
}

fn ending(fault: &(dyn Error + 'static)) -> (i32, &'static str) {
    if is_of_disk(fault) {
        let cure = "look at the disk and its file system; if the disk failed, replace the node";
        (EXIT_DISK_FAILED, cure)
    } else {
        (
            EXIT_FAULT,
            "start the node again; if this repeats, replace it",
        )
    }
}

/// Whether the operating system refused to read or write.
fn is_of_disk(fault: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(fault);
    while let Some(error) = cause {
        if error.is::<io::Error>() || error.is::<Arc<io::Error>>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The causes of an error, the nearest first.
fn chain(error: &dyn Error) -> String {
    let mut words = Vec::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push(error.to_string());
        cause = error.source();
    }
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_disk_has_an_exit_code_of_its_own() {
        let failed = consensus::Fault::Log {
            action: "append entries",
            source: store::Fault::Io {
                action: "sync",
                path: "log/1".into(),
                source: Arc::new(io::Error::from_raw_os_error(5)),
            },
        };
        assert_eq!(ending(&failed).0, 74);
        let told = chain(&failed);
        assert!(told.starts_with("could not sync log/1: "), "{told}");
        let damaged = consensus::Fault::Rows {
            action: "write rows",
            source: store::Fault::Closed,
        };
        assert_eq!(ending(&damaged).0, 70);
    }
}
