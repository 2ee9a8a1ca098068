//! Requests within the account of the resource.

use super::{
    ALLOW_ALL, ALLOW_OTHER, AWAY, Effect, HOME, Layer, Principal, account_of, case, federated,
    role_of, root, service, session, session_of, user, user_of,
};

#[test]
fn nothing_is_allowed_that_no_policy_allows() {
    for caller in [user(HOME), session(HOME)] {
        case().lacks(Layer::Identity, &caller);
        case().identity(ALLOW_OTHER).lacks(Layer::Identity, &caller);
        case()
            .boundary(ALLOW_ALL)
            .session(ALLOW_ALL)
            .lacks(Layer::Identity, &caller);
    }
    for caller in [service(), federated(), Principal::Anonymous] {
        case().lacks(Layer::Resource, &caller);
        case().identity(ALLOW_ALL).lacks(Layer::Resource, &caller);
    }
}

#[test]
fn one_policy_of_the_caller_or_of_the_resource_is_enough() {
    for (caller, principal) in [
        (user(HOME), user_of(HOME)),
        (session(HOME), session_of(HOME)),
    ] {
        case()
            .identity(ALLOW_OTHER)
            .identity(ALLOW_ALL)
            .allows(&caller);
        case().grants(&principal).allows(&caller);
        case()
            .identity(ALLOW_ALL)
            .grants(&user_of(AWAY))
            .allows(&caller);
    }
}

#[test]
fn a_boundary_and_session_policies_limit_what_the_callers_policies_allow() {
    for caller in [user(HOME), session(HOME)] {
        let allowed = case().identity(ALLOW_ALL);
        allowed
            .clone()
            .boundary(ALLOW_ALL)
            .session(ALLOW_ALL)
            .allows(&caller);
        allowed
            .clone()
            .boundary(ALLOW_OTHER)
            .lacks(Layer::Boundary, &caller);
        allowed
            .clone()
            .session(ALLOW_OTHER)
            .lacks(Layer::Session, &caller);
        allowed
            .clone()
            .session(ALLOW_OTHER)
            .session(ALLOW_ALL)
            .allows(&caller);
        let mut issued_with_none = allowed;
        issued_with_none.session = Some(Vec::new());
        issued_with_none.lacks(Layer::Session, &caller);
    }
}

#[test]
fn a_grant_to_a_user_is_not_limited_by_its_boundary() {
    case()
        .grants(&user_of(HOME))
        .boundary(ALLOW_OTHER)
        .allows(&user(HOME));
    case()
        .grants("\"*\"")
        .boundary(ALLOW_OTHER)
        .allows(&user(HOME));
    let by_id = r#"{"AWS": "AIDAEXAMPLE1234567890"}"#;
    case()
        .grants(by_id)
        .boundary(ALLOW_OTHER)
        .allows(&user(HOME));
}

#[test]
fn a_grant_to_a_user_is_limited_in_a_session_of_its_own() {
    let granted = case().grants(&user_of(HOME));
    granted.clone().session(ALLOW_ALL).allows(&user(HOME));
    granted
        .clone()
        .session(ALLOW_OTHER)
        .lacks(Layer::Session, &user(HOME));
    granted
        .boundary(ALLOW_OTHER)
        .session(ALLOW_ALL)
        .lacks(Layer::Boundary, &user(HOME));
}

#[test]
fn a_grant_to_a_role_is_limited_by_boundary_and_session_policies() {
    for principal in [
        role_of(HOME),
        r#"{"AWS": "AROAEXAMPLE1234567890"}"#.to_owned(),
    ] {
        let granted = case().grants(&principal);
        granted.allows(&session(HOME));
        granted
            .clone()
            .boundary(ALLOW_ALL)
            .session(ALLOW_ALL)
            .allows(&session(HOME));
        granted
            .clone()
            .boundary(ALLOW_OTHER)
            .lacks(Layer::Boundary, &session(HOME));
        granted
            .clone()
            .session(ALLOW_OTHER)
            .lacks(Layer::Session, &session(HOME));
    }
}

#[test]
fn a_grant_to_a_session_or_to_everyone_is_limited_by_nothing() {
    for principal in [
        session_of(HOME),
        "\"*\"".to_owned(),
        r#"{"AWS": "*"}"#.to_owned(),
    ] {
        let granted = case().grants(&principal);
        granted
            .boundary(ALLOW_OTHER)
            .session(ALLOW_OTHER)
            .allows(&session(HOME));
    }
}

#[test]
fn the_most_direct_of_several_grants_counts() {
    let both = format!("{ALLOW_ALL}, \"Principal\": {}", role_of(HOME));
    let both = format!(
        "{both}}}, {{{ALLOW_ALL}, \"Principal\": {}",
        session_of(HOME)
    );
    case()
        .resource(&both)
        .boundary(ALLOW_OTHER)
        .allows(&session(HOME));
    let listed = r#"{"AWS": ["111122223333", "arn:aws:iam::111122223333:role/app/reader"]}"#;
    case().grants(listed).allows(&session(HOME));
    case()
        .grants(listed)
        .boundary(ALLOW_OTHER)
        .lacks(Layer::Boundary, &session(HOME));
}

#[test]
fn a_grant_to_the_account_delegates_to_the_policies_of_the_caller() {
    for principal in [
        account_of(HOME),
        r#"{"AWS": "arn:aws:iam::111122223333:root"}"#.to_owned(),
    ] {
        for caller in [user(HOME), session(HOME)] {
            let granted = case().grants(&principal);
            granted.lacks(Layer::Identity, &caller);
            granted.clone().identity(ALLOW_ALL).allows(&caller);
            let limited = granted.identity(ALLOW_ALL).boundary(ALLOW_OTHER);
            limited.lacks(Layer::Boundary, &caller);
        }
    }
}

#[test]
fn root_may_do_everything_in_its_own_account() {
    let decision = case().decide_for(&root(HOME));
    assert_eq!(
        (decision.effect, decision.reason.layer()),
        (Effect::Allow, Layer::Root)
    );
    case().grants(&user_of(HOME)).allows(&root(HOME));
    case()
        .session(ALLOW_OTHER)
        .lacks(Layer::Session, &root(HOME));
}

#[test]
fn services_federated_and_anonymous_callers_need_the_resource_only() {
    let listed = r#"{"Service": "rotation.strongroom.internal"}"#;
    case().grants(listed).allows(&service());
    case()
        .grants(r#"{"Service": "other.strongroom.internal"}"#)
        .lacks(Layer::Resource, &service());
    case()
        .grants("\"*\"")
        .allows(&Principal::Anonymous)
        .allows(&service());
    case()
        .grants(&account_of(HOME))
        .lacks(Layer::Resource, &Principal::Anonymous);
    case()
        .grants(&account_of(HOME))
        .lacks(Layer::Resource, &federated());
    let assume = |issuer: &str, caller: &Principal| {
        let role = "arn:aws:iam::111122223333:role/target";
        let case = case().trusts(&format!(r#"{{"Federated": "{issuer}"}}"#));
        case.decide(caller, "sts:AssumeRole", role).effect
    };
    assert_eq!(assume("token.example.com", &federated()), Effect::Allow);
    assert_eq!(
        assume("token.example.com", &Principal::Anonymous),
        Effect::ImplicitDeny
    );
    assert_eq!(
        assume("token.example.org", &federated()),
        Effect::ImplicitDeny
    );
}

#[test]
fn a_trust_policy_has_to_allow_whatever_the_caller_may_do() {
    let assume = |case: super::Case, caller: &Principal| {
        let role = "arn:aws:iam::111122223333:role/target";
        let decision = case.decide(caller, "sts:AssumeRole", role);
        (decision.effect, decision.reason.layer())
    };
    let nobody = case().identity(ALLOW_ALL).trusts(&user_of(AWAY));
    let lacking = (Effect::ImplicitDeny, Layer::Resource);
    for caller in [user(HOME), session(HOME), root(HOME)] {
        assert_eq!(assume(nobody.clone(), &caller), lacking);
    }
    let account = case().trusts(&account_of(HOME));
    assert_eq!(
        assume(account.clone(), &user(HOME)),
        (Effect::ImplicitDeny, Layer::Identity)
    );
    let both = account.identity(ALLOW_ALL);
    assert_eq!(
        assume(both.clone(), &user(HOME)),
        (Effect::Allow, Layer::Identity)
    );
    assert_eq!(assume(both, &root(HOME)), (Effect::Allow, Layer::Root));
    let named = case().trusts(&user_of(HOME));
    assert_eq!(assume(named, &user(HOME)), (Effect::Allow, Layer::Resource));
    let issuer = case().trusts(r#"{"Federated": "token.example.com"}"#);
    assert_eq!(
        assume(issuer, &federated()),
        (Effect::Allow, Layer::Resource)
    );
}
