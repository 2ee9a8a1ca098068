//! The session that this user's commands are made in: its token, in a file of the user's own.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use client::Token;
use zeroize::Zeroizing;

use crate::limits::SESSION_FILE_BYTES_MAX;
use crate::new_file::NewFile;
use crate::value::ValueError;

/// Why the session that commands are to be made in cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The file cannot be read.
    #[error("cannot read the session in {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Others can read it.
    #[error(
        "{} can be read by others; take their rights away, or log in again", .path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// There is no token in it.
    #[error("{} holds no token of a session; log in again", .path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be made or removed.
    #[error("cannot keep the session in {}", .path.display())]
    Keep {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Nothing says where the user's files are.
    #[error("no place for the session; name a file with --session, or set HOME")]
    Nowhere,
}

/// Where the session is kept if nobody says so: `$XDG_STATE_HOME/strongroom/session`, else
/// `~/.local/state/strongroom/session`.
pub fn usual() -> Result<PathBuf, SessionError> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    place(given("XDG_STATE_HOME").as_deref(), given("HOME").as_deref())
}

fn place(state: Option<&OsStr>, home: Option<&OsStr>) -> Result<PathBuf, SessionError> {
    let state = state.map(PathBuf::from);
    let state = state.or_else(|| Some(Path::new(home?).join(".local/state")));
    let state = state.ok_or(SessionError::Nowhere)?;
    Ok(state.join("strongroom").join("session"))
}

/// The token in a file; none if there is no such file.
pub fn read(path: &Path) -> Result<Option<Token>, SessionError> {
    let failed = |source| SessionError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
        return Err(SessionError::Open {
            path: path.to_owned(),
        });
    }
    // Never grown: a vector that is leaves its content behind.
    let room = usize::try_from(SESSION_FILE_BYTES_MAX).unwrap_or(usize::MAX);
    let mut text = Zeroizing::new(String::with_capacity(room.saturating_add(1)));
    let read = file.take(SESSION_FILE_BYTES_MAX).read_to_string(&mut text);
    read.map_err(failed)?;
    let token = Zeroizing::new(text.trim().to_owned());
    let is_one = token.starts_with("srs1.") && token.bytes().all(|byte| byte.is_ascii_graphic());
    match is_one {
        true => Ok(Some(Token::new(token))),
        false => Err(SessionError::NoToken {
            path: path.to_owned(),
        }),
    }
}

/// Keeps a token in a file, in the place of the one there.
pub fn keep(path: &Path, token: &str) -> Result<(), SessionError> {
    let failed = |source| SessionError::Keep {
        path: path.to_owned(),
        source,
    };
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(parent);
        made.map_err(failed)?;
    }
    // A file that stands there may be a link, or others' to read: the new one takes its place.
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let filled = NewFile::create(&beside).and_then(|file| file.fill(token.as_bytes()));
    filled.map_err(|error| match error {
        ValueError::Write { source, .. } => failed(source),
        other => failed(std::io::Error::other(other)),
    })?;
    fs::rename(&beside, path).map_err(failed)
}

/// Removes the session; says whether there was one.
pub fn forget(path: &Path) -> Result<bool, SessionError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(SessionError::Keep {
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_session_is_kept_for_its_owner_alone_replaced_and_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state").join("session");
        assert!(read(&path).unwrap().is_none());
        keep(&path, "srs1.one").unwrap();
        keep(&path, "srs1.two").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let expected = Token::new(Zeroizing::new("srs1.two".to_owned()));
        assert!(read(&path).unwrap() == Some(expected));
        assert!(forget(&path).unwrap());
        assert!(!forget(&path).unwrap());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
    }

    #[test]
    fn a_session_that_others_can_read_or_that_is_none_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("session");
        keep(&path, "srs1.one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path), Err(SessionError::Open { .. })));
        for text in ["", "password", "srs1.a b"] {
            keep(&path, text).unwrap();
            assert!(matches!(read(&path), Err(SessionError::NoToken { .. })));
        }
    }

    #[test]
    fn a_session_has_its_place_among_the_users_files() {
        let named = |text: &'static str| Some(OsStr::new(text));
        let there = place(named("/state"), named("/own")).unwrap();
        assert_eq!(there, Path::new("/state/strongroom/session"));
        let there = place(None, named("/own")).unwrap();
        assert_eq!(there, Path::new("/own/.local/state/strongroom/session"));
        assert!(matches!(place(None, None), Err(SessionError::Nowhere)));
    }
}
