//! Makes a case small that shows a disagreement.

use serde_json::Value;

use crate::case::Case;

/// The smallest case that is found by leaving parts away while it still `shows` what it showed.
pub fn smallest(case: &Case, shows: impl Fn(&Case) -> bool) -> Case {
    let mut best = serde_json::to_value(case).expect("a case is JSON");
    let mut at = 0;
    loop {
        // Which part is left away is a number, so that one that had to stay is not tried again.
        let mut skip = at;
        let mut smaller = best.clone();
        if !without(&mut smaller, &mut skip) {
            break;
        }
        match serde_json::from_value::<Case>(smaller.clone()) {
            Ok(case) if shows(&case) => best = smaller,
            _ => at += 1,
        }
    }
    serde_json::from_value(best).expect("it was read before")
}

/// Leaves the part number `skip` of the policies and the context away; false if there is none.
fn without(case: &mut Value, skip: &mut usize) -> bool {
    let layers = ["boundary", "session", "resource_policy", "endpoint_policy"];
    for layer in layers {
        if !case[layer].is_null() && passed(skip) {
            case[layer] = Value::Null;
            return true;
        }
    }
    let parts = ["identity", "context"].into_iter().chain(layers);
    parts.into_iter().any(|part| leave(&mut case[part], skip))
}

fn passed(skip: &mut usize) -> bool {
    if *skip == 0 {
        return true;
    }
    *skip -= 1;
    false
}

/// Leaves one element or one member away, however deep it is.
fn leave(value: &mut Value, skip: &mut usize) -> bool {
    match value {
        Value::Array(list) => {
            for at in 0..list.len() {
                if passed(skip) {
                    list.remove(at);
                    return true;
                }
            }
            list.iter_mut().any(|each| leave(each, skip))
        }
        Value::Object(map) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            for key in keys {
                if passed(skip) {
                    map.remove(&key);
                    return true;
                }
            }
            map.values_mut().any(|each| leave(each, skip))
        }
        _ => false,
    }
}
