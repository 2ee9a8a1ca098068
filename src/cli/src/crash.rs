//! What a panic does: one structured line, then the end of the process. A node that comes back is
//! safer than one half alive.

use std::panic::PanicHookInfo;

/// Makes every panic of this process abort it.
pub fn abort_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(place, reason = reason(panic), "panic, the process aborts");
        std::process::abort();
    }));
}

/// The panic's own words if they are a literal: a formatted message may quote a value.
fn reason(panic: &PanicHookInfo<'_>) -> &'static str {
    panic
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("withheld")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use server::config::{LogFormat, LogSection};

    const CHILD: &str = "STRONGROOM_TEST_PANIC_CHILD";

    #[test]
    fn a_panic_aborts_with_one_structured_line_that_quotes_no_value() {
        if std::env::var_os(CHILD).is_some() {
            let section = LogSection {
                level: "info".into(),
                format: LogFormat::Json,
            };
            crate::logs::to_standard_error(&section).unwrap();
            super::abort_on_panic();
            panic!("formatted with {}", String::from("hunter2"));
        }
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("crash::tests::a_panic_aborts_with_one_structured_line_that_quotes_no_value")
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(!child.status.success());
        let lines = String::from_utf8(child.stderr).unwrap();
        let mut lines = lines.lines();
        let line: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(line["message"], "panic, the process aborts");
        assert_eq!(line["reason"], "withheld");
        assert!(line["place"].as_str().unwrap().contains("crash.rs"));
        assert_eq!(lines.next(), None);
    }
}
