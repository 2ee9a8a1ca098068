use http::Response;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::errors::{Reason, Refusal};

/// A response that says why there is no other.
pub fn refused(refusal: Refusal) -> Response<Body> {
    Status::from(refusal).into_http()
}

/// The code of a response that ended with its headers; `Ok` for one whose body follows.
pub fn code(response: &Response<Body>) -> Code {
    match response.headers().get(Status::GRPC_STATUS) {
        None => Code::Ok,
        Some(value) => Code::from_bytes(value.as_bytes()),
    }
}

/// Adds `ErrorInfo` to failures that come from the framework: a message that does not decode or is
/// too large, an rpc the service does not have.
pub fn with_details(response: Response<Body>) -> Response<Body> {
    let code = code(&response);
    let has_details = response.headers().contains_key("grpc-status-details-bin");
    if code == Code::Ok || has_details {
        return response;
    }
    match code {
        Code::OutOfRange | Code::ResourceExhausted => refused(Refusal::parameter(
            "The request is larger than this operation accepts.",
        )),
        Code::Internal | Code::InvalidArgument | Code::Unknown => refused(Refusal::new(
            Reason::Serialization,
            "The request is not a valid message of this operation.",
        )),
        Code::Unimplemented => refused(Refusal::new(
            Reason::UnknownOperation,
            "This operation is not served.",
        )),
        _ => response,
    }
}
