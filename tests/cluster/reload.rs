//! Certificates that are replaced while a node runs.

use strongroom_tests::shell::{strongroom, until};
use strongroom_tests::{REGION, Region};

#[test]
fn a_hang_up_makes_a_server_read_its_certificates_again() {
    let mut region = Region::prepared();
    // Never by itself, so that only the signal can do it.
    let path = region.config_path(1);
    let config = std::fs::read_to_string(&path).unwrap();
    let config = config.replace("[tls]", "[tls]\nreload_interval = \"1d\"");
    std::fs::write(&path, config).unwrap();
    region.start(1, &["--bootstrap"]);
    region.wait_for(1);
    let before = expiry(&region);
    let certs = region.path("certs");
    let issue = ["certs", "issue", "node", "1", "--dir", &certs, "--region"];
    let more = [REGION, "--host", "127.0.0.1", "--renew", "--days", "30"];
    strongroom(&region.environment(), &[&issue[..], &more].concat()).done();
    assert_eq!(expiry(&region), before);
    region.process(1).signal("HUP");
    until("the new certificate is in force", || {
        (expiry(&region) != before).then_some(())
    });
    region.call(&["node", "list"]).done();

    // What cannot be used is said, and the certificate in force stays.
    let renewed = expiry(&region);
    std::fs::write(format!("{certs}/{REGION}/node-1.pem"), "nothing").unwrap();
    region.process(1).signal("HUP");
    until("the log says so", || {
        let log = region.log(1);
        log.contains("the old ones stay").then_some(())
    });
    assert_eq!(expiry(&region), renewed);
    region.call(&["node", "list"]).done();
    region.stop(1);
}

/// When the certificate in force ends, as the metrics of node 1 tell.
fn expiry(region: &Region) -> String {
    let metrics = region.metrics(1);
    let line = metrics
        .lines()
        .find(|line| line.starts_with("strongroom_server_certificate_expiry_seconds "));
    line.unwrap().to_owned()
}
