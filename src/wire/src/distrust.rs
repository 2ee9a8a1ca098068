//! Finds in the error of a call that a certificate was not accepted, and whose.

use std::io;

use rustls::AlertDescription;

use crate::verify::Refusal;

/// Who did not accept whose certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// This side does not accept the server's.
    OfServer,
    /// The server does not accept this side's.
    OfCaller,
}

impl Distrust {
    /// Finds it in the chain of a failed call, if that is why it failed.
    pub fn in_chain(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<Refusal>() {
                return Some(Self::OfServer);
            }
            let inner = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            match inner.and_then(|inner| inner.downcast_ref()) {
                Some(rustls::Error::InvalidCertificate(_)) => return Some(Self::OfServer),
                // HTTP/2 keeps the text of an error only.
                _ if inner.is_some_and(|inner| tells_refusal(&inner.to_string())) => {
                    return Some(Self::OfCaller);
                }
                _ => cause = error.source(),
            }
        }
        None
    }
}

/// Whether an error's text is that of an alert with which a server refuses a certificate.
fn tells_refusal(text: &str) -> bool {
    let alerts = [
        AlertDescription::BadCertificate,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::CertificateRevoked,
        AlertDescription::CertificateExpired,
        AlertDescription::CertificateUnknown,
        AlertDescription::UnknownCA,
        AlertDescription::AccessDenied,
        AlertDescription::DecryptError,
        AlertDescription::CertificateRequired,
    ];
    alerts
        .into_iter()
        .any(|alert| text == rustls::Error::AlertReceived(alert).to_string())
}
