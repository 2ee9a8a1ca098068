//! An issuer of tokens: its key, and what it signs for service accounts of Kubernetes.

use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

pub const AUDIENCE: &str = "strongroom";

/// An issuer.
pub struct Issuer {
    pub url: String,
    id: String,
    key: Ed25519KeyPair,
}

/// What is said of a token that is otherwise right.
#[derive(Clone)]
pub struct Claims {
    pub issuer: String,
    pub audience: String,
    pub namespace: String,
    pub issued_s: i64,
    pub expires_s: i64,
}

impl Issuer {
    pub fn new(url: &str, id: &str) -> Self {
        Self {
            url: url.to_owned(),
            id: id.to_owned(),
            key: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// Its key set.
    pub fn jwks(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key().as_ref());
        format!(
            r#"{{"keys": [{{"kty": "OKP", "crv": "Ed25519", "kid": "{}", "x": "{x}"}}]}}"#,
            self.id
        )
    }

    /// What a token of a service account in a namespace says, now and for an hour.
    pub fn claims(&self, namespace: &str) -> Claims {
        #[allow(clippy::disallowed_methods, reason = "a token is judged by the time")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        let issued_s = i64::try_from(since.as_secs()).unwrap() - 5;
        Claims {
            issuer: self.url.clone(),
            audience: AUDIENCE.to_owned(),
            namespace: namespace.to_owned(),
            issued_s,
            expires_s: issued_s + 3600,
        }
    }

    /// The token of a service account in a namespace.
    pub fn token(&self, namespace: &str) -> String {
        self.sign(&self.claims(namespace), "EdDSA")
    }

    /// A token of these claims, whose header names an algorithm.
    pub fn sign(&self, claims: &Claims, algorithm: &str) -> String {
        let Claims {
            issuer,
            audience,
            namespace,
            issued_s,
            expires_s,
        } = claims;
        let header = format!(r#"{{"alg": "{algorithm}", "kid": "{}"}}"#, self.id);
        let claims = format!(
            r#"{{"iss": "{issuer}", "aud": ["{audience}"], "iat": {issued_s}, "nbf": {issued_s},
                "exp": {expires_s}, "sub": "system:serviceaccount:{namespace}:till",
                "kubernetes.io": {{"namespace": "{namespace}",
                    "pod": {{"name": "till-0", "uid": "p"}},
                    "serviceaccount": {{"name": "till", "uid": "s"}}}}}}"#
        );
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

/// A server of a key set that may change, on loopback without TLS.
pub struct Published {
    pub url: String,
    keys: Arc<Mutex<String>>,
}

impl Published {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys: Arc<Mutex<String>> = Arc::default();
        let (shown, at) = (Arc::clone(&keys), url.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap_or(0);
                let asked = String::from_utf8_lossy(&head[..read]).into_owned();
                let body = match asked.split(' ').nth(1) {
                    Some("/.well-known/openid-configuration") => {
                        format!(r#"{{"issuer": "{at}", "jwks_uri": "{at}/keys"}}"#)
                    }
                    Some("/keys") => shown.lock().unwrap().clone(),
                    _ => String::new(),
                };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                // Whoever asked may be gone.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, keys }
    }

    pub fn publish(&self, issuer: &Issuer) {
        *self.keys.lock().unwrap() = issuer.jwks();
    }
}
