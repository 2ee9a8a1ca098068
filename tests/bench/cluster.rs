//! Connections, and the process of the bare echo.

use std::path::Path;

use strongroom_tests::Region;
use tonic::service::Routes;
use tonic::transport::Channel;
use wire::credentials::{CredentialFiles, Credentials};
use wire::dial::{Dialer, Expected};
use wire::listen::{Admission, ListenOptions, Listener};

use crate::echo::Echo;

/// A channel to an address, as the administrator.
pub fn connect(folder: &Path, address: &str) -> Channel {
    let dialer = Dialer::for_callers(credentials(folder, "client-administrator"));
    let expected = Expected::Server {
        name: "localhost".into(),
    };
    dialer
        .channel(address, expected)
        .expect("the address is good")
}

/// Serves the echo on a free port, tells the port on standard output, and never ends.
pub async fn serve_echo(folder: &Path) {
    let options = ListenOptions::new(Admission::Anyone);
    let credentials = credentials(folder, "node-1");
    let address = "127.0.0.1:0".parse().expect("an address");
    let listener = Listener::bind(address, credentials, options)
        .await
        .expect("a port is free");
    println!("{}", listener.local_address());
    let served = listener
        .serve(Routes::new(Echo), std::future::pending::<()>())
        .await;
    served.expect("the echo serves until it is killed");
}

fn credentials(folder: &Path, name: &str) -> std::sync::Arc<Credentials> {
    let [cert, key] = Region::certificate(folder, name);
    let files = CredentialFiles {
        cert,
        key,
        ca: vec![folder.join("certs/root.pem")],
    };
    Credentials::load(files).expect("the certificates are there")
}
