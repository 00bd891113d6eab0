//! What the keys mean: Emacs' bindings, arrows, and pastes.
//!
//! Terminals write keys as escape sequences (ECMA-48, xterm). Over a slow line they come in pieces, of which crossterm takes a first
//! lone ESC for the key: what follows within [`STITCH`] is put together here. Where a terminal does not bracket pastes, more than
//! [`ENTERS_MAX`] Enters that come at once are a paste.

use super::edit::Place;
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::collections::VecDeque;
use std::io;
use std::time::Duration;

/// How long the rest of an escape sequence may take.
const STITCH: Duration = Duration::from_millis(30);

/// How soon an event comes that belongs to the same read. (With no time at all crossterm does not look at what it has read.)
const AT_ONCE: Duration = Duration::from_millis(1);

/// So many Enters may come at once and be typed.
pub(super) const ENTERS_MAX: usize = 5;

/// Events that are looked at together.
const BATCH_MAX: usize = 4_096;

/// What the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// To insert this character.
    Character(char),
    /// To insert this text, which may have many lines.
    Paste(String),
    /// To enter the line.
    Enter,
    /// To move the cursor.
    Move(Place),
    /// To delete up to this place, for good.
    Delete(Place),
    /// To cut up to this place.
    Cut(Place),
    /// To insert what was cut.
    Yank,
    /// To exchange two characters.
    Transpose,
    /// The line before this one.
    Older,
    /// The line behind this one.
    Newer,
    /// To complete the word.
    Complete,
    /// To draw everything anew.
    Redraw,
    /// To delete the character under the cursor, or to end an empty line's input.
    DeleteOrEnd,
    /// To leave.
    Interrupt,
    /// To stop the program until it is continued.
    Suspend,
    /// To do nothing, or not to do what was asked.
    Escape,
    /// The terminal has so many columns and rows now.
    Resize(u16, u16),
}

/// The keys of the terminal.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Events that were read and not looked at.
    ahead: VecDeque<Event>,
}

impl Keys {
    /// Waits for the next key.
    ///
    /// # Errors
    /// The terminal cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Key> {
        loop {
            let event = match self.ahead.pop_front() {
                Some(event) => event,
                None => self.read_batch()?,
            };
            match event {
                Event::Paste(text) => return Ok(Key::Paste(text)),
                Event::Resize(columns, rows) => return Ok(Key::Resize(columns, rows)),
                Event::Key(KeyEvent { code: KeyCode::Esc, modifiers: KeyModifiers::NONE, kind, .. })
                    if kind != KeyEventKind::Release =>
                {
                    return self.stitch();
                }
                Event::Key(key) => {
                    if let Some(key) = meaning(key) {
                        if key == Key::Suspend {
                            // Once is enough.
                            self.ahead.retain(
                                |event| !matches!(event, Event::Key(key) if meaning(*key) == Some(Key::Suspend)),
                            );
                        }
                        return Ok(key);
                    }
                }
                Event::FocusGained | Event::FocusLost | Event::Mouse(_) => {}
            }
        }
    }

    /// Waits for an event, and reads what has come with it. Gives the first, or a paste if there are too many Enters among them.
    fn read_batch(&mut self) -> io::Result<Event> {
        let first = event::read()?;
        self.ahead.push_back(first);
        while self.ahead.len() < BATCH_MAX && event::poll(AT_ONCE)? {
            self.ahead.push_back(event::read()?);
        }
        if self.ahead.iter().filter(|event| typed(event) == Some('\n')).count() > ENTERS_MAX {
            // The rest of it is on its way.
            while self.ahead.len() < 16 * BATCH_MAX && event::poll(STITCH)? {
                self.ahead.push_back(event::read()?);
            }
            if self.ahead.iter().all(|event| typed(event).is_some() || is_release(event)) {
                return Ok(Event::Paste(self.ahead.drain(..).filter_map(|event| typed(&event)).collect()));
            }
        }
        // The one that was read first is there.
        Ok(self.ahead.pop_front().unwrap_or(Event::FocusLost))
    }

    /// The next event, if it comes soon.
    fn soon(&mut self) -> io::Result<Option<Event>> {
        match self.ahead.pop_front() {
            Some(event) => Ok(Some(event)),
            None => event::poll(STITCH)?.then(event::read).transpose(),
        }
    }

    /// An ESC has come alone: puts it together with what follows.
    fn stitch(&mut self) -> io::Result<Key> {
        let Some(event) = self.soon()? else { return Ok(Key::Escape) };
        let mut sequence = match typed(&event) {
            Some(introducer @ ('[' | 'O')) => String::from(introducer),
            Some(character) => {
                let key = KeyEvent::new(KeyCode::Char(character), KeyModifiers::ALT);
                return Ok(meaning(key).unwrap_or(Key::Escape));
            }
            None => {
                self.ahead.push_front(event);
                return Ok(Key::Escape);
            }
        };
        while let Some(event) = self.soon()? {
            let Some(character) = typed(&event) else {
                self.ahead.push_front(event);
                break;
            };
            sequence.push(character);
            if ('\x40'..='\x7e').contains(&character) {
                break;
            }
        }
        if sequence == "[200~" { self.read_paste() } else { Ok(sequence_meaning(&sequence)) }
    }

    /// Reads a paste up to its end. Control characters, which come as keys, are in it again, each key as one character.
    fn read_paste(&mut self) -> io::Result<Key> {
        const END: &str = "\x1b[201~";
        let mut text = String::new();
        while !text.ends_with(END) {
            let Some(event) = self.soon()? else { break };
            match event {
                event if is_release(&event) => {}
                Event::Key(_) => text.push(typed(&event).unwrap_or('\x1b')),
                _ => {}
            }
        }
        Ok(Key::Paste(text.strip_suffix(END).unwrap_or(&text).to_owned()))
    }
}

/// Whether a key was let go.
fn is_release(event: &Event) -> bool {
    matches!(event, Event::Key(KeyEvent { kind: KeyEventKind::Release, .. }))
}

/// The character that an event types, with Enter as a line feed; `None` if it is something else.
fn typed(event: &Event) -> Option<char> {
    let Event::Key(key) = event else { return None };
    match meaning(*key)? {
        Key::Character(character) => Some(character),
        Key::Enter => Some('\n'),
        Key::Complete => Some('\t'),
        _ => None,
    }
}

/// What a key means; `None` for nothing.
fn meaning(key: KeyEvent) -> Option<Key> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let alt = key.modifiers.contains(KeyModifiers::ALT);
    Some(match key.code {
        // With both it is AltGr on Windows, which types characters.
        KeyCode::Char(character) if control == alt && !(control && character.is_ascii_alphabetic()) => {
            Key::Character(character)
        }
        KeyCode::Char(character) if control && !alt => return control_meaning(character.to_ascii_lowercase()),
        KeyCode::Char(character) => return alt_meaning(character.to_ascii_lowercase()),
        KeyCode::Enter => Key::Enter,
        KeyCode::Tab => Key::Complete,
        KeyCode::Backspace if alt || control => Key::Cut(Place::WordLeft),
        KeyCode::Backspace => Key::Delete(Place::Left),
        KeyCode::Delete if alt || control => Key::Cut(Place::WordRight),
        KeyCode::Delete => Key::Delete(Place::Right),
        KeyCode::Left if alt || control => Key::Move(Place::WordLeft),
        KeyCode::Left => Key::Move(Place::Left),
        KeyCode::Right if alt || control => Key::Move(Place::WordRight),
        KeyCode::Right => Key::Move(Place::Right),
        KeyCode::Home => Key::Move(Place::Start),
        KeyCode::End => Key::Move(Place::End),
        KeyCode::Up => Key::Older,
        KeyCode::Down => Key::Newer,
        KeyCode::Esc => Key::Escape,
        _ => return None,
    })
}

/// What a letter means with the control key; `None` for nothing.
fn control_meaning(letter: char) -> Option<Key> {
    Some(match letter {
        'a' => Key::Move(Place::Start),
        'b' => Key::Move(Place::Left),
        'c' => Key::Interrupt,
        'd' => Key::DeleteOrEnd,
        'e' => Key::Move(Place::End),
        'f' => Key::Move(Place::Right),
        'h' => Key::Delete(Place::Left),
        'i' => Key::Complete,
        'j' | 'm' => Key::Enter,
        'k' => Key::Cut(Place::End),
        'l' => Key::Redraw,
        'n' => Key::Newer,
        'p' => Key::Older,
        't' => Key::Transpose,
        'u' => Key::Cut(Place::Start),
        'w' => Key::Cut(Place::SpaceLeft),
        'y' => Key::Yank,
        'z' => Key::Suspend,
        _ => return None,
    })
}

/// What a letter means with the alternate key; `None` for nothing.
fn alt_meaning(letter: char) -> Option<Key> {
    Some(match letter {
        'b' => Key::Move(Place::WordLeft),
        'f' => Key::Move(Place::WordRight),
        'd' => Key::Cut(Place::WordRight),
        _ => return None,
    })
}

/// What an escape sequence means, without its ESC.
fn sequence_meaning(sequence: &str) -> Key {
    match sequence {
        "[A" | "OA" => Key::Older,
        "[B" | "OB" => Key::Newer,
        "[C" | "OC" => Key::Move(Place::Right),
        "[D" | "OD" => Key::Move(Place::Left),
        "[1;5C" | "[1;3C" => Key::Move(Place::WordRight),
        "[1;5D" | "[1;3D" => Key::Move(Place::WordLeft),
        "[H" | "OH" | "[1~" | "[7~" => Key::Move(Place::Start),
        "[F" | "OF" | "[4~" | "[8~" => Key::Move(Place::End),
        "[3~" => Key::Delete(Place::Right),
        _ => Key::Escape,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a key means with these modifiers.
    fn key(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
        meaning(KeyEvent::new(code, modifiers))
    }

    /// Keys whose events have come already.
    fn pressed(codes: impl IntoIterator<Item = KeyCode>) -> Keys {
        let ahead = codes.into_iter().map(|code| Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
        Keys { ahead: ahead.collect() }
    }

    #[test]
    fn letters_are_typed_and_those_with_control_or_alt_are_commands() {
        assert_eq!(key(KeyCode::Char('a'), KeyModifiers::NONE), Some(Key::Character('a')));
        assert_eq!(key(KeyCode::Char('A'), KeyModifiers::SHIFT), Some(Key::Character('A')));
        assert_eq!(key(KeyCode::Char('a'), KeyModifiers::CONTROL), Some(Key::Move(Place::Start)));
        assert_eq!(key(KeyCode::Char('f'), KeyModifiers::ALT), Some(Key::Move(Place::WordRight)));
        assert_eq!(key(KeyCode::Char('q'), KeyModifiers::CONTROL), None);
        assert_eq!(key(KeyCode::Char('@'), KeyModifiers::CONTROL | KeyModifiers::ALT), Some(Key::Character('@')));
    }

    #[test]
    fn key_that_is_let_go_means_nothing() {
        let release = KeyEvent::new_with_kind(KeyCode::Char('a'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(meaning(release), None);
    }

    #[test]
    fn escape_sequence_in_pieces_is_put_together() {
        for (rest, expected) in [
            ("[D", Key::Move(Place::Left)),
            ("OA", Key::Older),
            ("[1;5C", Key::Move(Place::WordRight)),
            ("[3~", Key::Delete(Place::Right)),
            ("[99~", Key::Escape),
            ("b", Key::Move(Place::WordLeft)),
        ] {
            let mut keys = pressed([KeyCode::Esc].into_iter().chain(rest.chars().map(KeyCode::Char)));
            assert_eq!(keys.next().unwrap(), expected, "{rest}");
            assert!(keys.ahead.is_empty());
        }
    }

    #[test]
    fn bracketed_paste_in_pieces_is_put_together() {
        let start = "[200~".chars().map(KeyCode::Char);
        let end = "[201~".chars().map(KeyCode::Char);
        let text = [KeyCode::Char('a'), KeyCode::Enter, KeyCode::Tab, KeyCode::Char('b')];
        let codes = [KeyCode::Esc].into_iter().chain(start).chain(text).chain([KeyCode::Esc]).chain(end);
        assert_eq!(pressed(codes).next().unwrap(), Key::Paste("a\n\tb".to_owned()));
    }

    #[test]
    fn control_characters_of_a_bracketed_paste_in_pieces_are_not_lost_on_the_way() {
        let mut keys =
            pressed("\u{1b}[200~a".chars().map(|it| if it == '\u{1b}' { KeyCode::Esc } else { KeyCode::Char(it) }));
        // BEL, and ESC [ A, which is a key.
        for (code, modifiers) in [(KeyCode::Char('g'), KeyModifiers::CONTROL), (KeyCode::Up, KeyModifiers::NONE)] {
            keys.ahead.push_back(Event::Key(KeyEvent::new(code, modifiers)));
        }
        keys.ahead.extend(pressed([KeyCode::Char('b'), KeyCode::Esc]).ahead);
        keys.ahead.extend(pressed("[201~".chars().map(KeyCode::Char)).ahead);
        assert_eq!(keys.next().unwrap(), Key::Paste("a\u{1b}\u{1b}b".to_owned()));
    }
}
