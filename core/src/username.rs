//! Usernames: which ones are allowed, and when two are the same (docs/names.md).
//!
//! A name is shown as it came: nothing here trims, composes or changes case. Two names are the same if their keys are;
//! a key is for comparing only, is never shown or sent, and need not be an allowed name itself.

mod table;

use crate::limits::{NAME_BYTES_MAX, NAME_KEY_BYTES_MAX};
use core::{
    fmt,
    hash::{Hash, Hasher},
};
use heapless::{String, Vec};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use table::Class;

/// Most marks (accents, vowel signs) that may follow each other: enough for Vietnamese, Hebrew and Tibetan, too few to
/// paint over the lines above and below.
const MARKS_IN_A_ROW_MAX: usize = 3;

/// A checked name of 1 to [`NAME_BYTES_MAX`] bytes of UTF-8.
///
/// `==` and `Hash` ask for the [key](Self::key), because that is what makes two names the same: "Anna" and "ANNA" are
/// equal. Compare [`as_str`](Self::as_str) to find out whether they are also written alike. There is no order: sort by
/// key.
#[derive(Debug, Clone)]
pub struct Username(String<NAME_BYTES_MAX, u8>);

/// The key of a name: two names are the same if their keys are equal. Keys are compared, ordered and hashed by their bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UsernameKey(String<NAME_KEY_BYTES_MAX, u8>);

/// Why a name is refused. If several apply, the one that stands first here is given; between `Character` and `NotComposed`,
/// the leftmost character that has either decides (NAME-8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsernameError {
    /// It has no bytes.
    Empty,
    /// It has more than [`NAME_BYTES_MAX`] bytes.
    Overlong,
    /// It has a character that is not allowed.
    Character,
    /// It has a separate accent (U+0300 to U+036F) or a character that never occurs in the form NFC.
    NotComposed,
    /// It begins with a mark, begins or ends with `-`, `_` or `.`, or has four marks in a row.
    Placement,
    /// It has a Latin letter, and a letter, mark or digit of another script.
    MixedScripts,
}

/// What the rules about placement and scripts know of an allowed character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A Latin letter.
    Latin,
    /// A letter of another script.
    OtherLetter,
    /// A mark; none is Latin.
    Mark,
    /// An ASCII digit, which stands beside every script.
    Digit,
    /// A digit of another script.
    OtherDigit,
    /// `-`, `_` or `.`.
    Punctuation,
}

impl Username {
    /// Checks a name. Looks at each of its at most 32 characters once.
    ///
    /// # Errors
    /// [`UsernameError`]; if several apply, the one that stands first in its list.
    pub fn new(name: &str) -> Result<Self, UsernameError> {
        if name.is_empty() {
            return Err(UsernameError::Empty);
        }
        let checked = String::try_from(name).map_err(|_| UsernameError::Overlong)?;
        let roles = roles(name)?;
        check_placement(&roles)?;
        check_scripts(&roles)?;
        Ok(Self(checked))
    }

    /// The name as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key: each character in lower case, final sigma as sigma. Computed anew each time, by a look-up that reads at
    /// most 174 rows per character: a caller that compares often keeps the key.
    ///
    /// It always fits: the key of a character is at most half as long again as the character (two bytes may become
    /// three, as in U+0130 or U+023A; none of one, three or four bytes grows), and [`NAME_KEY_BYTES_MAX`] is half as
    /// long again as [`NAME_BYTES_MAX`].
    pub fn key(&self) -> UsernameKey {
        let mut key = String::new();
        for character in self.0.chars() {
            let pushed = match character {
                // The only character whose lower case is two characters.
                'İ' => key.push_str("i\u{307}"),
                _ => key.push(table::key(character)),
            };
            debug_assert!(pushed.is_ok(), "a key is at most half as long again as its name");
        }
        UsernameKey(key)
    }
}

impl UsernameKey {
    /// The key as a string, for comparing and looking up only.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The role of each character of a name.
fn roles(name: &str) -> Result<Vec<Role, NAME_BYTES_MAX>, UsernameError> {
    let mut roles = Vec::new();
    for character in name.chars() {
        roles.push(Role::of(character)?).map_err(|_| UsernameError::Overlong)?;
    }
    Ok(roles)
}

impl Role {
    /// The role of a character, or why it is refused.
    fn of(character: char) -> Result<Self, UsernameError> {
        match (character, table::class(character)) {
            ('-' | '_' | '.', _) => Ok(Self::Punctuation),
            (_, None) => Err(UsernameError::Character),
            (_, Some(Class::NotComposed)) => Err(UsernameError::NotComposed),
            (_, Some(Class::Mark)) => Ok(Self::Mark),
            ('0'..='9', _) => Ok(Self::Digit),
            (_, Some(Class::Digit)) => Ok(Self::OtherDigit),
            (_, Some(Class::Latin)) => Ok(Self::Latin),
            (_, Some(Class::Letter)) => Ok(Self::OtherLetter),
        }
    }
}

/// A name neither begins with a mark nor begins or ends with punctuation, and has no four marks in a row.
fn check_placement(roles: &[Role]) -> Result<(), UsernameError> {
    let bad_first = matches!(roles.first(), Some(Role::Mark | Role::Punctuation));
    let bad_last = roles.last() == Some(&Role::Punctuation);
    let too_many_marks = roles.windows(MARKS_IN_A_ROW_MAX + 1).any(|row| row.iter().all(|&role| role == Role::Mark));
    if bad_first || bad_last || too_many_marks { Err(UsernameError::Placement) } else { Ok(()) }
}

/// A name with a Latin letter has no letter, mark or digit of another script, so that no look-alike hides among Latin letters.
fn check_scripts(roles: &[Role]) -> Result<(), UsernameError> {
    let other = roles.iter().any(|role| matches!(role, Role::OtherLetter | Role::Mark | Role::OtherDigit));
    if other && roles.contains(&Role::Latin) { Err(UsernameError::MixedScripts) } else { Ok(()) }
}

impl PartialEq for Username {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Username {}

impl Hash for Username {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Username {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Checks the name. postcard drops the reason: a caller that needs it decodes a `&str` and calls [`Username::new`].
impl<'de> Deserialize<'de> for Username {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

/// Checks a name where it lies in the input, without a copy of the unchecked one.
struct NameVisitor;

impl de::Visitor<'_> for NameVisitor {
    type Value = Username;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a name of 1 to {NAME_BYTES_MAX} bytes")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Username, E> {
        Username::new(name).map_err(E::custom)
    }
}

impl fmt::Display for UsernameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty"),
            Self::Overlong => write!(f, "the name is longer than {NAME_BYTES_MAX} bytes"),
            Self::Character => f.write_str("the name has a character that names must not have"),
            Self::NotComposed => {
                f.write_str("the name has a character that Unicode's form NFC does not have: send it in that form")
            }
            Self::Placement => f.write_str(
                "the name begins with a mark, begins or ends with one of - _ . or has more than three marks in a row",
            ),
            Self::MixedScripts => {
                f.write_str("the name mixes Latin letters with letters, marks or digits of another script")
            }
        }
    }
}

impl core::error::Error for UsernameError {}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::{collections::HashSet, string::ToString};

    /// A name that has to be allowed.
    fn name(text: &str) -> Username {
        Username::new(text).unwrap()
    }

    /// The refusal of a name that has to be refused.
    fn refusal(text: &str) -> UsernameError {
        Username::new(text).unwrap_err()
    }

    /// Every character that a name may have.
    fn allowed() -> impl Iterator<Item = char> {
        ('\0'..=char::MAX).filter(|&character| Role::of(character).is_ok())
    }

    #[test]
    fn name_without_bytes_is_refused() {
        assert_eq!(refusal(""), UsernameError::Empty);
    }

    #[test]
    fn name_of_32_bytes_fits_and_one_of_33_is_refused() {
        for longest in ["x".repeat(32), "ж".repeat(16), "字".repeat(10) + "12"] {
            assert_eq!(name(&longest).as_str(), longest);
            assert_eq!(refusal(&(longest + "1")), UsernameError::Overlong);
        }
    }

    #[test]
    fn single_letter_or_digit_is_a_name() {
        for shortest in ["a", "Z", "7", "é", "٣", "字", "한"] {
            assert_eq!(name(shortest).as_str(), shortest);
        }
    }

    #[test]
    fn character_outside_the_table_is_refused() {
        for bad in ["a b", "a\0", "a\u{1b}[2J", "a/b", "a@b", "a~2", "×", "ª", "a\u{200d}b", "ﬁn", "Ａ", "𝐀", "☃"]
        {
            assert_eq!(refusal(bad), UsernameError::Character, "{bad:?}");
        }
    }

    #[test]
    fn default_ignorable_letter_or_mark_is_refused() {
        for bad in ["a\u{34f}", "\u{115f}", "\u{3164}", "ᠠ\u{180b}", "字\u{e0100}"] {
            assert!(matches!(refusal(bad), UsernameError::Character | UsernameError::NotComposed), "{bad:?}");
        }
    }

    #[test]
    fn separate_accent_is_refused_as_not_composed() {
        for bad in ["e\u{300}", "e\u{301}", "e\u{36f}", "\u{301}", "й\u{301}"] {
            assert_eq!(refusal(bad), UsernameError::NotComposed, "{bad:?}");
        }
        assert_eq!(refusal("a\u{2ff}"), UsernameError::Character);
        assert_eq!(name("\u{370}").as_str(), "\u{370}");
    }

    #[test]
    fn character_that_never_occurs_in_nfc_is_refused_as_not_composed() {
        for (bad, composed) in [("\u{f9e1}", "李"), ("\u{1f71}", "ά"), ("\u{958}", "क़"), ("\u{fb1d}", "י\u{5b4}")]
        {
            assert_eq!(refusal(bad), UsernameError::NotComposed, "{bad:?}");
            assert_eq!(name(composed).as_str(), composed);
        }
    }

    #[test]
    fn punctuation_is_allowed_inside_only() {
        for mark in ["-", "_", "."] {
            assert_eq!(refusal(mark), UsernameError::Placement);
            assert_eq!(refusal(&[mark, "a"].concat()), UsernameError::Placement);
            assert_eq!(refusal(&["a", mark].concat()), UsernameError::Placement);
            assert!(Username::new(&["a", mark, mark, "b"].concat()).is_ok());
        }
    }

    #[test]
    fn mark_at_the_beginning_is_refused_and_one_at_the_end_allowed() {
        assert_eq!(refusal("\u{5b7}א"), UsernameError::Placement);
        assert_eq!(refusal("\u{903}"), UsernameError::Placement);
        assert!(Username::new("א\u{5b7}").is_ok());
    }

    #[test]
    fn three_marks_in_a_row_fit_and_four_are_refused() {
        let three = "א\u{5b7}\u{5b7}\u{5b7}";
        assert!(Username::new(&[three, three].concat()).is_ok());
        assert_eq!(refusal(&[three, "\u{5b7}א"].concat()), UsernameError::Placement);
        assert_eq!(refusal(&["א", three, "\u{5b7}"].concat()), UsernameError::Placement);
    }

    #[test]
    fn latin_letter_beside_another_script_is_refused() {
        for bad in
            ["Bоb", "оB", "aα", "ɑa", "a\u{5b7}", "1\u{5b7}a", "É字", "ỹж", "\u{24f}\u{250}", "x-ж", "Bob٣", "b०b"]
        {
            assert_eq!(refusal(bad), UsernameError::MixedScripts, "{bad:?}");
        }
    }

    #[test]
    fn scripts_other_than_latin_and_digits_mix_freely() {
        for good in ["жα字", "ж-7_٣", "Bob3", "Zoë\u{1eff}", "漢字かな", "1\u{5b7}"] {
            assert_eq!(name(good).as_str(), good);
        }
    }

    #[test]
    fn lower_case_of_a_latin_letter_is_latin() {
        for (capital, small) in [("KƆFI", "Kɔfi"), ("ŊƐ", "ŋɛ"), ("ƊAN", "ɗan"), ("ȺB", "ⱥb")] {
            assert_eq!(name(capital), name(small));
            assert_eq!(refusal(&[small, "ж"].concat()), UsernameError::MixedScripts);
        }
    }

    #[test]
    fn several_faults_are_told_in_the_documented_order() {
        assert_eq!(refusal(&["-\u{301} Bоb", &"x".repeat(30)].concat()), UsernameError::Overlong);
        assert_eq!(refusal("-\u{301} Bоb"), UsernameError::NotComposed);
        assert_eq!(refusal("- \u{301}Bоb"), UsernameError::Character);
        assert_eq!(refusal("-Bоb"), UsernameError::Placement);
        assert_eq!(refusal("Bоb"), UsernameError::MixedScripts);
    }

    #[test]
    fn names_that_differ_in_case_are_the_same() {
        for (one, other) in [("Anna", "aNNA"), ("ÉMILE", "Émile"), ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"), ("ЖЕНЯ", "женя")]
        {
            assert_eq!(name(one), name(other));
            assert_eq!(name(one).key().as_str(), name(other).key().as_str());
            assert_eq!(HashSet::from([name(one), name(other)]).len(), 1);
        }
    }

    #[test]
    fn names_that_differ_in_more_than_case_are_not_the_same() {
        for (one, other) in [("Anna", "Ana"), ("i", "İ"), ("i", "ı"), ("ss", "ß"), ("a.b", "a-b"), ("Bob", "Воб")]
        {
            assert_ne!(name(one), name(other));
            assert_ne!(name(one).key(), name(other).key());
        }
    }

    #[test]
    fn key_of_a_character_is_at_most_half_as_long_again() {
        for character in allowed() {
            // Between digits any allowed character may stand.
            let key = name(&std::format!("1{character}1")).key();
            let alone = key.as_str().len() - 2;
            assert!(alone * 2 <= character.len_utf8() * 3, "{character:?}");
        }
    }

    #[test]
    fn longest_key_just_fits() {
        let key = name(&"İ".repeat(16)).key();
        assert_eq!(key.as_str(), "i\u{307}".repeat(16));
        assert_eq!(key.as_str().len(), NAME_KEY_BYTES_MAX);
        assert_eq!(name(&"Ⱥ".repeat(16)).key().as_str().len(), NAME_KEY_BYTES_MAX);
    }

    #[test]
    fn name_is_shown_as_it_came() {
        assert_eq!(name("Émile-3").to_string(), "Émile-3");
        assert_eq!(std::format!("[{:>5}]", name("Zoë")), "[  Zoë]");
    }

    #[test]
    fn name_on_the_wire_is_a_string_in_both_directions() {
        let wire = [5, b'Z', b'o', 0xc3, 0xab, b'1'];
        let mut buffer = [0xa5; 8];
        assert_eq!(postcard::to_slice(&name("Zoë1"), &mut buffer).unwrap(), &wire);
        assert_eq!(postcard::from_bytes::<Username>(&wire).unwrap().as_str(), "Zoë1");
        for length in 0..wire.len() {
            assert!(postcard::from_bytes::<Username>(&wire[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn refused_name_on_the_wire_is_an_error() {
        for wire in [&[0][..], &[1, b'-'], &[2, b'a', 0x1b], &[2, 0xc3, 0x28]] {
            assert!(postcard::from_bytes::<Username>(wire).is_err(), "{wire:?}");
        }
    }
}
