//! The token of a session, as a request brings it.

use http::Request;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use crate::errors::Refusal;
use crate::limits::BEARER_CHARS_MAX;

/// Takes the token out of a request; none if it has none.
///
/// # Errors
/// There are several, or what is there is no token of ours, or longer than one.
pub fn take<B>(request: &mut Request<B>) -> Result<Option<Zeroizing<String>>, Refusal> {
    let headers = request.headers_mut();
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|_| values.next().is_none());
    let token = text.and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        let is_ours = scheme.eq_ignore_ascii_case("bearer") && token.len() <= BEARER_CHARS_MAX;
        is_ours.then(|| Zeroizing::new(token.to_owned()))
    });
    // No handler needs it, and what is not there is not logged.
    headers.remove(AUTHORIZATION);
    token.map(Some).ok_or_else(Refusal::bad_token)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http::header::AUTHORIZATION;

    use super::{BEARER_CHARS_MAX, take};

    #[test]
    fn one_bearer_token_is_taken_out_and_anything_else_refused() {
        let long = format!("Bearer {}", "x".repeat(BEARER_CHARS_MAX + 1));
        for (headers, expected) in [
            (&[][..], Ok(None)),
            (&["Bearer srs1.x"], Ok(Some("srs1.x"))),
            (&["bearer srs1.x"], Ok(Some("srs1.x"))),
            (&["Bearer srs1.x", "Bearer srs1.x"], Err(())),
            (&["Basic srs1.x"], Err(())),
            (&["srs1.x"], Err(())),
            (&[""], Err(())),
            (&["Bearer é"], Err(())),
            (&[long.as_str()], Err(())),
        ] {
            let mut request = Request::new(());
            for header in headers {
                let value = http::HeaderValue::from_bytes(header.as_bytes()).unwrap();
                request.headers_mut().append(AUTHORIZATION, value);
            }
            let taken = take(&mut request);
            let taken = taken
                .as_ref()
                .map(|token| token.as_ref().map(|text| text.as_str()));
            assert_eq!(taken.map_err(|_| ()), expected, "{headers:?}");
            assert!(!request.headers().contains_key(AUTHORIZATION));
        }
    }
}
