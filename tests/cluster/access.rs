//! Users, roles and policies as an administrator gives them, by the commands of docs/access.md, and
//! what those may do then who are meant.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use strongroom_tests::dev::Dev;
use strongroom_tests::shell::{Environment, Finished, strongroom, strongroom_with, until};

const FIRST: &str = "eu-west-1";
const SECOND: &str = "eu-west-2";
const READ: &str = "secretsmanager:GetSecretValue";

/// Two regions, and where documents and certificates are.
struct Cluster {
    parent: TempDir,
    dev: Dev,
    root: Environment,
}

impl Cluster {
    fn start() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let dev = Dev::start(parent.path(), "dev", &["--port", "0", "-o", "json"]);
        let root = dev.environment(FIRST);
        Self { parent, dev, root }
    }

    /// Runs a command as the administrator.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Finished {
        strongroom(&self.root, arguments)
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Json {
        let arguments = [arguments, &["-o", "json"]].concat();
        self.run(&arguments).done().json()
    }

    #[track_caller]
    fn secret(&self, name: &str, value: &str) {
        let create = ["secret", "create", name, "--value-file", "-"];
        strongroom_with(&self.root, &create, value).done();
    }

    /// Writes a policy of one statement and returns its path.
    fn document(&self, name: &str, statement: &Json) -> String {
        let path = self.parent.path().join(name);
        let document = json!({ "Version": "2012-10-17", "Statement": [statement] });
        std::fs::write(&path, document.to_string()).unwrap();
        path.display().to_string()
    }

    fn certificate(&self, client: &str) -> String {
        let directory = Path::new(&self.dev.directory).join("certs").join(FIRST);
        let name = format!("client-{client}");
        directory.join(name).display().to_string()
    }

    /// Issues the certificate of a client; what it has in its environment.
    #[track_caller]
    fn client(&self, name: &str) -> Environment {
        let certs = Path::new(&self.dev.directory).join("certs");
        let certs = certs.display().to_string();
        let issue = ["certs", "issue", "client", name, "--region", FIRST];
        self.run(&[&issue[..], &["--dir", &certs]].concat()).done();
        self.with_certificate(self.root.clone(), name)
    }

    fn with_certificate(&self, mut environment: Environment, name: &str) -> Environment {
        environment.retain(|(name, _)| !["STRONGROOM_CERT", "STRONGROOM_KEY"].contains(&&**name));
        let path = self.certificate(name);
        environment.push(("STRONGROOM_CERT".to_owned(), format!("{path}.pem")));
        environment.push(("STRONGROOM_KEY".to_owned(), format!("{path}-key.pem")));
        environment
    }
}

fn get(name: &str) -> [&str; 4] {
    ["secret", "get", name, "--raw"]
}

fn managed(name: &str) -> String {
    format!("arn:aws:iam::000000000000:policy/{name}")
}

#[track_caller]
fn refused(finished: &Finished, code: i32, word: &str) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert!(finished.errors.contains(word), "{finished:?}");
}

/// A statement that allows actions on secrets whose names begin so.
fn allow(actions: &[&str], names: &str) -> Json {
    let resource = format!("arn:aws:secretsmanager:*:000000000000:secret:{names}");
    json!({ "Sid": "Some", "Effect": "Allow", "Action": actions, "Resource": resource })
}

#[test]
fn the_page_for_access_is_walked_from_the_first_user_to_the_last() {
    let cluster = Cluster::start();
    cluster.secret("orders/db", "one");
    cluster.secret("payroll/db", "two");
    let orders = first_user(&cluster);
    groups_and_boundaries(&cluster);
    roles(&cluster);
    policies_of_secrets(&cluster, &orders);
    explanations(&cluster);
    another_region(&cluster);
    access_keys(&cluster);
    accounts_and_issuers(&cluster);
    taking_back(&cluster, &orders);
}

fn first_user(cluster: &Cluster) -> Environment {
    let root = cluster.json(&["whoami"]);
    assert_eq!(root["Arn"], "arn:aws:iam::000000000000:root", "{root}");
    let orders = cluster.client("orders");
    // A certificate alone is nobody, and is told nothing.
    refused(&strongroom(&orders, &["whoami"]), 77, "AccessDenied");
    refused(&strongroom(&orders, &get("orders/db")), 77, "AccessDenied");

    let path = cluster.document("orders-read.json", &allow(&[READ], "orders/*"));
    let create = ["policy", "create", "orders-read", "--file", &path];
    let policy = cluster.json(&create);
    assert_eq!(policy["Arn"], managed("orders-read"));
    refused(&cluster.run(&create), 65, "EntityAlreadyExists");
    let user = cluster.json(&["user", "create", "orders", "--tag", "team=shop"]);
    assert_eq!(user["Tags"], json!([{ "Key": "team", "Value": "shop" }]));
    let attach = ["user", "attach", "orders", &managed("orders-read")];
    let user = cluster.json(&attach);
    assert_eq!(user["AttachedPolicies"], json!([managed("orders-read")]));
    let bind = ["credential", "bind", "user/orders", "--subject", "orders"];
    cluster.run(&bind).done();

    let me = strongroom(&orders, &["whoami", "-o", "json"]).done().json();
    assert_eq!(me["Arn"], "arn:aws:iam::000000000000:user/orders");
    assert_eq!(strongroom(&orders, &get("orders/db")).done().output, "one");
    for name in ["payroll/db", "nothing-there"] {
        refused(&strongroom(&orders, &get(name)), 77, "AccessDenied");
    }
    let put = ["secret", "put", "orders/db", "--value-file", "-"];
    refused(&strongroom_with(&orders, &put, "x"), 77, "AccessDenied");
    refused(&strongroom(&orders, &["user", "list"]), 77, "AccessDenied");
    let list = cluster.run(&["user", "list"]).done().output;
    assert!(
        list.starts_with("NAME ") && list.contains("\norders "),
        "{list}"
    );
    orders
}

fn groups_and_boundaries(cluster: &Cluster) {
    let alice = cluster.client("alice");
    let all = cluster.document("all.json", &allow(&["secretsmanager:*"], "*"));
    let dev = cluster.document("dev.json", &allow(&["secretsmanager:*"], "dev/*"));
    cluster.json(&["policy", "create", "dev", "--file", &dev]);
    cluster.json(&["group", "create", "developers"]);
    cluster.json(&["group", "put-policy", "developers", "all", "--file", &all]);
    let create = ["user", "create", "alice", "--boundary", &managed("dev")];
    cluster.json(&create);
    let alice_is = cluster.json(&["user", "join", "alice", "developers"]);
    assert_eq!(alice_is["Groups"], json!(["developers"]));
    let group = cluster.json(&["group", "get", "developers"]);
    assert_eq!(group["Members"], json!(["alice"]));
    cluster.json(&["credential", "bind", "user/alice", "--subject", "alice"]);
    let make = |name: &str| {
        let create = ["secret", "create", name, "--value-file", "-"];
        strongroom_with(&alice, &create, "mine")
    };
    make("dev/alice").done();
    refused(&make("live/alice"), 77, "AccessDenied");
    cluster.json(&["user", "boundary", "alice", "--none"]);
    make("live/alice").done();
    cluster.json(&["user", "leave", "alice", "developers"]);
    refused(&strongroom(&alice, &get("dev/alice")), 77, "AccessDenied");
    cluster.json(&["user", "tag", "alice", "a=1", "b=2"]);
    let untagged = cluster.json(&["user", "untag", "alice", "a"]);
    assert_eq!(untagged["Tags"], json!([{ "Key": "b", "Value": "2" }]));
}

fn roles(cluster: &Cluster) {
    let trusts = json!({
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": { "AWS": "arn:aws:iam::000000000000:user/alice" },
    });
    let trust = cluster.document("trust.json", &trusts);
    let create = ["role", "create", "deploy", "--trust-file", &trust];
    let role = cluster.json(&[&create[..], &["--session-max", "30m"]].concat());
    assert_eq!(role["MaxSessionDuration"], 1_800);
    assert_eq!(
        role["AssumeRolePolicyDocument"]["Statement"],
        json!([trusts])
    );
    let role = cluster.json(&["role", "session-max", "deploy", "1h"]);
    assert_eq!(role["MaxSessionDuration"], 3_600);
    let read = cluster.document("read.json", &allow(&[READ], "orders/*"));
    cluster.json(&["role", "put-policy", "deploy", "read", "--file", &read]);
    let deploy = cluster.client("deploy-1");
    cluster.json(&["credential", "bind", "role/deploy", "--subject", "deploy-1"]);
    let me = strongroom(&deploy, &["whoami", "-o", "json"]).done().json();
    let arn = "arn:aws:sts::000000000000:assumed-role/deploy/deploy-1";
    assert_eq!(me["Arn"], arn);
    assert_eq!(strongroom(&deploy, &get("orders/db")).done().output, "one");
}

fn policies_of_secrets(cluster: &Cluster, orders: &Environment) {
    let everybody = json!({
        "Effect": "Allow", "Action": READ, "Principal": "*", "Resource": "*",
    });
    let user = json!({
        "Sid": "OrdersMayRead", "Effect": "Allow", "Action": READ, "Resource": "*",
        "Principal": { "AWS": "arn:aws:iam::000000000000:user/orders" },
    });
    let public = cluster.document("public.json", &everybody);
    let private = cluster.document("private.json", &user);
    let policy = |verb: &[&str], file: &str| {
        let of = ["secret", "policy"];
        let verb = [&of[..], verb, &["payroll/db", "--file", file]].concat();
        cluster.run(&verb)
    };
    let checked = policy(&["validate", "-o", "json"], &public);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert_eq!(checked.json()["PolicyValidationPassed"], false);
    let blocked = policy(&["put", "--block-public-policy"], &public);
    refused(&blocked, 65, "PublicPolicyException");
    policy(&["validate"], &private).done();
    policy(&["put", "--block-public-policy"], &private).done();
    assert_eq!(strongroom(orders, &get("payroll/db")).done().output, "two");
    let shown = ["secret", "policy", "get", "payroll/db"];
    let document = cluster.run(&[&shown[..], &["--document"]].concat()).done();
    assert_eq!(document.output, std::fs::read_to_string(&private).unwrap());
    assert_eq!(cluster.json(&shown)["ResourcePolicy"], document.json());
    let broken = cluster.document("broken.json", &json!({ "Effect": "Perhaps" }));
    refused(&policy(&["put"], &broken), 65, "MalformedPolicyDocument");
}

fn explanations(cluster: &Cluster) {
    let ask = ["policy", "simulate", "--principal", "user/orders", READ];
    let resources = ["--resource", "orders/db", "--resource", "live/alice"];
    let said = cluster.json(&[&ask[..], &resources].concat());
    let results = said["EvaluationResults"].as_array().unwrap();
    let decisions: Vec<&Json> = results.iter().map(|one| &one["EvalDecision"]).collect();
    assert_eq!(decisions, ["allowed", "implicitDeny"], "{said}");
    let reason = results[0]["Reason"].as_str().unwrap();
    assert!(
        reason.contains("Some") && reason.contains("policy/orders-read"),
        "{reason}"
    );
    // A document that is not stored yet counts as if it were.
    let denies = json!({ "Effect": "Deny", "Action": "*", "Resource": "*" });
    let denies = cluster.document("denies.json", &denies);
    let with = ["--resource", "orders/db", "--with-file", &denies];
    let said = cluster.run(&[&ask[..], &with].concat()).done().output;
    assert!(said.contains("explicitDeny"), "{said}");

    let who = cluster.json(&["policy", "who-can", READ, "payroll/db"]);
    let able = who["Principals"].as_array().unwrap().iter();
    let able: Vec<&str> = able.map(|one| one["Arn"].as_str().unwrap()).collect();
    let expected = [
        "arn:aws:iam::000000000000:root",
        "arn:aws:iam::000000000000:user/orders",
    ];
    assert_eq!(able, expected, "{who}");
    let validate = ["policy", "validate", "--principal", "user/orders", "--file"];
    cluster.run(&[&validate[..], &[&denies]].concat()).done();
    let broken = cluster.document("broken.json", &json!({ "Effect": "Perhaps" }));
    let broken = cluster.run(&[&validate[..], &[&broken]].concat());
    refused(&broken, 65, "MalformedPolicyDocument");
}

fn another_region(cluster: &Cluster) {
    let second = cluster.dev.environment(SECOND);
    let orders = cluster.with_certificate(second.clone(), "orders");
    until("the user is known and may read there", || {
        let read = strongroom(&orders, &get("orders/db"));
        (read.code == Some(0) && read.output == "one").then_some(())
    });
    refused(&strongroom(&orders, &get("live/alice")), 77, "AccessDenied");
    let create = strongroom(&second, &["user", "create", "bob"]);
    refused(
        &create,
        65,
        "the primary region is eu-west-1, at 127.0.0.1:",
    );
    cluster.json(&["user", "regions", "orders", FIRST]);
    until("it does not count there any more", || {
        (strongroom(&orders, &get("orders/db")).code == Some(77)).then_some(())
    });
    cluster.json(&["user", "regions", "orders", "--all"]);
}

fn access_keys(cluster: &Cluster) {
    let file = cluster.parent.path().join("credentials");
    let path = file.display().to_string();
    let create = ["access-key", "create", "orders", "--output-file", &path];
    let key = cluster.json(&create);
    let id = key["AccessKeyId"].as_str().unwrap();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let kept = std::fs::read_to_string(&file).unwrap();
    let secret = kept.trim_end().rsplit(" = ").next().unwrap();
    assert!(
        kept.contains(id) && secret.len() == 40,
        "a whole key is kept"
    );
    assert!(!key.to_string().contains(secret), "and not printed");
    let again = cluster.run(&create);
    refused(&again, 73, &path);
    let list = ["access-key", "list", "orders"];
    assert_eq!(
        cluster.json(&list)["Credentials"].as_array().unwrap().len(),
        1
    );
    let off = cluster.json(&["access-key", "disable", id]);
    assert_eq!(off["Status"], "Inactive");
    let all = cluster.run(&["credential", "list", "user/orders"]).done();
    assert!(all.output.contains("subject orders"), "{all:?}");
    cluster.run(&["access-key", "delete", id, "--yes"]).done();
    assert_eq!(cluster.json(&list)["Credentials"], json!([]));
}

fn accounts_and_issuers(cluster: &Cluster) {
    let account = "111122223333";
    cluster
        .run(&["account", "create", account, "payments"])
        .done();
    let accounts = cluster.json(&["account", "list"]);
    assert_eq!(accounts["Accounts"].as_array().unwrap().len(), 2);
    let create = ["user", "create", "orders", "--account", account];
    let user = cluster.json(&create);
    assert_eq!(user["Arn"], format!("arn:aws:iam::{account}:user/orders"));
    let issuer = "https://oidc.example.org";
    let create = ["provider", "create", issuer, "--audience", "strongroom"];
    let provider = cluster.json(&create);
    let arn = provider["Arn"].as_str().unwrap();
    let update = ["provider", "update", arn, "--audience", "orders"];
    assert_eq!(cluster.json(&update)["ClientIDList"], json!(["orders"]));
    let listed = cluster.run(&["provider", "list"]).done().output;
    assert!(listed.contains(issuer), "{listed}");
    cluster.run(&["provider", "delete", arn, "--yes"]).done();
    refused(&cluster.run(&["provider", "get", arn]), 66, "NoSuchEntity");
}

fn taking_back(cluster: &Cluster, orders: &Environment) {
    cluster.json(&["user", "disable", "orders"]);
    refused(&strongroom(orders, &get("orders/db")), 77, "AccessDenied");
    cluster.json(&["user", "enable", "orders"]);
    strongroom(orders, &get("orders/db")).done();
    let conflict = cluster.run(&["user", "delete", "orders", "--yes"]);
    refused(&conflict, 65, "DeleteConflict");
    let managed = managed("orders-read");
    let conflict = cluster.run(&["policy", "delete", &managed, "--yes"]);
    refused(&conflict, 65, "DeleteConflict");

    let file = format!("{}.pem", cluster.certificate("orders"));
    let revoke = ["revoke", "certificate", "--file", &file];
    refused(&cluster.run(&revoke), 64, "--yes");
    let reason = ["--reason", "host lost", "--yes"];
    cluster.run(&[&revoke[..], &reason].concat()).done();
    refused(&strongroom(orders, &get("orders/db")), 77, "AccessDenied");
    let revoked = cluster.json(&["revocations", "list"]);
    assert_eq!(revoked["Revocations"][0]["Reason"], "host lost");

    let listed = cluster.json(&["credential", "list", "user/orders"]);
    let binding = listed["Credentials"][0]["Id"].as_str().unwrap();
    cluster
        .run(&["credential", "unbind", binding, "--yes"])
        .done();
    cluster.json(&["user", "detach", "orders", &managed]);
    cluster.run(&["user", "delete", "orders", "--yes"]).done();
    refused(&cluster.run(&["user", "get", "orders"]), 66, "NoSuchEntity");
    cluster.run(&["policy", "delete", &managed, "--yes"]).done();
}
