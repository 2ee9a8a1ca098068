//! Texts in their proper forms, golden files of the store, and what lies in a data directory.

use std::fs;
use std::path::Path;

use envelope::{RootKey, StorageKeyring};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use server::LinkToken;
use strongroom_fuzz::{ACCOUNT, founded, join};
use wire::PublicKeyHash;
use wire::certs::{self, ClientSpec, Existing, Layout, NodeSpec, Validity};

use crate::{Corpus, Failure};

pub fn names(corpus: &Corpus) -> Result<(), Failure> {
    let token = founded().token().encode();
    let link = LinkToken::generate(PublicKeyHash([7; 32]))?;
    for (name, text) in [
        ("token", token.as_str()),
        ("region", "eu-north-1"),
        ("account", ACCOUNT),
        ("name", "prod/db-AbC123"),
        ("version", "00000000-0000-4000-8000-000000000001"),
        (
            "arn",
            "arn:aws:secretsmanager:eu-north-1:000000000001:secret:prod/db-AbC123",
        ),
        ("uid", "00112233445566778899aabbccddeeff"),
        ("feed", "home/eu-north-1"),
        ("link-token", link.text().as_str()),
    ] {
        corpus.add("names", name, text.as_bytes())?;
    }
    Ok(())
}

pub fn files(corpus: &Corpus, golden: &Path) -> Result<(), Failure> {
    let mut log = vec![vec![0], fs::read(golden.join("log/anchor"))?];
    for number in 1..=3 {
        log.push(fs::read(golden.join(format!("log/{number:016}.wal")))?);
    }
    corpus.add("log", "golden", &join(&log))?;
    corpus.add("log", "first", &join(&log[..3]))?;
    // Two appends, a truncation, a commit mark; then a second segment. Records are a mark and a
    // body: the length of the mark, the mark, and four bytes before the body.
    let record = [1, 0, 0, 0, b'm', 0, 0, 0, 0, 1];
    let frame = |kind, group, index, follow, payload: &[u8]| {
        let length = payload.len() as u8;
        [&[kind, group, index, follow, length], payload].concat()
    };
    let first = [
        frame(1, 1, 1, 1, &record),
        frame(1, 1, 2, 0, &record),
        frame(2, 2, 1, 0, b""),
        frame(4, 3, 1, 0, b"m"),
    ];
    let second = frame(1, 4, 2, 0, &record);
    let anchor = [&1_u64.to_le_bytes()[..], &[1, 1, 0, 0, 0, b'v'], &[0; 26]].concat();
    corpus.add(
        "log",
        "made",
        &join([vec![1], anchor, first.concat(), second]),
    )?;
    let snapshot = fs::read(golden.join("snapshots/0000000000000001-golden-1.snap"))?;
    corpus.add(
        "snapshot",
        "golden",
        &join([&[0], &b"golden-1"[..], &snapshot]),
    )?;
    let rows: [&[u8]; 8] = [
        b"",
        b"\0\x40\x01",
        b"a",
        b"1",
        &[1, 0, 1],
        b"2",
        &[1, 0, 2],
        b"3",
    ];
    corpus.add("base", "made", &join(rows))?;
    let made: [&[u8]; 7] = [&[1], b"\0\x40\x01", b"a", b"1", b"b", b"2", b"meta"];
    corpus.add("snapshot", "made", &join(made))
}

pub fn directory(corpus: &Corpus, golden: &Path) -> Result<(), Failure> {
    let node = fs::read(golden.join("node.toml"))?;
    let own = format!(
        "format = 1\ncluster = \"{}\"\nregion = \"eu-west-1\"\nnode = 1\n",
        "01".repeat(16)
    );
    let root_key = fs::read(golden.join("test-root.key"))?;
    let key = RootKey::from_bytes(&[9; 32]);
    let keyring = StorageKeyring::generate([1; 16])?;
    let block = keyring.seal("rows", b"key", b"a block")?;
    let sealed = keyring.to_sealed_bytes(&key)?;
    corpus.add("directory", "other", &join([&node, &root_key]))?;
    corpus.add(
        "directory",
        "own",
        &join([own.as_bytes(), &root_key, &sealed, &block]),
    )
}

pub fn certificates(corpus: &Corpus) -> Result<(), Failure> {
    const REGION: &str = "eu-west-1";
    let dir = tempfile::tempdir()?;
    let layout = Layout::new(dir.path());
    certs::init(&layout, None, REGION)?;
    let node = NodeSpec {
        region: REGION.to_owned(),
        node: 1,
        names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
        validity: Validity::of_leaf(),
    };
    let client = ClientSpec {
        region: REGION.to_owned(),
        name: "admin".to_owned(),
        validity: Validity::of_leaf(),
    };
    let node = certs::issue_node(&layout, &node, Existing::Refuse)?;
    let client = certs::issue_client(&layout, &client, Existing::Refuse)?;
    let root = layout.root();
    for (name, path) in [
        ("node", node.cert),
        ("client", client.cert),
        ("root", root.cert),
        ("issuer", layout.issuer(REGION).cert),
    ] {
        let pem = fs::read_to_string(path)?;
        corpus.add("certificate", &format!("{name}-pem"), pem.as_bytes())?;
        let first = CertificateDer::from_pem_slice(pem.as_bytes())?;
        corpus.add("certificate", name, &first)?;
    }
    Ok(())
}
