//! Where a new token goes: to a file of its owner, or to standard output.

use std::path::Path;

use serde_json::json;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::new_file::NewFile;
use crate::output::Answer;
use crate::value::ValueError;

/// Where a token goes.
pub struct Destination<'a> {
    file: Option<(NewFile, &'a Path)>,
}

impl<'a> Destination<'a> {
    /// Makes the file, before the token is made: one that cannot be kept must not be good for an
    /// hour.
    pub fn open(path: Option<&'a Path>) -> Result<Self, ValueError> {
        let file = path.map(|path| Ok((NewFile::create(path)?, path)));
        Ok(Self {
            file: file.transpose()?,
        })
    }

    /// Writes the token to its file, or makes it part of the answer.
    pub fn keep(self, token: &Zeroizing<String>, expires: &str) -> Result<Answer, Failure> {
        let Some((file, path)) = self.file else {
            let json = json!({ "token": token.as_str(), "expires": expires });
            let fields = vec![
                ("Token", token.to_string()),
                ("Expires", expires.to_owned()),
            ];
            return Ok(Answer::fields(fields, json));
        };
        file.fill(token.as_bytes())?;
        let json = json!({ "file": path, "expires": expires });
        let line = format!("written to {}, good until {expires}", path.display());
        Ok(Answer::line(line, json))
    }
}
