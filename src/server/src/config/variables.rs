//! The environment as a layer. A variable has no type of its own: its option's default has one.

use std::collections::BTreeMap;

use figment::providers::{Env, Serialized};
use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::Config;

/// Variables by section and option.
pub struct Variables {
    metadata: Metadata,
    texts: Vec<(String, String)>,
}

impl Variables {
    /// What the environment of the process has.
    pub fn of(env: &Env) -> Self {
        let texts = env
            .iter()
            .map(|(name, text)| (name.as_str().to_owned(), text));
        Self {
            metadata: env.metadata(),
            texts: texts.collect(),
        }
    }
}

impl Provider for Variables {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let defaults = Serialized::defaults(Config::default()).data()?;
        let defaults = Value::from(defaults.into_values().next().unwrap_or_default());
        let mut sections: BTreeMap<&str, Dict> = BTreeMap::new();
        for (name, text) in &self.texts {
            let Some((section, option)) = name.split_once('.') else {
                continue;
            };
            let default = defaults.find_ref(name);
            let value = read(text, default.is_some_and(|value| value.as_str().is_some()));
            let options = sections.entry(section).or_default();
            options.insert(option.to_owned(), value);
        }
        let sections = sections
            .into_iter()
            .map(|(section, options)| (section.to_owned(), Value::from(options)));
        Ok(BTreeMap::from([(Profile::Default, sections.collect())]))
    }
}

/// A text stays one even if it looks like a number or a truth: an account, or a path.
fn read(text: &str, is_text: bool) -> Value {
    let Ok(value) = text.parse::<Value>();
    match value.as_str() {
        None if is_text => Value::from(text),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use figment::Figment;

    use super::*;
    use crate::config::ConfigError;

    fn configured(name: &str, text: &str) -> Result<Config, ConfigError> {
        let variables = Variables {
            metadata: Metadata::named("the environment"),
            texts: vec![(name.to_owned(), text.to_owned())],
        };
        let layers = Figment::from(Serialized::defaults(Config::default()));
        Config::extract(&layers.merge(variables))
    }

    #[test]
    fn a_text_that_looks_like_something_else_stays_a_text() {
        for account in ["123456789012", "000000000012"] {
            let config = configured("cluster.account", account).unwrap();
            assert_eq!(config.cluster.account, account);
        }
        let texts = ["7", "true", "1.50", "[1]", "quoted"];
        for text in texts {
            let config = configured("node.data", text).unwrap();
            assert_eq!(config.node.data.as_os_str(), text);
            let config = configured("api.advertise", text).unwrap();
            assert_eq!(config.api.advertise, text);
            let config = configured("log.level", text).unwrap();
            assert_eq!(config.log.level, text);
        }
        let config = configured("node.data", "\"/a b\"").unwrap();
        assert_eq!(config.node.data.as_os_str(), "/a b");
    }

    #[test]
    fn what_is_no_text_is_read_as_what_it_is() {
        let config = configured("node.software_aes", "true").unwrap();
        assert!(config.node.software_aes);
        let config = configured("api.requests_max", "7").unwrap();
        assert_eq!(config.api.requests_max, 7);
        let config = configured("limits.deadline_max", "20s").unwrap();
        assert_eq!(config.limits.deadline_max.as_secs(), 20);
        configured("api.requests_max", "many").unwrap_err();
        configured("nobody.knows", "1").unwrap_err();
    }
}
