//! Exit codes, after `sysexits.h` where it has a word for it.

use std::process::ExitCode;

/// How the process ended, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: it did what was asked.
    Done,
    /// 1: a question was answered with no, or a check found something.
    Declined,
    /// 64: the arguments are wrong.
    Usage,
    /// 65: the request, or a file it names, was refused for what it says.
    Refused,
    /// 66: the secret, version, user, policy, node or file does not exist.
    Missing,
    /// 69: no node could answer; nothing was changed.
    Unavailable,
    /// 70: a fault inside Strongroom.
    Internal,
    /// 73: a file or directory could not be created.
    Create,
    /// 74: reading or writing failed; of a running server, its disk.
    InputOutput,
    /// 75: the outcome is unknown or the caller was throttled; trying again may help.
    TryAgain,
    /// 77: the identity, or the operating system, does not permit it.
    Denied,
    /// 78: the configuration is wrong or missing.
    Configuration,
}

impl Exit {
    /// The number the process ends with.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Declined => 1,
            Self::Usage => 64,
            Self::Refused => 65,
            Self::Missing => 66,
            Self::Unavailable => 69,
            Self::Internal => 70,
            Self::Create => 73,
            Self::InputOutput => 74,
            Self::TryAgain => 75,
            Self::Denied => 77,
            Self::Configuration => 78,
        }
    }

    /// The exit code that names an error of the operating system.
    pub fn of_io(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::Missing,
            std::io::ErrorKind::PermissionDenied => Self::Denied,
            std::io::ErrorKind::AlreadyExists => Self::Create,
            _ => Self::InputOutput,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The table of exit codes, for help and manual.
pub const TABLE: &str = "\
Exit codes:
   0  done
   1  a question was answered with no, or a check found something
  64  wrong arguments
  65  the request or a file was refused for what it says
  66  the secret, version, user, policy, node or file does not exist
  69  no node could answer; nothing was changed
  70  a fault inside Strongroom
  73  a file or directory could not be created
  74  reading or writing failed; of a running server, its disk
  75  outcome unknown or throttled; trying again may help
  77  not permitted
  78  configuration wrong or missing";
