//! Denies, and `NotPrincipal`.

use super::{
    ALLOW_ALL, AWAY, Case, DENY_ALL, HOME, Layer, Principal, account_of, case, role_of, root,
    service, session, session_of, user, user_of,
};

/// A case in which every layer allows.
fn open() -> Case {
    let everyone = format!("{ALLOW_ALL}, \"Principal\": \"*\"");
    let open = case()
        .identity(ALLOW_ALL)
        .boundary(ALLOW_ALL)
        .session(ALLOW_ALL);
    open.grants("\"*\"").endpoint(&everyone)
}

#[test]
fn a_deny_of_any_layer_wins() {
    let everyone = "\"Principal\": \"*\"";
    let to_everyone = format!("{ALLOW_ALL}, {everyone}}}, {{{DENY_ALL}, {everyone}");
    let both = format!("{ALLOW_ALL}}}, {{{DENY_ALL}");
    for caller in [user(HOME), session(HOME), root(HOME), user(AWAY)] {
        open().allows(&caller);
        open().identity(&both).denies(Layer::Identity, &caller);
        open().boundary(&both).denies(Layer::Boundary, &caller);
        open().session(DENY_ALL).denies(Layer::Session, &caller);
        open()
            .resource(&to_everyone)
            .denies(Layer::Resource, &caller);
        open()
            .endpoint(&to_everyone)
            .denies(Layer::Endpoint, &caller);
    }
    for caller in [service(), Principal::Anonymous] {
        open()
            .resource(&to_everyone)
            .denies(Layer::Resource, &caller);
        open()
            .endpoint(&to_everyone)
            .denies(Layer::Endpoint, &caller);
    }
}

#[test]
fn a_deny_reaches_whom_it_names_in_any_form() {
    let deny = |principal: &str| {
        let statement = format!("{DENY_ALL}, \"Principal\": {principal}");
        case().identity(ALLOW_ALL).resource(&statement)
    };
    deny(&account_of(HOME)).denies(Layer::Resource, &root(HOME));
    deny(&account_of(HOME)).denies(Layer::Resource, &user(HOME));
    deny(&account_of(HOME)).denies(Layer::Resource, &session(HOME));
    deny(&user_of(HOME))
        .denies(Layer::Resource, &user(HOME))
        .allows(&session(HOME));
    deny(&role_of(HOME))
        .denies(Layer::Resource, &session(HOME))
        .allows(&user(HOME));
    deny(&session_of(HOME))
        .denies(Layer::Resource, &session(HOME))
        .allows(&root(HOME));
    deny(&account_of(AWAY)).allows(&user(HOME));
}

fn except(principals: &[&str]) -> Case {
    let quoted: Vec<String> = principals.iter().map(|one| format!("\"{one}\"")).collect();
    let principals = format!(r#"{{"AWS": [{}]}}"#, quoted.join(","));
    let statement = format!("{DENY_ALL}, \"NotPrincipal\": {principals}");
    let allow = format!("{ALLOW_ALL}, \"Principal\": \"*\"");
    case()
        .identity(ALLOW_ALL)
        .resource(&format!("{allow}}}, {{{statement}"))
}

const ROOT: &str = "arn:aws:iam::111122223333:root";
const USER: &str = "arn:aws:iam::111122223333:user/ann";
const ROLE: &str = "arn:aws:iam::111122223333:role/app/reader";
const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/reader/one";

#[test]
fn not_principal_exempts_a_caller_it_names_with_its_account_and_role() {
    except(&[ROOT, USER])
        .allows(&user(HOME))
        .allows(&root(HOME));
    except(&[ROOT, USER]).denies(Layer::Resource, &session(HOME));
    except(&[ROOT, ROLE, SESSION]).allows(&session(HOME));
    except(&[ROOT, ROLE, SESSION]).denies(Layer::Resource, &user(AWAY));
    except(&["*"])
        .allows(&user(AWAY))
        .allows(&Principal::Anonymous);
}

#[test]
fn not_principal_denies_a_caller_it_names_in_part() {
    except(&[USER]).denies(Layer::Resource, &user(HOME));
    except(&[ROOT]).denies(Layer::Resource, &user(HOME));
    except(&[ROOT, SESSION]).denies(Layer::Resource, &session(HOME));
    except(&[ROOT, ROLE]).denies(Layer::Resource, &session(HOME));
    except(&[ROLE, SESSION]).denies(Layer::Resource, &session(HOME));
    except(&[ROOT]).denies(Layer::Resource, &Principal::Anonymous);
    except(&[ROOT]).denies(Layer::Resource, &service());
}

#[test]
fn not_principal_exempts_nobody_who_has_a_boundary() {
    let exempt = except(&[ROOT, USER, ROLE, SESSION]);
    exempt
        .clone()
        .boundary(ALLOW_ALL)
        .denies(Layer::Resource, &user(HOME));
    exempt
        .boundary(ALLOW_ALL)
        .denies(Layer::Resource, &session(HOME));
}

#[test]
fn not_principal_exempts_a_service_by_name() {
    let statement =
        format!(r#"{DENY_ALL}, "NotPrincipal": {{"Service": "rotation.strongroom.internal"}}"#);
    let allow = format!("{ALLOW_ALL}, \"Principal\": \"*\"");
    case()
        .resource(&format!("{allow}}}, {{{statement}"))
        .allows(&service());
}
