//! Requests from another account, and through a private listener.

use super::{
    ALLOW_ALL, ALLOW_OTHER, AWAY, Effect, HOME, Layer, Principal, account_of, case, role_of, root,
    service, session, session_of, user, user_of,
};

#[test]
fn from_another_account_both_sides_have_to_allow() {
    for (caller, direct) in [
        (user(AWAY), user_of(AWAY)),
        (session(AWAY), session_of(AWAY)),
    ] {
        for principal in [direct, account_of(AWAY), "\"*\"".to_owned()] {
            case().grants(&principal).lacks(Layer::Identity, &caller);
            case()
                .grants(&principal)
                .identity(ALLOW_ALL)
                .allows(&caller);
        }
        case().identity(ALLOW_ALL).lacks(Layer::Resource, &caller);
        case()
            .identity(ALLOW_ALL)
            .grants(&account_of(HOME))
            .lacks(Layer::Resource, &caller);
    }
    case()
        .identity(ALLOW_ALL)
        .grants(&role_of(AWAY))
        .allows(&session(AWAY));
    case()
        .identity(ALLOW_ALL)
        .grants(&role_of(HOME))
        .lacks(Layer::Resource, &session(AWAY));
}

#[test]
fn from_another_account_boundary_and_session_policies_limit_every_grant() {
    let granted = case().identity(ALLOW_ALL).grants(&session_of(AWAY));
    granted
        .clone()
        .boundary(ALLOW_ALL)
        .session(ALLOW_ALL)
        .allows(&session(AWAY));
    granted
        .clone()
        .boundary(ALLOW_OTHER)
        .lacks(Layer::Boundary, &session(AWAY));
    granted
        .session(ALLOW_OTHER)
        .lacks(Layer::Session, &session(AWAY));
    let granted = case().identity(ALLOW_ALL).grants(&user_of(AWAY));
    granted
        .boundary(ALLOW_OTHER)
        .lacks(Layer::Boundary, &user(AWAY));
}

#[test]
fn root_of_another_account_needs_the_resource_only() {
    case().lacks(Layer::Resource, &root(AWAY));
    case().grants(&account_of(AWAY)).allows(&root(AWAY));
}

#[test]
fn the_policy_of_a_listener_has_to_allow_whoever_calls() {
    let everyone = |statement: &str| format!("{statement}, \"Principal\": \"*\"");
    for caller in [
        user(HOME),
        session(HOME),
        root(HOME),
        service(),
        Principal::Anonymous,
    ] {
        let granted = case().grants("\"*\"");
        granted
            .clone()
            .endpoint(&everyone(ALLOW_ALL))
            .allows(&caller);
        granted
            .clone()
            .endpoint(&everyone(ALLOW_OTHER))
            .lacks(Layer::Endpoint, &caller);
    }
    let ours = format!("{ALLOW_ALL}, \"Principal\": {}", account_of(HOME));
    let granted = case().identity(ALLOW_ALL).grants("\"*\"").endpoint(&ours);
    granted
        .allows(&user(HOME))
        .lacks(Layer::Endpoint, &user(AWAY));
}

#[test]
fn what_a_listener_allows_is_no_grant() {
    let everyone = format!("{ALLOW_ALL}, \"Principal\": \"*\"");
    let decision = case().endpoint(&everyone).decide_for(&user(HOME));
    assert_eq!(decision.effect, Effect::ImplicitDeny);
}
