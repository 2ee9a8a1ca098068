//! Passwords for GetRandomPassword, from the operating system's generator and without bias.

use zeroize::Zeroizing;

use crate::limits::{PASSWORD_CHARS_DEFAULT, PASSWORD_CHARS_MAX, PASSWORD_EXCLUDED_CHARS_MAX};

const LOWERCASE: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPERCASE: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const NUMBERS: &str = "0123456789";
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
const SPACE: &str = " ";

/// What a password is to be made of.
#[derive(Clone, Debug)]
pub struct PasswordRules<'a> {
    /// Length in characters; none asks for the default.
    pub chars: Option<i64>,
    /// Characters never used.
    pub exclude_characters: &'a str,
    /// Leaves digits out.
    pub exclude_numbers: bool,
    /// Leaves punctuation out.
    pub exclude_punctuation: bool,
    /// Leaves capitals out.
    pub exclude_uppercase: bool,
    /// Leaves small letters out.
    pub exclude_lowercase: bool,
    /// Adds the space.
    pub include_space: bool,
    /// At least one character of each kind.
    pub require_each_included_type: bool,
}

/// Says why no password can be made.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum PasswordError {
    /// The length is not between 1 and the longest.
    #[error("The password length must be between 1 and 4096 characters.")]
    Length,
    /// The list of excluded characters is too long.
    #[error("ExcludeCharacters can't be longer than 4096 characters.")]
    ExcludedTooLong,
    /// No character is left.
    #[error("You can't exclude every character type: no characters are left for the password.")]
    NothingLeft,
    /// There are more kinds of characters than characters.
    #[error("The password length is too short based on the required types.")]
    TooShort,
    /// The operating system gave no random bytes.
    #[error("The operating system gave no random bytes.")]
    NoEntropy,
}

impl PasswordRules<'_> {
    /// Makes a password.
    ///
    /// # Errors
    /// When the rules leave no password, or the operating system gives no random bytes.
    pub fn generate(&self) -> Result<Zeroizing<String>, PasswordError> {
        let chars = self.chars.unwrap_or(PASSWORD_CHARS_DEFAULT);
        if !(1..=PASSWORD_CHARS_MAX).contains(&chars) {
            return Err(PasswordError::Length);
        }
        if self.exclude_characters.chars().count() > PASSWORD_EXCLUDED_CHARS_MAX {
            return Err(PasswordError::ExcludedTooLong);
        }
        let length = usize::try_from(chars).map_err(|_| PasswordError::Length)?;
        let pools = self.pools();
        let all: Vec<u8> = pools.concat();
        if all.is_empty() {
            return Err(PasswordError::NothingLeft);
        }
        if self.require_each_included_type && length < pools.len() {
            return Err(PasswordError::TooShort);
        }
        let mut dice = Dice::default();
        let mut password = Zeroizing::new(String::with_capacity(length));
        if self.require_each_included_type {
            for pool in &pools {
                password.push(dice.pick(pool)?);
            }
        }
        while password.len() < length {
            password.push(dice.pick(&all)?);
        }
        shuffled(&password, &mut dice)
    }

    fn pools(&self) -> Vec<Vec<u8>> {
        let kinds = [
            (LOWERCASE, !self.exclude_lowercase),
            (UPPERCASE, !self.exclude_uppercase),
            (NUMBERS, !self.exclude_numbers),
            (PUNCTUATION, !self.exclude_punctuation),
            (SPACE, self.include_space),
        ];
        let kept = |pool: &str| -> Vec<u8> {
            pool.chars()
                .filter(|char| !self.exclude_characters.contains(*char))
                .filter_map(|char| u8::try_from(char).ok())
                .collect()
        };
        let included = kinds.iter().filter(|(_, included)| *included);
        included
            .map(|(pool, _)| kept(pool))
            .filter(|pool| !pool.is_empty())
            .collect()
    }
}

/// Puts the required characters anywhere: at the front they would tell their kind.
fn shuffled(password: &str, dice: &mut Dice) -> Result<Zeroizing<String>, PasswordError> {
    let mut left = Zeroizing::new(password.as_bytes().to_vec());
    let mut mixed = Zeroizing::new(String::with_capacity(left.len()));
    while !left.is_empty() {
        let index = dice.below(left.len())?;
        mixed.push(char::from(left.swap_remove(index)));
    }
    Ok(mixed)
}

/// Unbiased numbers from buffered random bytes.
#[derive(Default)]
struct Dice {
    bytes: Zeroizing<Vec<u8>>,
}

impl Dice {
    const BUFFER_BYTES: usize = 512;

    fn pick(&mut self, pool: &[u8]) -> Result<char, PasswordError> {
        let index = self.below(pool.len())?;
        pool.get(index)
            .map(|byte| char::from(*byte))
            .ok_or(PasswordError::NothingLeft)
    }

    /// Draws below `bound` (1 to 65,536); draws that would favour small numbers are thrown away.
    fn below(&mut self, bound: usize) -> Result<usize, PasswordError> {
        let fair = (65_536 / bound) * bound;
        loop {
            let draw = usize::from(self.byte()?) << 8 | usize::from(self.byte()?);
            if draw < fair {
                return Ok(draw % bound);
            }
        }
    }

    fn byte(&mut self) -> Result<u8, PasswordError> {
        if self.bytes.is_empty() {
            self.bytes.resize(Self::BUFFER_BYTES, 0);
            getrandom::fill(&mut self.bytes).map_err(|_| PasswordError::NoEntropy)?;
        }
        self.bytes.pop().ok_or(PasswordError::NoEntropy)
    }
}

#[cfg(test)]
mod tests {
    use super::{LOWERCASE, NUMBERS, PUNCTUATION, PasswordError, PasswordRules, UPPERCASE};

    const RULES: PasswordRules<'static> = PasswordRules {
        chars: None,
        exclude_characters: "",
        exclude_numbers: false,
        exclude_punctuation: false,
        exclude_uppercase: false,
        exclude_lowercase: false,
        include_space: false,
        require_each_included_type: true,
    };

    #[test]
    fn a_password_has_32_characters_and_one_of_each_kind_by_default() {
        for _ in 0..200 {
            let password = RULES.generate().unwrap();
            assert_eq!(password.len(), 32);
            for kind in [LOWERCASE, UPPERCASE, NUMBERS, PUNCTUATION] {
                assert!(password.contains(|char| kind.contains(char)));
            }
            assert!(!password.contains(' '));
        }
    }

    #[test]
    fn the_shortest_password_with_every_kind_has_them_in_any_order() {
        let rules = PasswordRules {
            chars: Some(4),
            ..RULES
        };
        let firsts: std::collections::BTreeSet<usize> = (0..500)
            .map(|_| {
                let first = rules.generate().unwrap().chars().next().unwrap();
                let kinds = [LOWERCASE, UPPERCASE, NUMBERS, PUNCTUATION];
                kinds.iter().position(|kind| kind.contains(first)).unwrap()
            })
            .collect();
        assert_eq!(firsts.len(), 4);
    }

    #[test]
    fn excluded_characters_and_kinds_are_never_used() {
        let rules = PasswordRules {
            chars: Some(4096),
            exclude_characters: "abcé",
            exclude_numbers: true,
            exclude_punctuation: true,
            exclude_uppercase: true,
            include_space: true,
            ..RULES
        };
        let password = rules.generate().unwrap();
        assert!(
            password
                .chars()
                .all(|char| char == ' ' || ('d'..='z').contains(&char))
        );
        assert!(password.contains(' '));
    }

    #[test]
    fn a_kind_whose_characters_are_all_excluded_is_not_required() {
        let rules = PasswordRules {
            chars: Some(3),
            exclude_characters: NUMBERS,
            ..RULES.clone()
        };
        assert!(
            !rules
                .generate()
                .unwrap()
                .contains(|char| NUMBERS.contains(char))
        );
    }

    #[test]
    fn rules_that_leave_no_password_are_refused() {
        let refused = |rules: PasswordRules<'_>| rules.generate().unwrap_err();
        for chars in [0, -1, 4097, i64::MAX, i64::MIN] {
            let rules = PasswordRules {
                chars: Some(chars),
                ..RULES
            };
            assert_eq!(refused(rules), PasswordError::Length);
        }
        assert_eq!(
            refused(PasswordRules {
                chars: Some(3),
                ..RULES
            }),
            PasswordError::TooShort
        );
        let nothing = PasswordRules {
            exclude_numbers: true,
            exclude_punctuation: true,
            exclude_uppercase: true,
            exclude_lowercase: true,
            ..RULES
        };
        assert_eq!(refused(nothing), PasswordError::NothingLeft);
        let long = "x".repeat(4097);
        let rules = PasswordRules {
            exclude_characters: &long,
            ..RULES
        };
        assert_eq!(refused(rules), PasswordError::ExcludedTooLong);
    }

    #[test]
    fn every_character_of_the_pool_comes_up() {
        let rules = PasswordRules {
            chars: Some(4096),
            include_space: true,
            ..RULES
        };
        let seen: std::collections::BTreeSet<char> = (0..4)
            .flat_map(|_| rules.generate().unwrap().chars().collect::<Vec<_>>())
            .collect();
        assert_eq!(seen.len(), 26 + 26 + 10 + 32 + 1);
    }
}
