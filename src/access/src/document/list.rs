//! Values that may stand alone or in a list.

use super::error::{Flaw, PolicyError};
use super::json::{Json, Path};
use super::wrong_type;
use crate::limits::{VALUE_BYTES_MAX, VALUES_MAX};

/// One string, or a list of at least one.
pub(crate) fn of_texts(json: &Json, path: &Path<'_>) -> Result<Vec<String>, PolicyError> {
    collect(json, path, |json, path| match json {
        Json::Text(text) => Ok(text.clone()),
        other => Err(wrong_type(path, "a string", other)),
    })
}

/// One string, number or boolean, or a list of at least one, all as text.
pub(crate) fn of_values(json: &Json, path: &Path<'_>) -> Result<Vec<String>, PolicyError> {
    collect(json, path, |json, path| match json {
        Json::Text(text) | Json::Number(text) => Ok(text.clone()),
        Json::Bool(value) => Ok(value.to_string()),
        other => Err(wrong_type(path, "a string, number or boolean", other)),
    })
}

/// The error at one of the values that [`of_texts`] or [`of_values`] gave.
pub(crate) fn at(json: &Json, path: &Path<'_>, at: usize, flaw: Flaw) -> PolicyError {
    match json {
        Json::List(_) => path.index(at).error(flaw),
        _ => path.error(flaw),
    }
}

fn collect(
    json: &Json,
    path: &Path<'_>,
    text: impl Fn(&Json, &Path<'_>) -> Result<String, PolicyError>,
) -> Result<Vec<String>, PolicyError> {
    let short = |json: &Json, path: &Path<'_>| {
        let text = text(json, path)?;
        let (found, max) = (text.len(), VALUE_BYTES_MAX);
        match found > max {
            true => Err(path.error(Flaw::ValueTooLong { found, max })),
            false => Ok(text),
        }
    };
    let Json::List(items) = json else {
        return Ok(vec![short(json, path)?]);
    };
    let (found, max) = (items.len(), VALUES_MAX);
    match found {
        0 => Err(path.error(Flaw::Empty)),
        found if found > max => Err(path.error(Flaw::TooMany { found, max })),
        _ => {
            let numbered = items.iter().enumerate();
            numbered
                .map(|(at, item)| short(item, &path.index(at)))
                .collect()
        }
    }
}
